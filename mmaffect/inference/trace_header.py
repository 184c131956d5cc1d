"""What a trace says of its recording and of how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..faces import FaceDetector
from ..utils.files import sha256
from ..version import __version__
from .analysis import Analysis, Settings
from .encoder import FrameEncoder
from .loading import LoadedModel
from .recording import CorpusTrial, Recording
from .windows import Schedule

VOICE = 'silero-vad'
Detector = str | Path | Mapping | FaceDetector


def made_of(
    recording: Recording, loaded: LoadedModel, encoder: FrameEncoder, settings: Settings, detector: Detector
) -> dict[str, Any]:
    """Everything that decides what the values of a recording's traces are.

    Args:
        recording: the recording; of a file the SHA-256 is taken.
        loaded: the model.
        encoder: of the model.
        settings: of the analysis.
        detector: the face detector, or its name or config.

    Returns:
        Header entries, for JSON.
    """
    searched = 'visual' in encoder.modalities and not isinstance(recording, CorpusTrial)
    faces = face_entries(encoder, detector, settings.detect_every, settings.faces)
    if settings.faces == 'all':
        faces['min_seconds'] = settings.min_seconds
    return {
        'input': recording.source,
        'input_sha256': sha256(recording.path) if recording.path is not None else None,
        **model_entries(loaded, encoder, settings.hop_of(encoder), settings.schedule, settings.delay),
        'faces': faces if searched else None,
        'voice': VOICE if settings.voice else None,
    }


def model_entries(
    loaded: LoadedModel, encoder: FrameEncoder, hop: int, schedule: Schedule, delay: int
) -> dict[str, Any]:
    """Header entries of a model and its windows, which recordings and streams have in common.

    Args:
        loaded: the model.
        encoder: of the model.
        hop: frames between two windows.
        schedule: as of :func:`mmaffect.inference.plan_windows`.
        delay: frames.
    """
    return {
        'mmaffect': __version__,
        'model': loaded.name,
        'weights': loaded.weights,
        'weights_sha256': loaded.weights_sha256,
        'targets': list(encoder.targets),
        'window': {
            'length': encoder.window,
            'hop': hop,
            'stride': encoder.stride,
            'schedule': schedule,
            'delay': delay,
        },
        'amp': encoder.amp,
        'synthetic': loaded.synthetic,
        'notice': loaded.notice,
    }


def face_entries(encoder: FrameEncoder, detector: Detector, every: int, choice: str) -> dict[str, Any]:
    """The header entry ``faces`` of a recording or stream.

    Args:
        encoder: of the model.
        detector: the face detector, or its name or config.
        every: frames from one detection to the next.
        choice: of the face.
    """
    if isinstance(detector, Mapping):
        detector = dict(detector)
    elif isinstance(detector, (str, Path)):
        detector = str(detector)
    else:
        detector = type(detector).__name__
    return {'detector': detector, 'every': every, 'choice': choice, 'size': encoder.face_size}


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
