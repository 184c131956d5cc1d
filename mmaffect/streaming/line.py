"""Frames of a stream, from their faces to their values."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from ..inference.encoder import FrameEncoder
from .faces import FaceFeatures, StreamFace
from .hearing import StreamSound
from .values import KnownFrame, StreamValues, join_values, values_of
from .windows import Prediction, StreamWindows

FRAMES_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class _Frame:
    time: float
    face: StreamFace
    visual: np.ndarray | None
    beyond: np.ndarray | None


class FrameLine:
    """Frames wait here for their sound, then for their window.

    Args:
        encoder: of the model.
        sound: of the stream.
        hop: frames between two windows.
        delay: frames between the newest frame and the newest value.

    Attributes:
        received: frames that came.
        last_time: of the newest frame, seconds; minus infinity before there is one.
    """

    def __init__(self, encoder: FrameEncoder, sound: StreamSound, hop: int, delay: int) -> None:
        self.encoder, self.sound = encoder, sound
        self.received, self.last_time = 0, -np.inf
        self._windows = StreamWindows(encoder.model, encoder.window, hop, delay, encoder.amp)
        self._faces = FaceFeatures(encoder) if 'visual' in encoder.modalities else None
        self._waiting: deque[_Frame] = deque()
        self._told: deque[KnownFrame] = deque()

    @property
    def given(self) -> int:
        """Frames whose values were given."""
        return self._windows.given

    def push(self, times: Sequence[float], faces: Sequence[StreamFace]) -> StreamValues:
        """Take the faces of the next few frames, at least one; return the values that are settled."""
        count = len(faces)
        visual, beyond = [None] * count, [None] * count
        if self._faces is not None:
            known, window = self.received, self.encoder.window

            def is_short(i: int) -> bool:
                return known + i + 1 < window and self._windows.ends_at(known + i + 1)

            visual, beyond = self._faces.encode(faces, is_short)
        self._waiting.extend(map(_Frame, times, faces, visual, beyond))
        self.received += count
        self.last_time = times[-1]
        self.sound.fill(self.last_time)
        return self.advance()

    def advance(self) -> StreamValues:
        """The values that are settled by now."""
        found = [self._values_of([])]
        while ready := self._ready():
            frames = [self._waiting.popleft() for _ in range(ready)]
            values, present = {}, {}
            if self._faces is not None:
                values['visual'] = np.stack([frame.visual for frame in frames])
                present['visual'] = np.array([frame.face.present for frame in frames])
            if 'audio' in self.encoder.modalities:
                times = np.array([frame.time for frame in frames])
                values['audio'], present['audio'] = self.sound.encode(times)
            self._told.extend(KnownFrame(frame.time, frame.face, self.sound.heard(frame.time)) for frame in frames)
            found.append(self._values_of(self._windows.extend(values, present, [frame.beyond for frame in frames])))
        return join_values(found)

    def end(self) -> StreamValues:
        """The values of all frames that are left, once no sound will come."""
        beyond = self._faces.followed() if self._faces is not None and self.received else None
        return join_values([self.advance(), self._values_of(self._windows.end(beyond))])

    def _ready(self) -> int:
        """Frames that are complete, of the next few."""
        ready = 0
        for frame in islice(self._waiting, FRAMES_AT_ONCE):
            if not self.sound.ready(frame.time):
                break
            ready += 1
        return ready

    def _values_of(self, predictions: Sequence[Prediction]) -> StreamValues:
        first = self.given - sum(len(affect) for affect, _ in predictions)
        frames = [self._told.popleft() for affect, _ in predictions for _ in affect]
        return values_of(first, frames, predictions, len(self.encoder.targets))
