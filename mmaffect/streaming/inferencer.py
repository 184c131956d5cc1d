"""Valence and arousal of pictures and sound while they arrive."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from mmengine.config import Config
from torch import nn

from ..errors import ConfigError, MediaError
from ..faces import FaceDetector
from ..inference.encoder import FrameEncoder
from ..inference.loading import LoadedModel, load_estimator
from ..inference.windows import check_delayed, run_windows
from ..media.voice import VOICE_RATE
from .faces import NO_FACE, FaceFeatures, FaceFinder, StreamFace, pushed_faces
from .sound import SoundTimeline, StreamRows, check_rate, patch_look_ahead, resampling_look_ahead
from .trace import stream_trace
from .values import Latency, StreamValues, join_values
from .voice import VOICE_LOOK_AHEAD, StreamVoice
from .windows import Prediction, StreamWindows

if TYPE_CHECKING:
    from ..traces.trace import Trace

FRAMES_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class _Frame:
    time: float
    face: StreamFace
    visual: np.ndarray | None
    beyond: np.ndarray | None


class StreamingInferencer:
    """Predicts frames while they arrive, in bounded memory: ``push`` what there is, and get the values that it settles.

    A frame is ready when the sound of its audio patch is complete, or is known not to come. Windows follow the
    schedule ``'delayed'`` of :func:`mmaffect.inference.windows.plan_windows`: whatever the sizes of what is pushed, the
    values are those of offline inference with this schedule, ``hop`` and ``delay``. Every frame is encoded once; what
    is kept are the features of one window, the log-mel rows that are still needed, and the faces of a clip.

    Pictures and sound are on one clock, in seconds; the sound begins at 0 s unless ``audio_time`` says otherwise. Sound
    that is late for more than ``sound_wait`` is taken for silence, and dropped if it comes after all. With
    ``sample_rate=None`` no sound will come: every frame has its picture only.

    Args:
        model: what :class:`AffectInferencer` takes: name, config, path of a checkpoint, or a model that is
            there.
        weights: checkpoint, where ``model`` does not bring any.
        device: such as ``'cuda:0'``; by default a GPU if there is one.
        detector: of the faces, as :func:`mmaffect.faces.build_detector` takes it, or one that is there;
            ``None``: none are searched, they are pushed (``push_faces``). Not used by a model without visual stream.
        every: pictures from one in which faces are searched to the next.
        hop: frames from one prediction to the next, which are given at once; by default a twentieth of a window.
        delay: frames between the newest frame and the newest value. With more of them, a value knows more of what
            comes after it.
        sample_rate: of the sound that will be pushed, Hz; ``None``: there will be none.
        picture: whether pictures will be pushed; without, frames tick at ``fps`` along the sound.
        fps: nominal frames a second: of pictures that are pushed without times, and of ``latency``.
        sound_wait: seconds that a frame waits for sound that does not come; ``inf``: for ever.
        voice: tell in which frames somebody is heard, by :class:`mmaffect.media.VoiceDetector`.
        keep: keep all values for ``trace`` (about 100 bytes a frame), the only thing that grows.
        face_size: side of the aligned faces, pixels, where neither checkpoint nor corpus says it.
        amp: bfloat16 autocast.

    Attributes:
        loaded: the model and where it comes from.
        encoder: of its frames; ``encoder.face_size`` is the side of its faces.
        latency: what a value waits for, see :class:`Latency`.
        sound: times of the sound, see :class:`SoundTimeline`; ``None`` without.
        received: frames that came.
        closed: whether ``close`` was called.

    Raises:
        ConfigError: if a number is out of range, or the model cannot follow a stream: windows with a stride, audio
            streams that take waveforms, further streams, masks; or neither pictures nor sound will come.
    """

    def __init__(
        self,
        model: LoadedModel | nn.Module | str | Path | Config | None = None,
        weights: str | Path | None = None,
        device: str | None = None,
        *,
        detector: str | dict | FaceDetector | None = 'retinaface',
        every: int = 1,
        hop: int | None = None,
        delay: int = 0,
        sample_rate: int | None = None,
        picture: bool = True,
        fps: float = 25.0,
        sound_wait: float = 5.0,
        voice: bool = True,
        keep: bool = True,
        face_size: int | None = None,
        amp: bool = False,
    ) -> None:
        if not picture and sample_rate is None:
            raise ConfigError('picture=False, sample_rate=None; expected pictures, sound or both')
        if not 0 < fps <= 1000:
            raise ConfigError(f'fps={fps}; expected a number in (0, 1000]')
        if not sound_wait >= 0:
            raise ConfigError(f'sound_wait={sound_wait}; expected seconds, 0 or more')
        self.loaded = model if isinstance(model, LoadedModel) else load_estimator(model, weights, device)
        self.model = self.loaded.model
        self.encoder = encoder = FrameEncoder(self.model, face_size=face_size, amp=amp)
        if encoder.waveform_rate is not None:
            raise ConfigError('model.audio takes waveforms, whose features depend on the whole window: no streaming')
        self.hop = max(1, encoder.window // 20) if hop is None else hop
        self.delay = delay
        check_delayed(encoder.window, self.hop, encoder.stride, delay)
        self.picture, self.fps, self.sound_wait, self.keep = picture, float(fps), float(sound_wait), keep
        self._windows = StreamWindows(self.model, encoder.window, self.hop, delay, amp)
        self.detector, self.every, self.listens = detector, every, voice
        search = picture and detector is not None and 'visual' in encoder.modalities
        self._finder = FaceFinder(detector, every, encoder.face_size) if search else None
        self._faces = FaceFeatures(encoder) if 'visual' in encoder.modalities else None
        self.sound, self._rows, self._voice = None, None, None
        if sample_rate is not None:
            self.sound = SoundTimeline(check_rate(sample_rate))
            self._voice = StreamVoice(sample_rate) if voice else None
            if encoder.front_end is not None:
                self._rows = StreamRows(encoder.front_end, encoder.align, encoder.patch_rows, sample_rate)
        self.latency = self._latency()
        self.received = 0
        self.closed = False
        self._last_time = -np.inf
        self._waiting: deque[_Frame] = deque()
        self._told: deque[tuple[_Frame, bool]] = deque()
        self._values: list[StreamValues] = []

    @property
    def given(self) -> int:
        """Frames whose values were given."""
        return self._windows.given

    def push(
        self,
        frames: Sequence[np.ndarray] | None = None,
        audio: np.ndarray | None = None,
        times: Sequence[float] | None = None,
        *,
        audio_time: float | None = None,
    ) -> StreamValues:
        """Take the next pictures and the next sound, any number of each.

        Args:
            frames: n images ``(H, W, 3)`` uint8, RGB.
            audio: ``(m,)`` floats in [-1, 1], mono, at ``sample_rate``.
            times: ``(n,)`` of the frames, seconds, ascending; by default at ``fps`` from 0 on.
            audio_time: of the first sample, seconds; by default it follows the sound before. Gaps of more than 50 ms
                are filled with silence, overlaps are cut.

        Returns:
            Values that are settled now, of the frames that follow those given before.

        Raises:
            MediaError: what came is no picture or sound, times descend, or the stream is closed.
            ConfigError: there is no detector, or the stream was said to have no pictures or no sound.
        """
        frames = () if frames is None else frames
        if len(frames) and self._finder is None and self._faces is not None:
            raise ConfigError('detector=None: push faces with push_faces, or give a detector')
        find = self._finder.find if self._finder is not None else lambda time, frame: NO_FACE
        return self._push(frames, find, audio, times, audio_time)

    def push_faces(
        self,
        faces: np.ndarray,
        audio: np.ndarray | None = None,
        times: Sequence[float] | None = None,
        *,
        present: Sequence[bool] | None = None,
        boxes: np.ndarray | None = None,
        tracks: Sequence[int] | None = None,
        audio_time: float | None = None,
    ) -> StreamValues:
        """Take faces that were found elsewhere, in the place of pictures; see ``push``.

        Args:
            faces: ``(n, S, S, 3)`` uint8, RGB, aligned as by :func:`mmaffect.faces.crop_face`; S is
                ``encoder.face_size``.
            audio: as of ``push``.
            times: as of ``push``.
            present: ``(n,)`` bool, frames that have a face; the others are taken for black. By default all.
            boxes: ``(n, 4)`` in pixels, for the values only.
            tracks: ``(n,)``, likewise.
            audio_time: as of ``push``.
        """
        found = pushed_faces(np.asarray(faces), present, boxes, tracks)
        return self._push(found, lambda time, face: face, audio, times, audio_time)

    def warm_up(self) -> None:
        """Run every part once on nothing, since what runs for the first time takes longest."""
        encoder, length = self.encoder, self.encoder.window
        if self._finder is not None:
            self._finder.warm_up()
        if self._faces is not None:
            self._faces.followed()
        if encoder.front_end is not None:
            encoder.encode_sound(np.zeros((1, encoder.front_end.n_mels), np.float16), np.zeros(1))
        values = {name: np.zeros((1, length, width), np.float32) for name, width in encoder.channels.items()}
        run_windows(self.model, values, {name: np.ones((1, length), bool) for name in values}, encoder.amp)

    def end_sound(self) -> StreamValues:
        """Say that no more sound will come: no frame waits for it any longer."""
        for part in (self._rows, self._voice):
            if part is not None:
                part.close()
        return join_values([self._values_of([]), *self._advance()])

    def close(self) -> StreamValues:
        """End the stream: the values of the frames that are left."""
        if self.closed:
            return self._values_of([])
        values = self.end_sound()
        self.closed = True
        beyond = self._faces.followed() if self._faces is not None and self.received else None
        return join_values([values, self._values_of(self._windows.end(beyond))])

    def trace(self, name: str = 'stream') -> Trace:
        """All values given so far, as :class:`mmaffect.inference.Trace`.

        Raises:
            ConfigError: with ``keep=False``, or if nothing was given yet.
        """
        if not self.keep:
            raise ConfigError('keep=False: the values of a stream are not kept; expected keep=True')
        if not self._values:
            raise ConfigError(f'{name}: no frame has a value yet; expected at least one')
        return stream_trace(self, join_values(self._values), name)

    def _push(
        self,
        frames: Sequence,
        find: Callable[[float, np.ndarray], StreamFace],
        audio: np.ndarray | None,
        times: Sequence[float] | None,
        audio_time: float | None,
    ) -> StreamValues:
        if self.closed:
            raise MediaError('the stream is closed; expected nothing more to be pushed')
        if len(frames) and not self.picture:
            raise ConfigError('picture=False: the stream was said to have no pictures')
        times = self._times(len(frames), times)
        if audio is not None:
            self._take_sound(audio, audio_time)
        found = [self._values_of([])]
        if not self.picture:
            found += self._tick()
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            part = times[start : start + FRAMES_AT_ONCE]
            faces = [
                find(time, frame) for time, frame in zip(part, frames[start : start + FRAMES_AT_ONCE], strict=True)
            ]
            self._take_faces(part, faces)
            found += self._advance()
        return join_values([*found, *self._advance()])

    def _times(self, count: int, times: Sequence[float] | None) -> list[float]:
        if times is None:
            return [(self.received + i) / self.fps for i in range(count)]
        times = [float(time) for time in times]
        if len(times) != count:
            raise MediaError(f'{count} frames, {len(times)} times; expected one a frame')
        last = self._last_time
        for i, time in enumerate(times, self.received):
            if not np.isfinite(time) or time < last:
                raise MediaError(f'frame {i} is at {time} s; expected {max(last, 0):g} s or later')
            last = time
        return times

    def _take_sound(self, audio: np.ndarray, time: float | None) -> None:
        if self.sound is None:
            raise ConfigError('sample_rate=None: the stream was said to have no sound')
        self._hear(self.sound.push(audio, time))

    def _hear(self, blocks: Sequence[np.ndarray]) -> None:
        for block in blocks:
            for part in (self._rows, self._voice):
                if part is not None:
                    part.push(block)

    def _take_faces(self, times: Sequence[float], faces: Sequence[StreamFace]) -> None:
        count = len(faces)
        visual, beyond = [None] * count, [None] * count
        if self._faces is not None:
            known, window = self.received, self.encoder.window

            def is_short(i: int) -> bool:
                return known + i + 1 < window and self._windows.ends_at(known + i + 1)

            visual, beyond = self._faces.encode(faces, is_short)
        self._waiting.extend(map(_Frame, times, faces, visual, beyond))
        self.received += count
        self._last_time = times[-1]
        if self.sound is not None:
            self._hear(self.sound.fill(self._last_time - self.sound_wait))

    def _tick(self) -> list[StreamValues]:
        """Frames of a stream without pictures: one for every tick of the clock that the sound has passed."""
        found = []
        while self.received / self.fps < self.sound.end:
            passed = math.ceil(round(self.sound.end * self.fps, 6)) - self.received
            count = min(max(passed, 1), FRAMES_AT_ONCE)
            self._take_faces(self._times(count, None), [NO_FACE] * count)
            found += self._advance()
        return found

    def _advance(self) -> list[StreamValues]:
        """Give the frames that are ready to the windows."""
        found = []
        while ready := self._ready():
            frames = [self._waiting.popleft() for _ in range(ready)]
            values, present = {}, {}
            if self._faces is not None:
                values['visual'] = np.stack([frame.visual for frame in frames])
                present['visual'] = np.array([frame.face.present for frame in frames])
            if 'audio' in self.encoder.modalities:
                times = np.array([frame.time for frame in frames])
                values['audio'], present['audio'] = self._encode_sound(times)
            for frame in frames:
                self._told.append((frame, self._voice is not None and self._voice.heard(frame.time)))
            found.append(self._values_of(self._windows.extend(values, present, [frame.beyond for frame in frames])))
        return found

    def _ready(self) -> int:
        """Frames that are complete, of the next few."""
        ready = 0
        for frame in islice(self._waiting, FRAMES_AT_ONCE):
            if any(part is not None and not part.ready(frame.time) for part in (self._rows, self._voice)):
                break
            ready += 1
        return ready

    def _encode_sound(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self._rows is None:
            return self.encoder.encode_sound(np.empty((0, self.encoder.front_end.n_mels), np.float16), times)
        encoded = self.encoder.encode_sound(self._rows.rows, times, self._rows.first)
        self._rows.forget(times[-1])
        return encoded

    def _values_of(self, predictions: Sequence[Prediction]) -> StreamValues:
        first = self._windows.given - sum(len(affect) for affect, _ in predictions)
        told = [self._told.popleft() for affect, _ in predictions for _ in affect]
        frames = [frame for frame, _ in told]
        count = len(self.encoder.targets)
        values = StreamValues(
            first,
            np.array([frame.time for frame in frames], np.float64),
            np.concatenate([np.zeros((0, count), np.float32), *(affect for affect, _ in predictions)]),
            np.array([frame.face.present for frame in frames], bool),
            np.array([voice for _, voice in told], bool),
            np.array([frame.face.box for frame in frames], np.float32).reshape(-1, 4),
            np.array([frame.face.track for frame in frames], np.int32),
            {name: np.concatenate([gates[name] for _, gates in predictions]) for name in predictions[0][1]}
            if predictions
            else {},
        )
        if self.keep and len(values):
            self._values.append(values)
        return values

    def _latency(self) -> Latency:
        sound = voice = 0.0
        if self._rows is not None:
            front_end = self.encoder.front_end
            sound = patch_look_ahead(front_end, self.encoder.align, self.encoder.patch_rows)
            sound += resampling_look_ahead(self.sound.sample_rate, front_end.sample_rate)
        if self._voice is not None:
            voice = VOICE_LOOK_AHEAD + resampling_look_ahead(self.sound.sample_rate, VOICE_RATE)
        return Latency(self.delay, self.hop, self.fps, sound, voice)
