"""From a recording to what a model says of every frame: sound, faces, features, windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError
from ..faces import ChosenFaces, FaceDetector
from ..faces.choice import CHOICES
from ..utils.progress import Progress
from ..utils.threads import cores_left
from .encoder import FrameEncoder
from .listening import listen, sound_features
from .looking import face_features, look_for_faces
from .recording import CorpusTrial, Recording
from .stages import StageTimes
from .windows import BATCH_SIZE, SCHEDULES, Schedule, plan_windows, predict_windows


@dataclass(frozen=True)
class Settings:
    """How recordings are analysed.

    Attributes:
        faces: whose trace it is: ``'largest'``, ``'longest'`` or ``'all'``, as of
            :func:`mmaffect.faces.choose_faces`; with ``'all'``, one trace a face.
        detect_every: frames from one in which faces are searched to the next.
        min_seconds: that a face must be seen, for ``'all'``.
        voice: tell in which frames somebody is heard.
        schedule: ``'overlap'``: windows overlap as in a validation, and are averaged; ``'delayed'``: what a stream
            could know, as of :func:`plan_windows`.
        hop: frames between two windows; by default the config's, a twentieth of a window for ``'delayed'``.
        delay: frames between the newest frame and the newest value, for ``'delayed'``.
        batch_size: windows at once.

    Raises:
        ConfigError: if a value is out of range.
    """

    faces: str = 'largest'
    detect_every: int = 1
    min_seconds: float = 1.0
    voice: bool = True
    schedule: Schedule = 'overlap'
    hop: int | None = None
    delay: int = 0
    batch_size: int = BATCH_SIZE

    def __post_init__(self) -> None:
        for name, known in (('faces', CHOICES), ('schedule', SCHEDULES)):
            if getattr(self, name) not in known:
                raise ConfigError(f'{name}={getattr(self, name)!r}; expected one of {", ".join(map(repr, known))}')
        for name, least in (('detect_every', 1), ('batch_size', 1), ('min_seconds', 0), ('delay', 0)):
            value, kind = getattr(self, name), float if name == 'min_seconds' else int
            if not isinstance(value, int | kind) or not value >= least:
                raise ConfigError(f'{name}={value!r}; expected at least {least}')
        if not isinstance(self.hop, int | None):
            raise ConfigError(f'hop={self.hop!r}; expected a number of frames')
        if self.delay and self.schedule == 'overlap':
            raise ConfigError(f"delay={self.delay}, schedule='overlap'; a delay is of schedule 'delayed'")

    def check(self, encoder: FrameEncoder) -> None:
        """Raise :class:`ConfigError` unless the windows of the model can be so."""
        plan_windows(encoder.window, encoder.window, self.hop_of(encoder), encoder.stride, self.schedule, self.delay)

    def hop_of(self, encoder: FrameEncoder) -> int:
        """Frames between two windows."""
        if self.hop is not None:
            return self.hop
        return encoder.hop if self.schedule == 'overlap' else max(1, encoder.window // 20)


@dataclass(frozen=True, eq=False)
class Analysis:
    """What was found in a recording, of one face.

    Attributes:
        name: of the trace; where there are several faces, with the number of the track.
        times: ``(T,)`` float64, seconds.
        affect: ``(T, k)`` float64, NaN where no window gave a value.
        chosen: the face.
        voice: ``(T,)`` bool.
        gates: ``(T,)`` float32 by name.
        annotated: ``(T, 2)`` float32, NaN where invalid; ``None`` without.
        flags: what is odd about the recording, and what is missing.
        traces: results of this recording.
        frames: counts ``declared``, ``decoded``, ``with_face``, ``with_voice`` and ``predicted``; ``None``: not known.
    """

    name: str
    times: np.ndarray
    affect: np.ndarray
    chosen: ChosenFaces
    voice: np.ndarray
    gates: dict[str, np.ndarray]
    annotated: np.ndarray | None
    flags: tuple[str, ...]
    traces: int
    frames: dict[str, int | None]


def analyse(
    recording: Recording,
    encoder: FrameEncoder,
    settings: Settings,
    detector: Callable[[], FaceDetector],
    *,
    stages: StageTimes | None = None,
    progress: Progress | None = None,
) -> Iterator[Analysis]:
    """Analyse a recording.

    Pictures are decoded twice, once to find the faces and once to see them; what is kept of an hour are features, rows
    of log-mel and boxes, not pictures.

    Args:
        recording: the recording.
        encoder: of the model.
        settings: how.
        detector: makes the face detector, which is only built where there are faces to look for.
        stages: told how long each stage takes.
        progress: shows the frames that are done; each of the two passes over the pictures is half of the work.

    Yields:
        One result; with ``faces='all'`` one a face, at least one.

    Raises:
        MediaError: if the recording cannot be read.
        ConfigError: if the settings do not fit the model.
    """
    stages = StageTimes() if stages is None else stages
    times = recording.times
    hop = settings.hop_of(encoder)
    windows = plan_windows(len(times), encoder.window, hop, encoder.stride, settings.schedule, settings.delay)
    features = {}
    with stages.measure('sound'), cores_left():
        heard = listen(recording, encoder, settings.voice)
    sees = 'visual' in encoder.modalities
    half = None if progress is None else progress.part(0.5)
    with stages.measure('detection'):
        chosen = look_for_faces(
            recording,
            detector if sees else None,
            settings.faces,
            settings.detect_every,
            settings.min_seconds,
            half,
        )
    if 'audio' in encoder.modalities:
        with stages.measure('encoding'), cores_left():
            features['audio'] = sound_features(heard, times, encoder)
    keep = encoder.window if settings.schedule == 'delayed' else 0
    seen = iter(face_features(recording, chosen, encoder, keep, half)) if sees else None
    for face in chosen:
        if seen is not None:
            with stages.measure('encoding'), cores_left():
                features['visual'] = next(seen)
        with stages.measure('fusion'):
            affect, gates = predict_windows(
                encoder.model,
                features,
                windows,
                len(times),
                encoder.window,
                batch_size=settings.batch_size,
                amp=encoder.amp,
            )
        numbered = len(chosen) if settings.faces == 'all' else 0
        yield _result(recording, heard.voice, face, affect, gates, sees, numbered)


def _result(
    recording: Recording,
    voice: np.ndarray | None,
    face: ChosenFaces,
    affect: np.ndarray,
    gates: dict[str, np.ndarray],
    sees: bool,
    numbered: int,
) -> Analysis:
    corpus = isinstance(recording, CorpusTrial)
    flags = list(recording.flags)
    if not recording.has_picture:
        flags.append('no_picture')
    if not recording.has_sound:
        flags.append('no_sound')
    if recording.has_picture and not sees and not corpus:
        flags.append('face_unknown')
    elif not face.present.any():
        flags.append('no_face')
    if voice is None:
        flags.append('voice_unknown')
    elif not voice.any():
        flags.append('no_voice')
    count = len(recording.times)
    frames = {
        'declared': recording.frames_declared,
        'decoded': count if recording.has_picture and sees else 0,
        'with_face': None if 'face_unknown' in flags else int(face.present.sum()),
        'with_voice': None if voice is None else int(voice.sum()),
        'predicted': int(np.isfinite(affect).all(axis=1).sum()),
    }
    annotated = None
    if corpus and recording.trial.valid.any():
        annotated = np.where(recording.trial.valid[:, None], recording.trial.targets, np.float32(np.nan))
    name = recording.name
    if numbered and face.present.any():
        name = f'{name}_face{face.track.max()}'
    return Analysis(
        name=name,
        times=recording.times,
        affect=affect,
        chosen=face,
        voice=np.zeros(count, bool) if voice is None else voice,
        gates=gates,
        annotated=annotated,
        flags=tuple(flags),
        traces=max(1, numbered),
        frames=frames,
    )
