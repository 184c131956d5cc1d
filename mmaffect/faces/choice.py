"""Which faces of a recording get a trace."""

import numpy as np

from ..errors import ConfigError
from .types import ChosenFaces, FaceTracks

CHOICES = ('largest', 'longest', 'all')


def choose_faces(
    tracks: FaceTracks, times: np.ndarray, choice: str = 'largest', min_seconds: float = 1.0
) -> list[ChosenFaces]:
    """Choose at most one face of every frame, or one result a face.

    Args:
        tracks: all faces of the recording.
        times: ``(T,)``, of its frames, seconds.
        choice: ``'largest'``: of the tracks in a frame the one whose boxes have the largest area in all, over the
            recording; ``'longest'``: the one track that is in most frames; ``'all'``: one result a track that lasts
            ``min_seconds``, in order of appearance.
        min_seconds: from a track's first frame to the end of its last, for ``'all'``.

    Returns:
        One result, also without any face; for ``'all'`` as many as there are such tracks, maybe none.

    Raises:
        ConfigError: an unknown choice.
    """
    if choice not in CHOICES:
        raise ConfigError(f'choice={choice!r}; expected one of {", ".join(map(repr, CHOICES))}')
    times = np.asarray(times, np.float64)
    numbers, row_of = np.unique(tracks.track, return_inverse=True)
    areas = np.bincount(row_of, tracks.box[:, 2:].astype(np.float64).prod(axis=1), len(numbers))
    frames = np.bincount(row_of, minlength=len(numbers))
    if choice == 'largest':
        # By frame, and in each the largest last, which is the one that stays.
        return [_select(tracks, np.lexsort((-row_of, areas[row_of], tracks.frame)))]
    if choice == 'longest':
        # Of several with as many frames the larger one, then the earlier one.
        longest = np.lexsort((-numbers, areas, frames))[-1:]
        return [_select(tracks, np.flatnonzero(np.isin(row_of, longest)))]
    interval = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    chosen = []
    for number in range(len(numbers)):
        rows = np.flatnonzero(row_of == number)
        seen = times[tracks.frame[rows]]
        # Times in seconds are rounded: 25 frames at 25 a second last a second.
        if seen.max() - seen.min() + interval >= min_seconds - 1e-3:
            chosen.append(_select(tracks, rows))
    return chosen


def _select(tracks: FaceTracks, rows: np.ndarray) -> ChosenFaces:
    """The faces of these rows; of several in one frame the last."""
    count = tracks.num_frames
    track = np.full(count, -1, np.int32)
    box, points = np.full((count, 4), np.nan, np.float32), np.full((count, 5, 2), np.nan, np.float32)
    frame = tracks.frame[rows]
    track[frame], box[frame], points[frame] = tracks.track[rows], tracks.box[rows], tracks.points[rows]
    return ChosenFaces(track, box, points)
