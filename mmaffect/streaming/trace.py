"""The trace of a stream, and what is said in its header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..inference.notice import NOTICE, SYNTHETIC_MODEL_NOTICE
from ..traces.trace import FACE_UNKNOWN, VOICE_UNKNOWN, Trace
from ..version import __version__
from .values import StreamValues

if TYPE_CHECKING:
    from .inferencer import StreamingInferencer


def stream_header(
    inferencer: StreamingInferencer,
    name: str,
    *,
    frames: Mapping[str, int | None],
    flags: Sequence[str] = (),
    span: float | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The header of a stream's trace.

    Args:
        inferencer: of the stream.
        name: of the trial.
        frames: its counts ``with_face``, ``with_voice`` and ``predicted``.
        flags: what is odd about it beside what the inferencer knows.
        span: seconds from the first to the last frame.
        provenance: further keys, such as ``input`` and ``command``.
    """
    encoder = inferencer.encoder
    sees = 'visual' in encoder.modalities
    odd = ['stream']
    if not inferencer.picture:
        odd.append('no_picture')
    if inferencer.sound is None:
        odd.append('no_sound')
    elif inferencer.sound.filled:
        odd.append('sound_filled')
    if inferencer.picture and not sees:
        odd.append(FACE_UNKNOWN)
    elif not frames['with_face']:
        odd.append('no_face')
    if not inferencer.listens:
        odd.append(VOICE_UNKNOWN)
    elif not frames['with_voice']:
        odd.append('no_voice')
    loaded = inferencer.loaded
    fps = round((inferencer.given - 1) / span, 6) if span else None
    detector = inferencer.detector
    detector = detector if isinstance(detector, (str, dict)) else type(detector).__name__
    faces = {'detector': detector, 'every': inferencer.every, 'choice': 'largest'}
    return {
        'trial': name,
        'input': None,
        'input_sha256': None,
        'mmaffect': __version__,
        'model': loaded.name,
        'weights': loaded.weights,
        'weights_sha256': loaded.weights_sha256,
        'targets': list(encoder.targets),
        'frames': {'declared': None, 'decoded': inferencer.received, **frames},
        'flags': [*odd, *flags],
        'traces': 1,
        'fps': fps,
        'duration': None if fps is None else round(span + 1 / fps, 6),
        'window': {
            'length': encoder.window,
            'hop': inferencer.hop,
            'stride': 1,
            'schedule': 'delayed',
            'delay': inferencer.delay,
        },
        'faces': faces if sees and inferencer.picture and inferencer.detector is not None else None,
        'voice': 'silero-vad' if inferencer.listens else None,
        'amp': encoder.amp,
        'synthetic': loaded.synthetic,
        'notice': f'{NOTICE} {SYNTHETIC_MODEL_NOTICE}' if loaded.synthetic else NOTICE,
        'command': None,
        **(provenance or {}),
    }


def stream_trace(inferencer: StreamingInferencer, values: StreamValues, name: str) -> Trace:
    """The trace of all values of a stream."""
    frames = {
        'with_face': int(values.face.sum()),
        'with_voice': int(values.voice.sum()),
        'predicted': int(np.isfinite(values.affect).all(axis=1).sum()),
    }
    header = stream_header(inferencer, name, frames=frames, span=float(values.times[-1] - values.times[0]))
    return values_trace(header, values)


def values_trace(header: Mapping[str, Any], values: StreamValues) -> Trace:
    """Values of a stream as a trace with this header."""
    return Trace(
        header=dict(header),
        times=values.times,
        affect=values.affect,
        face=values.face,
        voice=values.voice,
        box=values.box,
        track=values.track,
        gates=values.gates,
    )
