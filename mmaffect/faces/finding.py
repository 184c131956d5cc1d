"""All faces of a recording, in one pass over its frames."""

from collections.abc import Iterable

import numpy as np

from ..errors import ConfigError, MediaError
from ..utils.progress import Progress
from .tracking import FaceTracker
from .types import Face, FaceDetector, FaceTracks


def find_faces(
    frames: Iterable[np.ndarray],
    times: np.ndarray,
    detector: FaceDetector,
    *,
    every: int = 1,
    tracker: FaceTracker | None = None,
    progress: Progress | None = None,
) -> FaceTracks:
    """Find and track the faces of a recording; frames are not kept.

    With ``every`` above 1, only each ``every``-th frame and the last are searched. Between two searched frames, a
    track that is in both is interpolated linearly in time; one that is only in one of them is in none of the frames
    between.

    Args:
        frames: uint8 ``(H, W, 3)``, RGB, in order.
        times: ``(T,)``, of the frames, seconds.
        detector: see :func:`build_detector`.
        every: frames from one searched frame to the next.
        tracker: of a recording that begins; by default one with its usual arguments.
        progress: shows the frames that are done.

    Raises:
        MediaError: if there are more or fewer frames than times, or a frame is no picture.
        ConfigError: if ``every`` is less than 1.
    """
    if every < 1:
        raise ConfigError(f'every={every}; expected at least 1 frame')
    times = np.asarray(times, np.float64)
    tracker = FaceTracker() if tracker is None else tracker
    searched: list[int] = []
    rows: list[tuple[int, int, Face]] = []
    index = -1
    for index, frame in enumerate(frames):
        if index >= len(times):
            raise MediaError(f'there are more frames than the {len(times)} times given for them')
        if index % every == 0 or index == len(times) - 1:
            faces = detector.detect(frame)
            rows += [
                (index, track, face) for track, face in zip(tracker.update(times[index], faces), faces, strict=True)
            ]
            searched.append(index)
        if progress is not None:
            progress.update()
    if index + 1 < len(times):
        raise MediaError(f'there are {index + 1} frames, but {len(times)} times given for them')
    found = FaceTracks(
        len(times),
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int32),
        np.array([row[2].box for row in rows], np.float32).reshape(-1, 4),
        np.array([row[2].points for row in rows], np.float32).reshape(-1, 5, 2),
        np.array([row[2].score for row in rows], np.float32),
    )
    return interpolate(found, times, np.array(searched, np.int64))


def interpolate(found: FaceTracks, times: np.ndarray, searched: np.ndarray) -> FaceTracks:
    """Fill the frames between successive searched ones, for the tracks that are in both.

    Args:
        found: faces of the searched frames, in any order.
        times: ``(T,)``, seconds.
        searched: ``(S,)``, frames that were searched, ascending.

    Returns:
        The same faces and those between, by frame and then by track.
    """
    place = np.searchsorted(searched, found.frame)
    order = np.lexsort((place, found.track))
    first, second = order[:-1], order[1:]
    joined = (found.track[first] == found.track[second]) & (place[second] == place[first] + 1)
    first, second = first[joined], second[joined]
    between = found.frame[second] - found.frame[first] - 1
    # One row a frame between: its pair, and how many frames it is after the pair's first.
    pair = np.repeat(np.arange(len(first)), between)
    step = np.arange(len(pair)) - np.repeat(np.cumsum(between) - between, between) + 1
    first, second = first[pair], second[pair]
    frame = found.frame[first] + step
    begin, end = times[found.frame[first]], times[found.frame[second]]
    # Frames may share one time.
    share = np.where(end > begin, (times[frame] - begin) / np.where(end > begin, end - begin, 1.0), 0.5)

    def fill(values: np.ndarray) -> np.ndarray:
        weight = share.reshape(-1, *[1] * (values.ndim - 1))
        mixed = (1 - weight) * values[first] + weight * values[second]
        return np.concatenate([values, mixed.astype(values.dtype)])

    frame = np.concatenate([found.frame, frame])
    track = np.concatenate([found.track, found.track[first]])
    rows = np.lexsort((track, frame))
    box, points, score = fill(found.box)[rows], fill(found.points)[rows], fill(found.score)[rows]
    return FaceTracks(found.num_frames, frame[rows], track[rows], box, points, score)
