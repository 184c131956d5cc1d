"""The trace of a stream, and what is said in its header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..inference.trace_header import VOICE, face_entries, model_entries
from ..traces.trace import FACE_UNKNOWN, VOICE_UNKNOWN, Trace
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
        frames: its counts ``with_face``, ``with_voice`` and ``predicted``, ``None`` while it goes on.
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
    else:
        odd += ['sound_filled'] * (inferencer.sound.filled > 0) + ['sound_missed'] * inferencer.sound_missed
    if inferencer.picture and not sees:
        odd.append(FACE_UNKNOWN)
    elif frames['with_face'] == 0:
        odd.append('no_face')
    if not inferencer.listens:
        odd.append(VOICE_UNKNOWN)
    elif frames['with_voice'] == 0:
        odd.append('no_voice')
    fps = round((inferencer.given - 1) / span, 6) if span else None
    faces = None
    if sees and inferencer.picture and inferencer.detector is not None:
        faces = face_entries(encoder, inferencer.detector, inferencer.every, 'largest')
    counts = {'declared': None, 'decoded': inferencer.received if inferencer.picture else 0, **frames}
    for flag, name_of_count in ((FACE_UNKNOWN, 'with_face'), (VOICE_UNKNOWN, 'with_voice')):
        counts[name_of_count] = None if flag in odd else counts[name_of_count]
    return {
        'trial': name,
        'input': None,
        'input_sha256': None,
        **model_entries(inferencer.loaded, encoder, inferencer.hop, 'delayed', inferencer.delay),
        'faces': faces,
        'voice': VOICE if inferencer.listens else None,
        'frames': counts,
        'flags': [*odd, *flags],
        'traces': 1,
        'fps': fps,
        'duration': None if fps is None else round(span + 1 / fps, 6),
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
