"""From five points to the face crop that training data has."""

import cv2
import numpy as np

from ..errors import MediaError

# Where ArcFace has left eye, right eye, nose, left and right corner of the mouth, in a crop of 112x112
# (https://arxiv.org/abs/1801.07698).
ARCFACE_POINTS = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
ALIGNED_SIZE = 112
# A face of 3600 pixels; more is a slip of a detector, and memory grows with the square.
MAX_REDUCTION = 32


def align_face(frame: np.ndarray, points: np.ndarray, size: int = ALIGNED_SIZE) -> np.ndarray:
    """The face as Aff-Wild2's ``cropped_aligned`` has it: turned, scaled and moved until its points fit ArcFace's.

    Args:
        frame: uint8 ``(H, W, 3)``.
        points: ``(5, 2)``, pixels of the frame: left eye, right eye, nose, left and right corner of the mouth.
        size: side of the crop, pixels.

    Returns:
        uint8 ``(size, size, 3)``; black beyond the frame.

    Raises:
        MediaError: if the points are not five different ones.
    """
    matrix = similarity(points, size)
    # Bilinear sampling skips pixels of a large face: it is drawn a whole number of times too large, then averaged.
    scale = max(np.hypot(*matrix[:, 0]), 1 / MAX_REDUCTION)
    reduction = max(round(1 / scale), 1)
    if reduction > 1:
        matrix = reduction * matrix
        matrix[:, 2] += (reduction - 1) / 2
    side = size * reduction
    crop = cv2.warpAffine(frame, matrix, (side, side), flags=cv2.INTER_LINEAR)
    return crop if reduction == 1 else cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)


def crop_face(frame: np.ndarray, points: np.ndarray, face_size: int) -> np.ndarray:
    """The face as a prepared corpus holds it: aligned at 112x112, then averaged to ``face_size``.

    Args:
        frame: uint8 ``(H, W, 3)``, RGB.
        points: ``(5, 2)``, as of :func:`align_face`.
        face_size: side of the stored faces, pixels.

    Raises:
        MediaError: if the points are not five different ones.
    """
    return cv2.resize(align_face(frame, points), (face_size, face_size), interpolation=cv2.INTER_AREA)


def similarity(points: np.ndarray, size: int = ALIGNED_SIZE) -> np.ndarray:
    """Rotation, scale and shift that bring the points nearest to ArcFace's, by least squares.

    Args:
        points: ``(5, 2)``, pixels.
        size: side of the crop, pixels.

    Returns:
        ``(2, 3)`` float64, from pixels of the frame to pixels of the crop, never mirrored.

    Raises:
        MediaError: if the points are not five different ones.
    """
    points = np.asarray(points, np.float64)
    if points.shape != (5, 2) or not np.isfinite(points).all() or np.ptp(points, axis=0).max() < 1e-3:
        raise MediaError(f'points of a face are {points.tolist()}; expected five different ones, (5, 2)')
    # Pixels are squares around whole numbers: the crop's corner is at -0.5 at any size.
    target = (ARCFACE_POINTS + 0.5) * (size / ALIGNED_SIZE) - 0.5
    x, y = points.T
    one, zero = np.ones(5), np.zeros(5)
    system = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    a, b, dx, dy = np.linalg.lstsq(system, target.T.ravel(), rcond=None)[0]
    return np.array([[a, -b, dx], [b, a, dy]])
