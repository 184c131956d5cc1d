"""From a capture to values: what a live trace does over and over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..media.capture import Capture, Piece
from ..streaming.inferencer import StreamingInferencer
from ..streaming.values import StreamValues

READ_SECONDS = 0.1


@dataclass(frozen=True, eq=False)
class LiveStep:
    """What came in one round.

    Attributes:
        values: new values; there may be none.
        frame: the newest picture, ``(H, W, 3)`` uint8, RGB; ``None`` where none came.
        now: time of the source's clock, seconds.
        latency: seconds from the newest frame that has a value to now, of the wall's clock; ``None`` where no value
            came, or where the source does not run by a clock, or ahead of it.
        dropped: frames that were not looked at, all in all.
    """

    values: StreamValues
    frame: np.ndarray | None
    now: float
    latency: float | None
    dropped: int


def follow(capture: Capture, inferencer: StreamingInferencer) -> Iterator[LiveStep]:
    """Push what a capture gives into a stream, until the capture ends; then close the stream.

    A generator that is closed before (an interrupt) leaves the stream open: its last values come from
    ``inferencer.close``.

    Args:
        capture: started.
        inferencer: with the rate and the picture of the capture.

    Yields:
        A step a round, at least ten a second while nothing comes.
    """
    while True:
        ended = capture.ended
        pieces = capture.read(READ_SECONDS)
        if pieces or not ended:
            yield _step(capture, _push(inferencer, pieces), pieces)
            continue
        yield _step(capture, inferencer.close(), ())
        return


def _push(inferencer: StreamingInferencer, pieces: list[Piece]) -> StreamValues:
    """All sound first, then the pictures at once: the order changes nothing, and is the fastest."""
    from ..streaming.values import join_values

    values = [inferencer.push()]
    values += [inferencer.push(audio=one.sound, audio_time=one.time) for one in pieces if one.sound is not None]
    pictures = [one for one in pieces if one.frame is not None]
    if pictures:
        values.append(inferencer.push([one.frame for one in pictures], times=[one.time for one in pictures]))
    return join_values(values)


def _step(capture: Capture, values: StreamValues, pieces: list[Piece] | tuple) -> LiveStep:
    frame = next((one.frame for one in reversed(pieces) if one.frame is not None), None)
    now = capture.clock.now()
    latency = None
    if len(values) and not capture.lossless:
        behind = (now - float(values.times[-1])) / capture.clock.speed
        # What comes through a pipe may be ahead of the clock.
        latency = behind if behind >= 0 else None
    return LiveStep(values, frame, now, latency, capture.dropped_frames)
