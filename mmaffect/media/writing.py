"""Write frames and sound into an mp4 file."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MediaError
from ..utils.files import replacing

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.video.stream import VideoStream

AAC_RATES = (7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
AAC_FRAME = 1024
PRESETS = ('ultrafast', 'superfast', 'veryfast', 'faster', 'fast', 'medium', 'slow', 'slower', 'veryslow', 'placebo')
# Units of a second in which given times are kept: whole numbers of them for milliseconds, for the 90 kHz of MPEG and
# for 24, 25, 30, 50, 60 and 24000/1001, 30000/1001, 60000/1001 frames per second.
TIME_UNITS = 360_000


def write_video(
    path: str | Path,
    frames: Iterable[np.ndarray],
    fps: float | None,
    sound: np.ndarray | Iterable[np.ndarray] | None = None,
    sample_rate: int | None = None,
    crf: int = 23,
    *,
    times: np.ndarray | None = None,
    max_height: int | None = None,
    preset: str = 'medium',
) -> None:
    """Write an mp4 file (H.264, or MPEG-4 where this build of PyAV has no libx264; sound as mono AAC).

    The file is written under a temporary name in the same folder, which is made if needed, and renamed when it is
    whole. The same input gives the same bytes. Odd widths or heights are stored without chroma subsampling, so that no
    pixel is lost. Frames and sound are taken piece by piece: the memory does not grow with the length.

    Args:
        path: file to write, ``*.mp4``; an existing file is replaced.
        frames: images ``(H, W, 3)``, uint8, RGB, all of one size; consumed one at a time.
        fps: frames per second, in (0, 1000]; with ``times`` it may be None.
        sound: mono samples ``(N,)``, float, in [-1, 1] (clipped), or blocks ``(n,)`` of them; sample 0 sounds with
            frame 0, and with ``times`` at 0 s.
        sample_rate: of ``sound``, in Hz, one of the rates of AAC (8000, 16000, 44100, 48000, ...).
        crf: quality of H.264, 0 (lossless) to 51.
        times: ``(T,)``, one for each frame, in seconds, ascending; the first may be late. They are kept to 1/360000 s,
            except that a frame which shares its time with the one before, or lies before 0 s, follows one unit later.
        max_height: larger pictures are scaled down to it; sizes are made even, as players want them.
        preset: of libx264, from ``'ultrafast'`` to ``'placebo'``: time against size.

    Raises:
        MediaError: no frame, a frame of another shape or type, frames and times that are not equally many, sound that
            is not finite or not mono, or a folder that cannot be written to.
        ValueError: ``fps``, ``times``, ``sample_rate``, ``crf``, ``max_height`` or ``preset`` out of range.
    """
    path = Path(path)
    clock = _clock(path, fps, times)
    if not 0 <= crf <= 51:
        raise ValueError(f'crf is {crf}; expected 0 to 51')
    if max_height is not None and max_height < 2:
        raise ValueError(f'max_height is {max_height}; expected at least 2')
    if preset not in PRESETS:
        raise ValueError(f'preset is {preset!r}; expected one of {PRESETS}')
    samples = None if sound is None else _Samples(path, sound, sample_rate)
    frames = iter(frames)
    try:
        first = next(frames)
    except StopIteration:
        raise MediaError(f'{path}: no frames to write; expected at least one') from None
    _check_frame(path, 0, first, first.shape if isinstance(first, np.ndarray) else None)
    try:
        with replacing(path) as temporary:
            _write(temporary, path, first, frames, clock, samples, max_height, crf, preset)
    except OSError as error:
        raise MediaError(f'{path}: cannot be written ({error.strerror}); expected a writable folder') from None


@dataclass(frozen=True)
class _Clock:
    """When frames are shown: ``ticks`` of ``unit`` seconds, or none for a constant rate."""

    fps: float
    unit: Fraction
    ticks: np.ndarray | None

    @property
    def rate(self) -> Fraction:
        return Fraction(self.fps).limit_denominator(100_000)

    def tick(self, index: int) -> int:
        return index if self.ticks is None else int(self.ticks[index])

    def seconds(self, index: int) -> float:
        return index / self.fps if self.ticks is None else int(self.ticks[index]) / TIME_UNITS


def _clock(path: Path, fps: float | None, times: np.ndarray | None) -> _Clock:
    if (fps is not None or times is None) and not (fps is not None and math.isfinite(fps) and 0 < fps <= 1000):
        raise ValueError(f'fps is {fps}; expected a number in (0, 1000]')
    if times is None:
        return _Clock(fps, 1 / Fraction(fps).limit_denominator(100_000), None)
    times = np.asarray(times, dtype=np.float64)
    if times.ndim != 1 or not len(times) or not np.isfinite(times).all() or (np.diff(times) < 0).any():
        raise ValueError(f'{path}: times of shape {times.shape}; expected finite numbers of shape (T,) that ascend')
    order = np.arange(len(times))
    ticks = np.maximum(np.rint(times * TIME_UNITS).astype(np.int64), 0)
    ticks = np.maximum.accumulate(ticks - order) + order
    if fps is None:
        fps = min(TIME_UNITS / float(np.median(np.diff(ticks))), 1000.0) if len(ticks) > 1 else 25.0
    return _Clock(fps, Fraction(1, TIME_UNITS), ticks)


class _Samples:
    """Mono sound, checked, that is taken off in parts of any length."""

    def __init__(self, path: Path, sound: np.ndarray | Iterable[np.ndarray], rate: int | None) -> None:
        if rate not in AAC_RATES:
            raise ValueError(f'sample_rate is {rate}; expected one of {AAC_RATES}')
        self.rate = rate
        self._path = path
        whole = hasattr(sound, '__array__')
        self._blocks = iter(()) if whole else iter(sound)
        self._held = self._checked(sound) if whole else np.empty(0, np.float32)
        self._at = 0

    def take(self, count: int) -> np.ndarray:
        """The next ``count`` samples, less at the end."""
        parts, found = [], 0
        while found < count:
            if self._at == len(self._held):
                block = next(self._blocks, None)
                if block is None:
                    break
                self._held, self._at = self._checked(block), 0
            part = self._held[self._at : self._at + count - found]
            self._at += len(part)
            found += len(part)
            parts.append(part)
        block = parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.float32), *parts])
        return np.clip(block, -1, 1).astype(np.float32)

    def _checked(self, sound: np.ndarray) -> np.ndarray:
        sound = np.asarray(sound)
        if sound.ndim != 1 or sound.dtype.kind != 'f':
            found = f'{sound.dtype} of shape {sound.shape}'
            raise MediaError(f'{self._path}: sound is {found}; expected float of shape (N,)')
        if not np.isfinite(sound).all():
            raise MediaError(f'{self._path}: sound has NaN or infinite samples; expected numbers in [-1, 1]')
        return sound


def _write(
    temporary: Path,
    path: Path,
    first: np.ndarray,
    rest: Iterable[np.ndarray],
    clock: _Clock,
    samples: _Samples | None,
    max_height: int | None,
    crf: int,
    preset: str,
) -> None:
    import av

    options = {'movflags': '+faststart', 'fflags': '+bitexact'}
    if clock.ticks is not None:
        # The start of a late picture is kept in these units, by default milliseconds.
        options['movie_timescale'] = str(TIME_UNITS)
    size = _size(first.shape, max_height)
    try:
        with av.open(str(temporary), 'w', format='mp4', options=options) as out:
            video = _video_stream(out, size, clock, crf, preset)
            audio = None if samples is None else _audio_stream(out, samples.rate)
            done = 0
            for index, frame in enumerate(chain([first], rest)):
                _check_frame(path, index, frame, first.shape)
                if clock.ticks is not None and index == len(clock.ticks):
                    raise MediaError(f'{path}: there are more frames than the {index} times; expected as many')
                if samples is not None:
                    done = _mux_sound(out, audio, samples, done, math.ceil(clock.seconds(index) * samples.rate))
                _mux_frame(out, video, frame, clock, index)
            if clock.ticks is not None and index + 1 != len(clock.ticks):
                raise MediaError(f'{path}: {index + 1} frames for {len(clock.ticks)} times; expected as many')
            if samples is not None:
                _mux_sound(out, audio, samples, done, math.inf)
                out.mux(audio.encode(None))
            out.mux(video.encode(None))
    except (av.FFmpegError, OSError) as error:
        raise MediaError(f'{path}: cannot be written ({error.strerror})') from error


def _check_frame(path: Path, index: int, frame: np.ndarray, shape: tuple[int, ...] | None) -> None:
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        found = f'{frame.dtype} of shape {frame.shape}' if isinstance(frame, np.ndarray) else type(frame).__name__
        raise MediaError(f'{path}: frame {index} is {found}; expected uint8 of shape (H, W, 3)')
    if frame.shape != shape or 0 in frame.shape:
        raise MediaError(f'{path}: frame {index} has shape {frame.shape}; expected {shape}, as frame 0')


def _size(shape: tuple[int, ...], max_height: int | None) -> tuple[int, int]:
    """Height and width of the picture that is stored."""
    height, width = shape[:2]
    if max_height is None:
        return height, width
    scaled = max(min(height, max_height) // 2 * 2, 2)
    return scaled, max(width * scaled // height // 2 * 2, 2)


def _video_stream(out: OutputContainer, size: tuple[int, int], clock: _Clock, crf: int, preset: str) -> VideoStream:
    import av

    h264 = 'libx264' in av.codecs_available
    stream = out.add_stream('libx264' if h264 else 'mpeg4', rate=clock.rate)
    stream.height, stream.width = size
    odd = stream.height % 2 or stream.width % 2
    stream.pix_fmt = 'yuv444p' if odd and h264 else 'yuv420p'
    # More than one thread makes the rate control depend on timing.
    stream.codec_context.thread_count = 1
    if h264:
        stream.options = {'crf': str(crf), 'preset': preset, 'flags': '+bitexact'}
        if clock.ticks is not None:
            # With frames out of order, as decoded, the file would declare another end than that of its last frame.
            stream.options |= {'bf': '0'}
    else:
        # PyAV ignores qscale; bounds of the quantiser do the same.
        stream.options = {'qmin': '2', 'qmax': str(2 + crf // 4), 'flags': '+bitexact'}
    stream.codec_context.time_base = clock.unit
    return stream


def _audio_stream(out: OutputContainer, sample_rate: int) -> AudioStream:
    stream = out.add_stream('aac', rate=sample_rate, layout='mono', options={'flags': '+bitexact'})
    stream.codec_context.thread_count = 1
    return stream


def _mux_frame(out: OutputContainer, stream: VideoStream, frame: np.ndarray, clock: _Clock, index: int) -> None:
    import av

    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format='rgb24')
    if (picture.height, picture.width) != (stream.height, stream.width):
        picture = picture.reformat(stream.width, stream.height, stream.pix_fmt, interpolation='AREA')
    picture.pts = clock.tick(index)
    picture.time_base = clock.unit
    out.mux(stream.encode(picture))


def _mux_sound(out: OutputContainer, stream: AudioStream, samples: _Samples, start: int, stop: float) -> int:
    """Encode samples from ``start`` on, in whole AAC frames, to at least ``stop``; return the new start."""
    import av

    while start < stop:
        block = samples.take(AAC_FRAME)
        if not len(block):
            break
        frame = av.AudioFrame.from_ndarray(block[None], format='fltp', layout='mono')
        frame.sample_rate = samples.rate
        frame.pts = start
        frame.time_base = Fraction(1, samples.rate)
        out.mux(stream.encode(frame))
        start += len(block)
    return start
