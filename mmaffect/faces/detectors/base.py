"""What all detectors do before and after their network."""

from abc import abstractmethod

import cv2
import numpy as np

from ...errors import ConfigError, MediaError
from ...utils.checks import check_size
from ..types import Face, FaceDetector


class NetworkDetector(FaceDetector):
    """Scales large frames down for the network and what it finds back.

    Args:
        min_score: least score of a face, in (0, 1).
        min_face: least height of a face, pixels of the frame.
        max_side: longest side of what the network sees, pixels; larger frames are scaled down.
    """

    def __init__(self, min_score: float, min_face: int, max_side: int) -> None:
        owner = type(self).__name__
        if not isinstance(min_score, int | float) or not 0 < min_score < 1:
            raise ConfigError(f'{owner}: min_score={min_score!r}; expected 0 < min_score < 1')
        check_size(owner, 'min_face', min_face)
        check_size(owner, 'max_side', max_side)
        self.min_score, self.min_face, self.max_side = min_score, min_face, max_side

    def detect(self, frame: np.ndarray) -> list[Face]:
        check_frame(frame)
        height, width = frame.shape[:2]
        scale = min(self.max_side / max(height, width), 1.0)
        seen = np.ascontiguousarray(frame)
        if scale < 1:
            size = max(round(width * scale), 1), max(round(height * scale), 1)
            seen = cv2.resize(seen, size, interpolation=cv2.INTER_AREA)
        boxes, scores, points = self.find(seen, scale)
        # Both sides are rounded on their own; pixels are squares around whole numbers.
        ratio = np.array([width / seen.shape[1], height / seen.shape[0]])
        points = (points + 0.5) * ratio - 0.5
        boxes = np.concatenate([(boxes[:, :2] + 0.5) * ratio - 0.5, boxes[:, 2:] * ratio], axis=1)
        whole = np.isfinite(boxes).all(1) & np.isfinite(points).all((1, 2)) & (np.ptp(points, axis=1).max(1) > 1)
        keep = np.flatnonzero(whole & (scores >= self.min_score) & (boxes[:, 3] >= self.min_face))
        return [
            Face(boxes[i].astype(np.float32), float(min(scores[i], 1.0)), points[i].astype(np.float32))
            for i in keep[np.argsort(-scores[keep], kind='stable')]
        ]

    @abstractmethod
    def find(self, picture: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Faces of what the network sees, in any order; fainter and smaller ones may be among them.

        Args:
            picture: uint8 ``(h, w, 3)``, RGB, contiguous, no side longer than ``max_side``.
            scale: its size as a share of the frame's, in (0, 1].

        Returns:
            Boxes ``(n, 4)``, scores ``(n,)`` and points ``(n, 5, 2)``, as of :class:`Face`, in its pixels.
        """


def check_frame(frame: np.ndarray) -> None:
    """Raise :class:`MediaError` unless it is a picture in colour, uint8 ``(H, W, 3)``."""
    shape, kind = getattr(frame, 'shape', None), getattr(frame, 'dtype', type(frame).__name__)
    if shape is None or kind != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
        raise MediaError(f'a frame is {kind} of shape {shape}; expected uint8 (height, width, 3), RGB')


def missing(package: str) -> ConfigError:
    """The error where the package of a detector is not installed."""
    return ConfigError(f'{package} is not installed or cannot be loaded: pip install mmaffect[video]')
