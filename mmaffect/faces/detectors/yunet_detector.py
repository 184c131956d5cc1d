"""YuNet, from a file, by OpenCV."""

from pathlib import Path

import cv2
import numpy as np

from ...errors import ConfigError
from ...registry import FACE_DETECTORS
from .base import NetworkDetector

MAX_OVERLAP, MAX_FACES = 0.3, 5000


@FACE_DETECTORS.register_module()
class YuNetDetector(NetworkDetector):
    """YuNet (https://doi.org/10.1007/s11633-023-1423-y) from a file such as ``face_detection_yunet_2023mar.onnx``.

    The file is in OpenCV's model zoo, github.com/opencv/opencv_zoo.

    Args:
        path: the ONNX file.
        min_score: least score of a face, in (0, 1).
        min_face: least height of a face, pixels of the frame.
        max_side: longest side of what the network sees, pixels; larger frames are scaled down.

    Raises:
        ConfigError: if an argument is out of range, or the file does not exist or is no YuNet.
    """

    def __init__(self, path: str | Path, min_score: float = 0.8, min_face: int = 20, max_side: int = 640) -> None:
        super().__init__(min_score, min_face, max_side)
        if not Path(path).is_file():
            raise ConfigError(f'{path}: no such file; expected the ONNX file of a YuNet detector')
        try:
            self._network = cv2.FaceDetectorYN.create(str(path), '', (64, 64), min_score, MAX_OVERLAP, MAX_FACES)
            # Whether the file has YuNet's outputs shows only now.
            self.find(np.zeros((64, 64, 3), np.uint8), 1.0)
        except (cv2.error, ValueError):
            raise ConfigError(f'{path}: OpenCV cannot run it; expected the ONNX file of a YuNet detector') from None

    def find(self, picture: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        self._network.setInputSize((picture.shape[1], picture.shape[0]))
        return split_rows(self._network.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1])


def split_rows(rows: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes ``(n, 4)``, scores ``(n,)`` and points ``(n, 5, 2)`` from what YuNet gives.

    Args:
        rows: ``(n, 15)``: box, the person's right eye and left eye, nose, the person's right and left corner of the
            mouth, score; the person's right is left in the picture. ``None`` without a face.
    """
    rows = np.zeros((0, 15)) if rows is None else np.asarray(rows, np.float64)
    return rows[:, :4], rows[:, 14], rows[:, 4:14].reshape(-1, 5, 2)
