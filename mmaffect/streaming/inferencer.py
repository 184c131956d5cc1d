"""Valence and arousal of pictures and sound while they arrive."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from mmengine.config import Config
from torch import nn

from ..errors import ConfigError, MediaError
from ..faces import FaceDetector
from ..faces.detectors.base import check_frame
from ..inference.encoder import FrameEncoder
from ..inference.loading import LoadedModel, load_estimator
from ..inference.windows import check_delayed, run_windows
from .faces import NO_FACE, FaceFinder, StreamFace, pushed_faces
from .hearing import StreamSound
from .line import FRAMES_AT_ONCE, FrameLine
from .sound import SoundTimeline
from .trace import stream_trace
from .values import KeptValues, Latency, StreamValues, join_values

if TYPE_CHECKING:
    from ..traces.trace import Trace


class StreamingInferencer:
    """Predicts frames while they arrive, in bounded memory: ``push`` what there is, and get the values that it settles.

    A frame is ready when the sound of its audio patch is complete, or is known not to come. Windows follow the
    schedule ``'delayed'`` of :func:`mmaffect.inference.windows.plan_windows`: whatever the sizes of what is pushed, the
    values are those of offline inference with this schedule, ``hop`` and ``delay``. Every frame is encoded once; what
    is kept are the features of one window, the log-mel rows that are still needed, and the faces of a clip.

    Pictures and sound are on one clock, in seconds; the sound begins at 0 s unless ``audio_time`` says otherwise. Sound
    that is late for more than ``sound_wait`` is taken for silence, and dropped if it comes after all; sound may be ten
    minutes ahead of the pictures. With ``sample_rate=None`` no sound will come: every frame has its picture only.

    What is refused with an error is not taken at all: the stream goes on as if it had not been pushed.

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
        self.detector, self.every, self.listens = detector, every, voice
        search = picture and detector is not None and 'visual' in encoder.modalities
        self._finder = FaceFinder(detector, every, encoder.face_size) if search else None
        self._sound = StreamSound(encoder, sample_rate, self.sound_wait, voice)
        self.latency = Latency(delay, self.hop, self.fps, *self._sound.look_ahead)
        self._line = FrameLine(encoder, self._sound, self.hop, delay)
        self._kept = KeptValues()
        self.closed = False

    @property
    def received(self) -> int:
        """Frames that came."""
        return self._line.received

    @property
    def given(self) -> int:
        """Frames whose values were given."""
        return self._line.given

    @property
    def sound(self) -> SoundTimeline | None:
        """Times of the sound; ``None`` without."""
        return self._sound.timeline

    @property
    def sound_missed(self) -> bool:
        """Whether frames came so late that their sound was gone."""
        return self._sound.missed

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
            audio: ``(m,)`` or ``(m, channels)``, floats in [-1, 1] or int16, at ``sample_rate``.
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
        if len(frames) and self._finder is None and self.picture and 'visual' in self.encoder.modalities:
            raise ConfigError('detector=None: push faces with push_faces, or give a detector')
        for frame in frames:
            check_frame(frame)
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
        found = pushed_faces(np.asarray(faces), present, boxes, tracks, self.encoder.face_size)
        return self._push(found, lambda time, face: face, audio, times, audio_time)

    def warm_up(self) -> None:
        """Run every part once on nothing, since what runs for the first time takes longest."""
        encoder, length = self.encoder, self.encoder.window
        if self._finder is not None:
            self._finder.warm_up()
        if encoder.face_size is not None:
            encoder.encode_faces(np.zeros((1, encoder.face_size, encoder.face_size, 3), np.uint8))
        if encoder.front_end is not None:
            encoder.encode_sound(np.zeros((1, encoder.front_end.n_mels), np.float16), np.zeros(1))
        values = {name: np.zeros((1, length, width), np.float32) for name, width in encoder.channels.items()}
        run_windows(self.model, values, {name: np.ones((1, length), bool) for name in values}, encoder.amp)

    def end_sound(self) -> StreamValues:
        """Say that no more sound will come: no frame waits for it any longer."""
        self._sound.close()
        return self._keep(self._line.advance())

    def close(self) -> StreamValues:
        """End the stream: the values of the frames that are left."""
        if not self.closed:
            self._sound.close()
            values = self._keep(self._line.end())
            self.closed = True
            return values
        return self._line.advance()

    def trace(self, name: str = 'stream') -> Trace:
        """All values given so far, as :class:`mmaffect.traces.Trace`.

        Raises:
            ConfigError: with ``keep=False``, or if nothing was given yet.
        """
        if not self.keep:
            raise ConfigError('keep=False: the values of a stream are not kept; expected keep=True')
        values = self._kept.joined()
        if values is None:
            raise ConfigError(f'{name}: no frame has a value yet; expected at least one')
        return stream_trace(self, values, name)

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
        if times:
            self._sound.check_time(times[-1], 0 if audio is None else len(np.atleast_1d(audio)))
        if audio is not None:
            self._sound.push(audio, audio_time)
        found = [self._line.advance()]
        if not self.picture:
            found += self._tick()
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            part = times[start : start + FRAMES_AT_ONCE]
            faces = [find(*one) for one in zip(part, frames[start : start + FRAMES_AT_ONCE], strict=True)]
            found.append(self._line.push(part, faces))
        return self._keep(join_values(found))

    def _times(self, count: int, times: Sequence[float] | None) -> list[float]:
        if times is None:
            times = [(self.received + i) / self.fps for i in range(count)]
        times = [float(time) for time in times]
        if len(times) != count:
            raise MediaError(f'{count} frames, {len(times)} times; expected one a frame')
        last = self._line.last_time
        for i, time in enumerate(times, self.received):
            if not np.isfinite(time) or time < last:
                raise MediaError(f'frame {i} is at {time:g} s; expected {max(last, 0):g} s or later')
            last = time
        return times

    def _tick(self) -> list[StreamValues]:
        """Frames of a stream without pictures: one for every tick of the clock that the sound has passed."""
        found = []
        while self.received / self.fps < self.sound.end:
            passed = math.ceil(round(self.sound.end * self.fps, 6)) - self.received
            count = min(max(passed, 1), FRAMES_AT_ONCE)
            found.append(self._line.push(self._times(count, None), [NO_FACE] * count))
        return found

    def _keep(self, values: StreamValues) -> StreamValues:
        if self.keep:
            self._kept.add(values)
        return values
