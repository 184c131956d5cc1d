"""What valence, arousal, speech, blinks and the head's pose do to the 68 landmarks of a face."""

from dataclasses import dataclass

import numpy as np

from .faces import BROWS, EYES, JAW, MOUTH, NOSE

INNER_MOUTH = slice(60, 68)


@dataclass(frozen=True)
class Pose:
    """Where the head is, beside its rest.

    Args:
        shift: (x, y) in pixels.
        roll: rotation in the picture in degrees.
        scale: factor of the size.
        turn: (yaw, pitch), about -1 to 1; the nose moves by some pixels against the outline.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    roll: float = 0.0
    scale: float = 1.0
    turn: tuple[float, float] = (0.0, 0.0)


def express(neutral: np.ndarray, valence: float, arousal: float, speech: float = 0.0, blink: float = 0.0) -> np.ndarray:
    """Landmarks (68, 2) of a face that shows valence and arousal.

    Valence raises the mouth's corners, widens the mouth, lifts the lower lids and parts the inner brows; arousal opens
    eyes and mouth and raises the brows.

    Args:
        neutral: (68, 2), pixels, the face at valence and arousal 0.
        valence: in [-1, 1].
        arousal: in [-1, 1].
        speech: how far the voice opens the mouth, in [0, 1].
        blink: 0 open, 1 closed.
    """
    points = neutral.copy()
    _move_mouth(points, valence, 5.0 * max(arousal, 0.0) + 0.7 * max(valence, 0.0) + 4.0 * speech)
    _move_eyes(points, valence, arousal, blink)
    return points


def pose(points: np.ndarray, head: Pose, centre: np.ndarray, depth: np.ndarray | None = None) -> np.ndarray:
    """Points (K, 2) after the head moved.

    Args:
        points: (K, 2), pixels.
        head: the movement.
        centre: (2,), the point that the head turns about.
        depth: (K,), 0 at the outline and 1 at the tip of the nose; None is 0 everywhere.
    """
    angle = np.deg2rad(head.roll)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * head.scale
    moved = (points - centre) @ rotation.T + centre + head.shift
    if depth is not None:
        moved += depth[:, None] * (np.array(head.turn) * (5.0, 4.0))
    return moved


def landmark_depth(neutral: np.ndarray) -> np.ndarray:
    """How far each landmark stands out of the face, (68,): 0 at the outline, 1 at the tip of the nose.

    Args:
        neutral: (68, 2), pixels.
    """
    centre, half_width = neutral[JAW, 0].mean(), np.ptp(neutral[JAW, 0]) / 2
    depth = 0.7 * np.clip(1 - ((neutral[:, 0] - centre) / half_width) ** 2, 0, 1)
    depth[NOSE] = np.array([0.7, 0.8, 0.9, 1.0, 0.75, 0.85, 0.9, 0.85, 0.75])
    depth[JAW] *= 0.5
    return depth


def _move_mouth(points: np.ndarray, valence: float, gap: float) -> None:
    corners = points[[48, 54]].mean(axis=0)
    half_width = (points[54, 0] - points[48, 0]) / 2
    across = (points[MOUTH, 0] - corners[0]) / half_width
    edge, middle = np.abs(across) ** 1.5, np.clip(1 - across**2, 0, 1)
    upper = np.isin(np.arange(48, 68), [49, 50, 51, 52, 53, 61, 62, 63])
    lower = np.isin(np.arange(48, 68), [55, 56, 57, 58, 59, 65, 66, 67])
    # Sad mouths bend less than happy ones; as strong a bend looks like a mask.
    bend = valence if valence > 0 else 0.75 * valence
    points[MOUTH, 1] += bend * (-5.5 * edge + 1.5 * middle)
    points[MOUTH, 1] += gap * middle**0.5 * (0.7 * lower - 0.3 * upper)
    points[MOUTH, 0] += across * half_width * ((0.16 if valence > 0 else 0.08) * valence - 0.01 * gap)
    points[4:13, 1] += 0.5 * gap * np.sin(np.linspace(0.15, 0.85, 9) * np.pi)
    points[31:36, 1] -= 0.7 * valence


def _move_eyes(points: np.ndarray, valence: float, arousal: float, blink: float) -> None:
    opening = (1.0 + (0.65 if arousal > 0 else 0.5) * arousal) * (1 - 0.92 * blink)
    for eye, upper_lid, lower_lid in zip(EYES, ([37, 38], [43, 44]), ([40, 41], [46, 47]), strict=True):
        line = points[eye, 1].mean() + 1.0
        points[upper_lid, 1] = line + (points[upper_lid, 1] - line) * opening - 0.5 * max(arousal, 0.0)
        points[lower_lid, 1] += 0.3 * (opening - 1) - 0.8 * max(valence, 0.0)
    inward = 1 - np.abs(np.arange(10) - 4.5) / 4.5
    points[BROWS, 1] += -4.0 * max(arousal, 0.0) - 2.0 * min(arousal, 0.0) - 1.0 * valence
    points[BROWS, 1] += -3.5 * min(valence, 0.0) * inward
    points[17:22, 0] += -1.5 * min(valence, 0.0) * inward[:5]
    points[22:27, 0] -= -1.5 * min(valence, 0.0) * inward[5:]
