"""Pictures from landmarks: warped frames, covered faces and aligned face crops."""

import cv2
import numpy as np

from .expressions import INNER_MOUTH, Pose, express, landmark_depth, pose
from .faces import Face
from .portrait import FRAME_SIZE

CROP_SIZE = 112
_ARCFACE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


class Renderer:
    """Draws one face in any expression and pose.

    Args:
        face: the identity's picture and landmarks.
    """

    def __init__(self, face: Face) -> None:
        self._face = face
        self._depth = landmark_depth(face.neutral)
        self._centre = face.neutral[27:36].mean(axis=0)
        self._rest = Pose(face.identity.head[:2], face.identity.head[2], face.identity.head[3])
        border = np.linspace(0, FRAME_SIZE - 1, 5)
        self._border = np.array(
            [(x, y) for x in border for y in border if x in border[[0, -1]] or y in border[[0, -1]]]
        )
        self._source = np.concatenate([face.source, _cheeks(face.source), face.source_outline, face.body, self._border])
        # Lids are a few pixels apart, hair and background are not: a fine grid only where the face can be.
        self._axes = [_grid_axis(62, 204, 4), _grid_axis(62, 212, 3)]
        pixels = [np.interp(np.arange(FRAME_SIZE), axis, np.arange(len(axis))) for axis in self._axes]
        self._to_grid = [part.astype(np.float32) for part in np.meshgrid(*pixels)]
        self._grid = np.stack(np.meshgrid(*self._axes), axis=-1).reshape(-1, 2)

    def landmarks(self, valence: float, arousal: float, speech: float, blink: float, head: Pose) -> np.ndarray:
        """Landmarks (68, 2) in pixels of the frame that `frame` draws from them.

        Args:
            valence, arousal: in [-1, 1], before the identity's expressiveness.
            speech, blink: in [0, 1].
            head: movement beside the identity's rest.
        """
        strength = self._face.identity.expressiveness
        points = express(self._face.neutral, strength[0] * valence, strength[1] * arousal, speech, blink)
        return self._pose(points, head, self._depth)

    def frame(self, landmarks: np.ndarray, head: Pose) -> np.ndarray:
        """The picture uint8 (256, 256, 3) RGB with these landmarks.

        Args:
            landmarks: (68, 2), pixels, from `landmarks`.
            head: the same pose, which carries the hair along.
        """
        from scipy.interpolate import RBFInterpolator

        body = (self._face.body + self._pose(self._face.body, head, None)) / 2
        outline = self._pose(self._face.outline, head, None)
        target = np.concatenate([landmarks, _cheeks(landmarks), outline, body, self._border])
        sources = RBFInterpolator(target, self._source, kernel='thin_plate_spline')(self._grid).astype(np.float32)
        sources = sources.reshape(len(self._axes[1]), len(self._axes[0]), 2)
        where = cv2.remap(sources, *self._to_grid, interpolation=cv2.INTER_LINEAR)
        frame = cv2.remap(self._face.picture, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return _paint_mouth(frame, landmarks[INNER_MOUTH])

    def _pose(self, points: np.ndarray, head: Pose, depth: np.ndarray | None) -> np.ndarray:
        return pose(pose(points, self._rest, self._centre), head, self._centre, depth)


def cover_face(frame: np.ndarray, landmarks: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """A copy of the frame with an ellipse over the face.

    Args:
        frame: uint8 (H, W, 3).
        landmarks: (68, 2), pixels.
        colour: RGB, 0 to 255.
    """
    middle, size = (landmarks.max(axis=0) + landmarks.min(axis=0)) / 2, np.ptp(landmarks, axis=0)
    box = (tuple(map(float, middle)), tuple(map(float, size * (1.05, 1.1))), 0.0)
    return cv2.ellipse(frame.copy(), box, colour, -1, cv2.LINE_AA)


def align_face(frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The face as Aff-Wild2 distributes it: uint8 (112, 112, 3), eyes, nose and mouth near ArcFace's five points.

    Args:
        frame: uint8 (H, W, 3).
        landmarks: (68, 2), pixels of the frame.
    """
    points = np.stack([landmarks[36:42].mean(0), landmarks[42:48].mean(0), landmarks[30], landmarks[48], landmarks[54]])
    x, y = points.T
    one, zero = np.ones(5), np.zeros(5)
    system = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    a, b, dx, dy = np.linalg.lstsq(system, _ARCFACE.T.ravel(), rcond=None)[0]
    return cv2.warpAffine(frame, np.array([[a, -b, dx], [b, a, dy]]), (CROP_SIZE, CROP_SIZE), flags=cv2.INTER_AREA)


def _cheeks(landmarks: np.ndarray) -> np.ndarray:
    """Two points that lift the cheeks with the mouth's corners; no landmark lies there."""
    left = 0.4 * landmarks[3] + 0.35 * landmarks[48] + 0.25 * landmarks[41]
    right = 0.4 * landmarks[13] + 0.35 * landmarks[54] + 0.25 * landmarks[46]
    return np.stack([left, right])


def _grid_axis(low: int, high: int, fine: int) -> np.ndarray:
    coarse = 16
    return np.unique(
        np.concatenate([np.arange(0, low, coarse), np.arange(low, high, fine), np.arange(high, 256, coarse), [255]])
    )


def _paint_mouth(frame: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Darkens the mouth: the line of closed lips and what lies below the teeth; the portrait has a smile's."""
    low, high = np.floor(inner.min(axis=0)).astype(int) - 3, np.ceil(inner.max(axis=0)).astype(int) + 4
    low, high = np.clip(low, 0, FRAME_SIZE), np.clip(high, 0, FRAME_SIZE)
    patch = frame[low[1] : high[1], low[0] : high[0]]
    mask = np.zeros(patch.shape[:2], np.float32)
    cv2.fillPoly(mask, [np.round((inner - low) * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
    mask = np.minimum(1.5 * cv2.GaussianBlur(mask, (0, 0), 0.9), 1.0)
    gap = float((inner[5:8, 1] - inner[1:4, 1]).mean())
    upper_y = np.interp(np.arange(low[0], high[0]), inner[[0, 1, 2, 3, 4], 0], inner[[0, 1, 2, 3, 4], 1])
    smile = float(inner[[1, 3], 1].mean() - inner[[0, 4], 1].mean())
    teeth = np.clip(2.5 + 0.7 * smile, 0.5, 5.0)
    below_teeth = np.clip((np.arange(low[1], high[1])[:, None] - upper_y[None, :] - teeth) / 2.5, 0, 1)
    closed = np.clip(1 - (gap - 1.0) / 3.0, 0, 1)
    alpha = (mask * np.maximum(0.8 * closed, 0.9 * below_teeth))[..., None]
    frame[low[1] : high[1], low[0] : high[0]] = np.round(patch * (1 - alpha) + np.array([58, 20, 22]) * alpha)
    return frame
