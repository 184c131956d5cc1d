"""What a stream gives: values of consecutive frames, and how long they take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .faces import StreamFace


@dataclass(frozen=True, eq=False)
class StreamValues:
    """Values of ``n`` consecutive frames of a stream; ``n`` may be 0.

    Attributes:
        first: number of the first of them, from 0.
        times: ``(n,)`` float64, seconds.
        affect: ``(n, k)`` float32 in [-1, 1].
        face: ``(n,)`` bool, frames with a face.
        voice: ``(n,)`` bool, frames in which somebody is heard.
        box: ``(n, 4)`` float32, x, y, width and height of the face in pixels; NaN without.
        track: ``(n,)`` int32, number of the face's track; -1 without.
        gates: by name, such as ``audio/iteration_1``, ``(n,)`` float32, share in [0, 1].
    """

    first: int
    times: np.ndarray
    affect: np.ndarray
    face: np.ndarray
    voice: np.ndarray
    box: np.ndarray
    track: np.ndarray
    gates: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.times)


def join_values(parts: Sequence[StreamValues]) -> StreamValues:
    """One of several that follow one another, at least one."""
    if len(parts) == 1:
        return parts[0]
    filled = [part for part in parts if len(part)] or parts[:1]
    arrays = {
        name: np.concatenate([getattr(part, name) for part in filled])
        for name in ('times', 'affect', 'face', 'voice', 'box', 'track')
    }
    gates = {name: np.concatenate([part.gates[name] for part in filled]) for name in filled[0].gates}
    return StreamValues(filled[0].first, **arrays, gates=gates)


@dataclass(frozen=True, eq=False)
class KnownFrame:
    """What is known of a frame beside its values.

    Attributes:
        time: seconds.
        face: the face in it.
        voice: whether somebody is heard.
    """

    time: float
    face: StreamFace
    voice: bool


def values_of(
    first: int,
    frames: Sequence[KnownFrame],
    predictions: Sequence[tuple[np.ndarray, Mapping[str, np.ndarray]]],
    targets: int,
) -> StreamValues:
    """Put together what windows say of consecutive frames.

    Args:
        first: number of the first frame.
        frames: n frames.
        predictions: affect ``(m, k)`` and shares ``(m,)`` by gate of m frames after the other, n in all.
        targets: k.
    """
    gates = predictions[0][1] if predictions else {}
    return StreamValues(
        first=first,
        times=np.array([frame.time for frame in frames], np.float64),
        affect=np.concatenate([np.zeros((0, targets), np.float32), *(affect for affect, _ in predictions)]),
        face=np.array([frame.face.present for frame in frames], bool),
        voice=np.array([frame.voice for frame in frames], bool),
        box=np.array([frame.face.box for frame in frames], np.float32).reshape(-1, 4),
        track=np.array([frame.face.track for frame in frames], np.int32),
        gates={name: np.concatenate([shares[name] for _, shares in predictions]) for name in gates},
    )


class KeptValues:
    """All values of a stream, in few pieces, however many there were: small arrays are mostly overhead."""

    def __init__(self) -> None:
        self._parts: list[StreamValues] = []

    def add(self, values: StreamValues) -> None:
        """Keep values that follow those before."""
        if not len(values):
            return
        self._parts.append(values)
        while len(self._parts) > 1 and len(self._parts[-2]) <= len(self._parts[-1]):
            self._parts[-2:] = [join_values(self._parts[-2:])]

    def joined(self) -> StreamValues | None:
        """All of them; ``None`` where there are none."""
        return join_values(self._parts) if self._parts else None


@dataclass(frozen=True)
class Latency:
    """How long after a frame its value comes at the latest, without the time that computing takes.

    Attributes:
        delay: frames that have to follow the newest of the frames that are given at once.
        hop: frames that are given at once.
        fps: frames a second.
        sound: seconds until the sound of a frame is complete: what its audio patch sees after it, and the resampling.
        voice: the same for the detection of voice.
    """

    delay: int
    hop: int
    fps: float
    sound: float = 0.0
    voice: float = 0.0

    @property
    def window_frames(self) -> int:
        """Frames for which the oldest of the frames that are given at once waits."""
        return self.delay + self.hop - 1

    @property
    def window(self) -> float:
        """The same in seconds."""
        return self.window_frames / self.fps

    @property
    def seconds(self) -> float:
        """All in all; sound and voice are waited for together."""
        return self.window + max(self.sound, self.voice)

    @property
    def frames(self) -> int:
        """All in all, in frames, rounded up."""
        return math.ceil(round(self.seconds * self.fps, 6))

    def __str__(self) -> str:
        parts = f'{self.window:.2f} s for {self.window_frames} more frames (delay {self.delay}, hop {self.hop})'
        if self.sound:
            parts += f', {self.sound:.2f} s for the sound of a frame'
        if self.voice > self.sound:
            parts += f', {self.voice:.2f} s for the detection of voice'
        total = f'{self.seconds:.2f} s or {self.frames} frames at {self.fps:g} fps'
        return f'values come at most {total} after their frames, and the time of computing: {parts}'
