"""Write frames and sound into an mp4 file."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
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


def write_video(
    path: str | Path,
    frames: Iterable[np.ndarray],
    fps: float,
    sound: np.ndarray | None = None,
    sample_rate: int | None = None,
    crf: int = 23,
) -> None:
    """Write an mp4 file (H.264, or MPEG-4 where this build of PyAV has no libx264; sound as mono AAC).

    The file is written under a temporary name in the same folder, which is made if needed, and renamed when it is
    whole. The same input gives the same bytes. Odd widths or heights are stored without chroma subsampling, so that no
    pixel is lost.

    Args:
        path: file to write, ``*.mp4``; an existing file is replaced.
        frames: images ``(H, W, 3)``, uint8, RGB, all of one size; consumed one at a time.
        fps: frames per second, in (0, 1000].
        sound: mono samples ``(N,)``, float, in [-1, 1] (clipped); sample 0 sounds with frame 0.
        sample_rate: of ``sound``, in Hz, one of the rates of AAC (8000, 16000, 44100, 48000, ...).
        crf: quality of H.264, 0 (lossless) to 51.

    Raises:
        MediaError: no frame, a frame of another shape or type, sound that is not finite or not mono, or a folder that
            cannot be written to.
        ValueError: ``fps``, ``sample_rate`` or ``crf`` out of range.
    """
    path = Path(path)
    if not (math.isfinite(fps) and 0 < fps <= 1000):
        raise ValueError(f'fps is {fps}; expected a number in (0, 1000]')
    if not 0 <= crf <= 51:
        raise ValueError(f'crf is {crf}; expected 0 to 51')
    if sound is not None:
        sound = _checked_sound(path, sound, sample_rate)
    frames = iter(frames)
    try:
        first = next(frames)
    except StopIteration:
        raise MediaError(f'{path}: no frames to write; expected at least one') from None
    try:
        with replacing(path) as temporary:
            _write(temporary, path, first, frames, fps, sound, sample_rate, crf)
    except OSError as error:
        raise MediaError(f'{path}: cannot be written ({error.strerror}); expected a writable folder') from None


def _checked_sound(path: Path, sound: np.ndarray, sample_rate: int | None) -> np.ndarray:
    if sample_rate not in AAC_RATES:
        raise ValueError(f'sample_rate is {sample_rate}; expected one of {AAC_RATES}')
    sound = np.asarray(sound)
    if sound.ndim != 1 or sound.dtype.kind != 'f':
        raise MediaError(f'{path}: sound is {sound.dtype} of shape {sound.shape}; expected float of shape (N,)')
    if not np.isfinite(sound).all():
        raise MediaError(f'{path}: sound has NaN or infinite samples; expected numbers in [-1, 1]')
    return sound


def _write(
    temporary: Path,
    path: Path,
    first: np.ndarray,
    rest: Iterable[np.ndarray],
    fps: float,
    sound: np.ndarray | None,
    sample_rate: int | None,
    crf: int,
) -> None:
    import av

    _check_frame(path, 0, first, first.shape if isinstance(first, np.ndarray) else None)
    try:
        with av.open(
            str(temporary), 'w', format='mp4', options={'movflags': '+faststart', 'fflags': '+bitexact'}
        ) as out:
            video = _video_stream(out, first.shape, Fraction(fps).limit_denominator(100_000), crf)
            audio = _audio_stream(out, sample_rate) if sound is not None else None
            _mux_frame(out, video, first, 0)
            done = 0
            for index, frame in enumerate(rest, start=1):
                _check_frame(path, index, frame, first.shape)
                if sound is not None:
                    done = _mux_sound(out, audio, sound, done, math.ceil(index / fps * sample_rate))
                _mux_frame(out, video, frame, index)
            if sound is not None:
                _mux_sound(out, audio, sound, done, len(sound))
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


def _video_stream(out: OutputContainer, shape: tuple[int, ...], rate: Fraction, crf: int) -> VideoStream:
    import av

    h264 = 'libx264' in av.codecs_available
    stream = out.add_stream('libx264' if h264 else 'mpeg4', rate=rate)
    stream.height, stream.width = shape[:2]
    odd = stream.height % 2 or stream.width % 2
    stream.pix_fmt = 'yuv444p' if odd and h264 else 'yuv420p'
    # More than one thread makes the rate control depend on timing.
    stream.codec_context.thread_count = 1
    if h264:
        stream.options = {'crf': str(crf), 'preset': 'medium', 'flags': '+bitexact'}
    else:
        # PyAV ignores qscale; bounds of the quantiser do the same.
        stream.options = {'qmin': '2', 'qmax': str(2 + crf // 4), 'flags': '+bitexact'}
    stream.codec_context.time_base = 1 / rate
    return stream


def _audio_stream(out: OutputContainer, sample_rate: int) -> AudioStream:
    stream = out.add_stream('aac', rate=sample_rate, layout='mono', options={'flags': '+bitexact'})
    stream.codec_context.thread_count = 1
    return stream


def _mux_frame(out: OutputContainer, stream: VideoStream, frame: np.ndarray, index: int) -> None:
    import av

    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format='rgb24')
    picture.pts = index
    picture.time_base = stream.codec_context.time_base
    out.mux(stream.encode(picture))


def _mux_sound(out: OutputContainer, stream: AudioStream, sound: np.ndarray, start: int, stop: int) -> int:
    """Encode samples from ``start`` on, in whole AAC frames, to at least ``stop``; return the new start."""
    import av

    while start < min(stop, len(sound)):
        block = np.clip(sound[start : start + AAC_FRAME], -1, 1).astype(np.float32)
        samples = av.AudioFrame.from_ndarray(block[None], format='fltp', layout='mono')
        samples.sample_rate = stream.codec_context.sample_rate
        samples.pts = start
        samples.time_base = Fraction(1, samples.sample_rate)
        out.mux(stream.encode(samples))
        start += len(block)
    return start
