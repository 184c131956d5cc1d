"""One run of tools/live.py: a source, a stream, what is shown and what is written."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, MediaError
from ..inference.encoder import FrameEncoder
from ..inference.loading import LoadedModel
from ..inference.recording import safe_name
from ..media.voice import VOICE_RATE
from ..streaming.inferencer import StreamingInferencer
from ..streaming.trace import stream_header
from ..streaming.values import StreamValues
from .loop import follow
from .sources import is_stream, open_devices, open_stream, play_file, without_password
from .view import TextView, WindowView
from .writing import GrowingTrace

NOMINAL_FPS = 25.0


class LiveSession:
    """Follows a source until it ends, or until it is told to.

    Args:
        loaded: the model.
        source: file, pipe or address; ``None``: camera and microphone.
        camera: device, ``''`` for the first one, ``None`` for none.
        microphone: likewise.
        size: ``'640x480'``, to ask the camera for.
        speed: seconds of a file in a second, as text; ``'max'``: as fast as it is read, also of a pipe, and nothing is
            dropped.
        fps: frames a second to ask the camera for, and of the stated latency; by default 25.
        hop: as of :class:`StreamingInferencer`.
        delay: likewise.
        detector: likewise.
        every: likewise.
        voice: likewise.
        out: file of the trace, ``*.csv``, ``*.json`` or ``*.npz``; ``None``: it is not written.
        command: for the header of the trace.

    Raises:
        MediaError: a source that cannot be read.
        ConfigError: a value out of range, or a model that cannot follow a stream.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        *,
        source: str | None = None,
        camera: str | None = None,
        microphone: str | None = None,
        size: str | None = None,
        speed: str = '1',
        fps: float | None = None,
        hop: int | None = None,
        delay: int = 0,
        detector: str | dict = 'retinaface',
        every: int = 1,
        voice: bool = True,
        out: str | Path | None = None,
        command: str | None = None,
    ) -> None:
        self.loaded = loaded
        if source is None:
            self.capture = open_devices(camera, microphone, size=_size(size), fps=fps)
        elif is_stream(source):
            self.capture = open_stream(source, lossless=_speed(speed) is None)
        else:
            front_end = FrameEncoder(loaded.model).front_end
            rate = VOICE_RATE if front_end is None else front_end.sample_rate
            self.capture = play_file(source, rate, _speed(speed))
        self.inferencer = StreamingInferencer(
            loaded,
            detector=detector,
            every=every,
            hop=hop,
            delay=delay,
            sample_rate=self.capture.sample_rate,
            picture=self.capture.has_picture,
            fps=NOMINAL_FPS if fps is None else fps,
            voice=voice,
            keep=False,
        )
        self.name = 'live' if source is None else safe_name('stream' if source == '-' else Path(self.capture.name).stem)
        self._provenance = {'input': self.capture.name, 'command': command and without_password(command)}
        self._counts = {'with_face': 0, 'with_voice': 0, 'predicted': 0}
        self._latencies = (0, 0.0, 0.0)
        self._span: tuple[float, float] | None = None
        self._stop = False
        self._endless = source is None or is_stream(source)
        unknown = dict.fromkeys(('decoded', *self._counts))
        self._writer = None if out is None else GrowingTrace(out, self._header(unknown))

    @property
    def presence(self) -> tuple[str, ...]:
        """Of ``'face'`` and ``'voice'`` what is looked and listened for."""
        inferencer = self.inferencer
        sees = inferencer.picture and 'visual' in inferencer.encoder.modalities
        return ('face',) * sees + ('voice',) * (inferencer.listens and inferencer.sound is not None)

    def stop(self) -> None:
        """Let ``run`` end as at the end of its source; may be called by a signal or another thread."""
        self._stop = True

    def run(self, views: Sequence[TextView | WindowView], seconds: float | None = None) -> int:
        """Follow the source to its end.

        Args:
            views: the first one is told what there is to say.
            seconds: of the source, after which it ends.

        Returns:
            Exit status: 1 where the source broke off, else 0; what was predicted until then is kept.

        Raises:
            ConfigError: for ``seconds`` that are not greater than 0.
            OSError: the trace cannot be written.
        """
        if seconds is not None and not seconds > 0:
            raise ConfigError(f'seconds={seconds}; expected a number greater than 0')
        told, problem = views[0], None
        told.say(f'{self.capture.name}, {self.loaded.name}: {self.inferencer.latency}')
        told.say(self._header(self._counts)['notice'])
        self.inferencer.warm_up()
        with self.capture as capture:
            try:
                for step in follow(capture, self.inferencer):
                    self._take(step.values, step.latency)
                    shown = [view.show(step) for view in views]
                    if self._stop or not all(shown) or (seconds is not None and step.now >= seconds):
                        break
            except MediaError as error:  # times that jump
                problem = f'{capture.name}: {error}'
        problem = capture.problem or problem
        flags = [] if self.inferencer.closed else ['stopped']
        if self._endless and capture.ended and problem is None:
            told.say(f'{capture.name}: the stream ended')
        self._take(self.inferencer.close(), None)
        for view in views:
            view.close()
        flags += ['broke_off'] * (problem is not None) + ['frames_dropped'] * (capture.dropped_frames > 0)
        self._finish(told, flags)
        if problem is None:
            return 0
        print(f'error: {problem}', file=sys.stderr)
        return 1

    def _take(self, values: StreamValues, latency: float | None) -> None:
        if not len(values):
            return
        if self._writer is not None:
            self._writer.append(values)
        self._counts['with_face'] += int(values.face.sum())
        self._counts['with_voice'] += int(values.voice.sum())
        self._counts['predicted'] += int(np.isfinite(values.affect).all(axis=1).sum())
        first = float(values.times[0]) if self._span is None else self._span[0]
        self._span = (first, float(values.times[-1]))
        if latency is not None:
            count, total, most = self._latencies
            self._latencies = (count + 1, total + latency, max(most, latency))

    def _header(self, counts: Mapping[str, int], flags: Sequence[str] = ()) -> dict[str, Any]:
        span = None if self._span is None else self._span[1] - self._span[0]
        return stream_header(
            self.inferencer, self.name, frames=counts, flags=flags, span=span, provenance=self._provenance
        )

    def _finish(self, told: TextView | WindowView, flags: Sequence[str]) -> None:
        parts = [f'{self.inferencer.received} frames, {self._counts["predicted"]} predicted']
        if 'visual' in self.inferencer.encoder.modalities:
            parts.append(f'{self._counts["with_face"]} with a face')
        parts.append(f'{self.capture.dropped_frames} dropped')
        count, total, most = self._latencies
        if count:
            parts.append(f'latency {total / count:.2f} s on average, {most:.2f} s at most')
        told.say(', '.join(parts))
        if self._writer is not None and self._writer.finish(self._header(self._counts, flags)):
            told.say(f'written: {self._writer.path}')


def _speed(text: str) -> float | None:
    if text == 'max':
        return None
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f'speed {text!r}; expected a number, or max') from None


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, _, height = text.lower().partition('x')
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise ConfigError(f'size {text!r}; expected <width>x<height>, as 640x480')
    return int(width), int(height)
