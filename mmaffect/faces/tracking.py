"""Which face of one picture is which of the next."""

from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError
from .types import Face

# Seconds after which half of a track's velocity is forgotten, in its estimate and in its prediction.
VELOCITY_SECONDS = 0.2


@dataclass
class _Track:
    number: int
    time: float
    box: np.ndarray
    velocity: np.ndarray

    def predict(self, time: float) -> np.ndarray:
        """Where the box is now if it goes on as before, ``(4,)``."""
        return self.box + np.append(self.velocity * (time - self.time), [0.0, 0.0])

    def move(self, time: float, box: np.ndarray) -> None:
        elapsed = time - self.time
        if elapsed > 0:
            velocity = (_centre(box) - _centre(self.box)) / elapsed
            kept = 0.5 ** (elapsed / VELOCITY_SECONDS)
            self.velocity = kept * self.velocity + (1 - kept) * velocity
        self.time, self.box = time, box


class FaceTracker:
    """Joins the faces of successive pictures to tracks by how much their boxes overlap; knows only the past.

    A track goes on at the place to which its velocity takes it, which keeps two people apart who cross, else where it
    was last seen. Looks are not compared: after a scene cut, a face at the place of the one before continues its track.

    Args:
        max_gap: seconds for which a track waits to be seen again.
        min_overlap: least intersection over union of a track and its next face, in (0, 1).

    Raises:
        ConfigError: if an argument is out of range.
    """

    def __init__(self, max_gap: float = 1.0, min_overlap: float = 0.3) -> None:
        if not max_gap >= 0:
            raise ConfigError(f'FaceTracker: max_gap={max_gap!r}; expected at least 0 seconds')
        if not 0 < min_overlap < 1:
            raise ConfigError(f'FaceTracker: min_overlap={min_overlap!r}; expected 0 < min_overlap < 1')
        self.max_gap, self.min_overlap = max_gap, min_overlap
        self._tracks: list[_Track] = []
        self._count = 0

    def update(self, time: float, faces: list[Face]) -> list[int]:
        """Add the faces of the next picture.

        Args:
            time: of the picture, seconds, not before the one before.
            faces: any number.

        Returns:
            The number of each face's track; tracks are numbered from 0 in order of appearance.
        """
        self._tracks = [track for track in self._tracks if time - track.time <= self.max_gap + 1e-6]
        boxes = np.array([face.box for face in faces], np.float64).reshape(-1, 4)
        numbers = [-1] * len(faces)
        free = self._tracks
        for places in ([track.predict(time) for track in free], [track.box for track in free]):
            # What prediction has joined has no part in the second round.
            for track, face in _pairs(np.array(places).reshape(-1, 4), boxes, self.min_overlap):
                if numbers[face] < 0 and free[track].number not in numbers:
                    numbers[face] = free[track].number
        known = {track.number: track for track in self._tracks}
        for face, number in enumerate(numbers):
            if number >= 0:
                known[number].move(time, boxes[face])
            else:
                numbers[face] = self._count
                self._tracks.append(_Track(self._count, time, boxes[face], np.zeros(2)))
                self._count += 1
        return numbers


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of each two boxes.

    Args:
        a: ``(n, 4)``: x, y, width, height.
        b: ``(m, 4)``.

    Returns:
        ``(n, m)``, in [0, 1].

    Examples:
        >>> overlaps(np.array([[0, 0, 2, 2.0]]), np.array([[1, 0, 2, 2.0]])).round(3).tolist()
        [[0.333]]
    """
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, :2] + a[:, None, 2:], b[None, :, :2] + b[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(axis=2)
    union = a[:, 2:].prod(axis=1)[:, None] + b[:, 2:].prod(axis=1)[None] - common
    return common / np.maximum(union, 1e-9)


def _pairs(places: np.ndarray, boxes: np.ndarray, least: float) -> list[tuple[int, int]]:
    """Pairs (track, face) that overlap enough, best first; each face may be in several."""
    shared = overlaps(places, boxes)
    tracks, faces = np.nonzero(shared >= least)
    order = np.argsort(-shared[tracks, faces], kind='stable')
    return [(int(tracks[i]), int(faces[i])) for i in order]


def _centre(box: np.ndarray) -> np.ndarray:
    return box[:2] + box[2:] / 2
