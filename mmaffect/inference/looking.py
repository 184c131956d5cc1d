"""Two passes over the pictures of a recording: where the faces are, and what the model sees in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np

from ..faces import ChosenFaces, FaceDetector, choose_faces, crop_face, find_faces
from ..media import prefetch
from ..utils.progress import Progress
from .encoder import FrameEncoder
from .recording import CorpusTrial, Recording
from .windows import FrameFeatures

FRAMES_AHEAD = 8
BATCHES_AHEAD = 2


def look_for_faces(
    recording: Recording,
    detector: Callable[[], FaceDetector] | None,
    choice: str = 'largest',
    every: int = 1,
    min_seconds: float = 1.0,
    progress: Progress | None = None,
) -> list[ChosenFaces]:
    """Find, track and choose the faces of a recording.

    Args:
        recording: the recording; a trial of a corpus has its faces already.
        detector: makes the detector; ``None``: no faces are looked for.
        choice: as of :func:`mmaffect.faces.choose_faces`.
        every: frames from one searched frame to the next.
        min_seconds: of a track, for ``'all'``.
        progress: shows the frames that are done.

    Returns:
        At least one, which may have no face in any frame.
    """
    times = recording.times
    if isinstance(recording, CorpusTrial):
        return [_no_faces(len(times), np.where(recording.trial.face_present, 0, -1))]
    if not recording.has_picture or detector is None:
        return [_no_faces(len(times))]
    frames = prefetch(recording.frames(), FRAMES_AHEAD)
    tracks = find_faces(frames, times, detector(), every=every, progress=progress)
    return choose_faces(tracks, times, choice, min_seconds) or [_no_faces(len(times))]


def face_features(
    recording: Recording,
    chosen: Sequence[ChosenFaces],
    encoder: FrameEncoder,
    keep: int = 0,
    progress: Progress | None = None,
) -> Iterator[FrameFeatures]:
    """Features of the chosen faces, each frame of which is encoded once; all of them in one pass over the pictures.

    Args:
        recording: the recording.
        chosen: faces, as :func:`look_for_faces` gives them.
        encoder: of the model.
        keep: first frames of the recording after which a padded window may be predicted, beside the last.
        progress: shows the frames that are done.

    Yields:
        Those of one of the chosen faces after the other.
    """
    count = len(recording.times)
    black = encoder.encode_faces(np.zeros((1, encoder.face_size, encoder.face_size, 3), np.uint8))
    spans = [_span(one.present, encoder.context) for one in chosen]
    passes = [_FacePass(encoder, span, count, keep) for span in spans]
    if any(spans):
        for number, faces in prefetch(_face_batches(recording, chosen, spans, encoder, progress), BATCHES_AHEAD):
            passes[number].push(faces)
    while passes:
        one, face = passes.pop(0), chosen[len(chosen) - len(passes) - 1]
        yield one.features(black, face.present)


class _FacePass:
    """Features of one face while its crops come by; outside its span everything is black."""

    def __init__(self, encoder: FrameEncoder, span: range, count: int, keep: int) -> None:
        self.encoder, self.span, self.count = encoder, span, count
        self.keep = keep if encoder.context else 0
        self.values: list[np.ndarray] = []
        size = encoder.face_size
        self.before = self.kept = np.zeros((0, size, size, 3), np.uint8)

    def push(self, faces: np.ndarray) -> None:
        context = self.encoder.context
        self.values.append(self.encoder.encode_faces(faces, self.before))
        if context:
            self.before = np.concatenate((self.before, faces))[-context:]
            if self.span.start + len(self.kept) < self.keep:
                self.kept = np.concatenate((self.kept, faces))

    def features(self, black: np.ndarray, present: np.ndarray) -> FrameFeatures:
        values = np.repeat(black, self.count, axis=0)
        if self.values:
            values[self.span.start : self.span.stop] = np.concatenate(self.values)
        self.values = []
        # All windows of a whole recording see the same frames.
        return FrameFeatures(values, present, lru_cache(maxsize=1)(self._beyond) if self.encoder.context else black)

    def _beyond(self, seen: int) -> np.ndarray:
        """Black faces after so many frames, whose clips begin with the faces before."""
        context, size = self.encoder.context, self.encoder.face_size
        frames = np.arange(max(0, seen - context), seen)
        before = np.zeros((len(frames), size, size, 3), np.uint8)
        for first, known in ((self.span.start, self.kept), (self.span.stop - len(self.before), self.before)):
            there = (frames >= first) & (frames < first + len(known))
            before[there] = known[frames[there] - first]
        return self.encoder.encode_faces(np.zeros((context + 1, size, size, 3), np.uint8), before)


def _face_batches(
    recording: Recording,
    chosen: Sequence[ChosenFaces],
    spans: Sequence[range],
    encoder: FrameEncoder,
    progress: Progress | None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Consecutive crops of the chosen faces: number of the face, ``(n, S, S, 3)``."""
    cropped = isinstance(recording, CorpusTrial)
    black = np.zeros((encoder.face_size, encoder.face_size, 3), np.uint8)
    waiting: list[list[np.ndarray]] = [[] for _ in chosen]
    for index, frame in enumerate(recording.frames()):
        for number, (face, span) in enumerate(zip(chosen, spans, strict=True)):
            if index not in span:
                continue
            crop = black
            if cropped:
                crop = frame
            elif face.track[index] >= 0:
                crop = crop_face(frame, face.points[index], encoder.face_size)
            waiting[number].append(crop)
            if len(waiting[number]) == encoder.batch_size or index == span.stop - 1:
                yield number, np.stack(waiting[number])
                waiting[number] = []
        if progress is not None:
            progress.update()


def _span(present: np.ndarray, context: int) -> range:
    """Frames from the first face to the last one that a clip sees."""
    found = np.flatnonzero(present)
    return range(int(found[0]), min(int(found[-1]) + 1 + context, len(present))) if len(found) else range(0)


def _no_faces(count: int, track: np.ndarray | None = None) -> ChosenFaces:
    return ChosenFaces(
        np.full(count, -1, np.int32) if track is None else track.astype(np.int32),
        np.full((count, 4), np.nan, np.float32),
        np.full((count, 5, 2), np.nan, np.float32),
    )
