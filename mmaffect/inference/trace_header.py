"""What a trace says of its recording and of how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..utils.files import sha256
from ..version import __version__
from .analysis import Analysis, Settings
from .encoder import FrameEncoder
from .loading import LoadedModel
from .notice import NOTICE, SYNTHETIC_MODEL_NOTICE
from .recording import CorpusTrial, Recording


def made_of(
    recording: Recording, loaded: LoadedModel, encoder: FrameEncoder, settings: Settings, detector: str
) -> dict[str, Any]:
    """Everything that decides what the values of a recording's traces are.

    Args:
        recording: the recording; of a file the SHA-256 is taken.
        loaded: the model.
        encoder: of the model.
        settings: of the analysis.
        detector: name of the face detector.

    Returns:
        Header entries, for JSON.
    """
    searched = 'visual' in encoder.modalities and not isinstance(recording, CorpusTrial)
    faces = {'detector': detector, 'every': settings.detect_every, 'choice': settings.faces}
    if settings.faces == 'all':
        faces['min_seconds'] = settings.min_seconds
    return {
        'input': recording.source,
        'input_sha256': sha256(recording.path) if recording.path is not None else None,
        'mmaffect': __version__,
        'model': loaded.name,
        'weights': loaded.weights,
        'weights_sha256': loaded.weights_sha256,
        'targets': list(encoder.targets),
        'window': {
            'length': encoder.window,
            'hop': settings.hop_of(encoder),
            'stride': encoder.stride,
            'schedule': settings.schedule,
            'delay': settings.delay,
        },
        'faces': faces if searched else None,
        'voice': 'silero-vad' if settings.voice else None,
        'amp': encoder.amp,
        'synthetic': loaded.synthetic,
        'notice': f'{NOTICE} {SYNTHETIC_MODEL_NOTICE}' if loaded.synthetic else NOTICE,
    }


def trace_header(made: Mapping[str, Any], analysis: Analysis, command: str | None) -> dict[str, Any]:
    """The header of a trace.

    Args:
        made: as :func:`made_of` returned it.
        analysis: what was found.
        command: line that made it; ``None``: no tool did.
    """
    times = analysis.times
    fps, duration = None, None
    if len(times) > 1 and times[-1] > times[0]:
        fps = round(float((len(times) - 1) / (times[-1] - times[0])), 6)
        # The last frame lasts as long as the others.
        duration = round(float(times[-1] - times[0] + np.median(np.diff(times))), 6)
    return {
        'trial': analysis.name,
        **made,
        'command': command,
        'frames': analysis.frames,
        'flags': list(analysis.flags),
        'traces': analysis.traces,
        'fps': fps,
        'duration': duration,
    }


def same_making(header: Mapping[str, Any], made: Mapping[str, Any]) -> bool:
    """Whether a trace of this header has the values that would be found again."""
    # The same file may lie elsewhere, but what has no file may have changed.
    told = {key: value for key, value in made.items() if key not in ('input', 'weights', 'notice')}
    return told['input_sha256'] is not None and all(header.get(key) == value for key, value in told.items())
