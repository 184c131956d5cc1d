"""Decode the sound of a file onto the clock of its picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MediaError
from .container import audio_stream, declared_end, open_media, start_time, video_stream
from .types import Sound

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

# Times of packets are rounded to the units of the container: only larger steps are gaps.
GAP_TOLERANCE = 0.05
END_TOLERANCE = 0.1
MAX_GAP = 3600.0
MAX_PADDING = 4096
# Scale of the integer sample formats; the others are floats.
FULL_SCALE = {'u8': 128.0, 's16': 32768.0, 's32': 2147483648.0, 's64': 2.0**63}
BLOCK_SECONDS = 30
LOWPASS_WIDTH = 6
FLAGS = ('truncated', 'longer_than_declared', 'gaps', 'overlaps', 'non_finite')


def read_sound(path: str | Path, sample_rate: int, mono: bool = True) -> Sound | None:
    """Decode the sound stream of a file (of several, FFmpeg's best), resampled, on the clock of its picture.

    Sample ``j`` sounds at ``j / sample_rate`` seconds of the clock of ``read_timestamps``: a stream that starts later
    is preceded by zeros, one that starts earlier is cut. Where packets are missing there are zeros.

    Args:
        path: a video or sound file.
        sample_rate: of the result, in Hz, 1000 to 384000.
        mono: mean of all channels, in the shape ``(N,)``; else ``(channels, N)``.

    Returns:
        The sound with flags for all that is odd about it; None where the file has no sound stream.

    Raises:
        MediaError: not a media file, a packet that cannot be read or decoded, no samples, or a rate or number of
            channels that changes within the file.
        ValueError: ``sample_rate`` out of range.
        FileNotFoundError, IsADirectoryError, PermissionError: as the system says.
    """
    if not 1000 <= sample_rate <= 384_000:
        raise ValueError(f'sample_rate is {sample_rate}; expected 1000 to 384000 Hz')
    path = Path(path)
    flags: set[str] = set()
    with open_media(path) as container:
        stream = audio_stream(container)
        if stream is None:
            if video_stream(container) is None:
                raise MediaError(f'{path}: has neither a video nor a sound stream; expected at least one')
            return None
        if stream.codec_context is None:
            raise MediaError(f'{path}: no decoder for its sound stream; expected a codec that FFmpeg reads')
        blocks, native_rate, start = _decode(container, stream, path, mono, flags)
        duration = declared_end(container, stream)
        padded = container.format.name.startswith('mov')
    samples = _joined(blocks)
    if duration is not None:
        samples = _ended(samples, native_rate, duration, padded, flags)
    if samples.shape[-1] == 0:
        raise MediaError(f'{path}: its sound stream has no samples after the start of the file; expected some')
    if native_rate != sample_rate:
        samples = _resampled(samples, native_rate, sample_rate, path)
    samples = samples[0] if mono else samples
    return Sound(samples, sample_rate, native_rate, start, duration, tuple(sorted(flags, key=FLAGS.index)))


def _decode(
    container: InputContainer, stream: AudioStream, path: Path, mono: bool, flags: set[str]
) -> tuple[list[np.ndarray], int, float]:
    """Blocks ``(C, n)`` that follow one another from zero of the clock, their rate and the start of the stream."""
    blocks: list[np.ndarray] = []
    position = 0
    rate = channels = start = None
    zero = start_time(container)
    for frame in container.decode(stream):
        if rate is None:
            rate, channels = frame.sample_rate, frame.layout.nb_channels
        if (frame.sample_rate, frame.layout.nb_channels) != (rate, channels):
            found = f'{frame.layout.nb_channels} channels at {frame.sample_rate} Hz'
            raise MediaError(f'{path}: its sound changes to {found}; expected {channels} at {rate} Hz throughout')
        block = _as_float(frame, path)
        if not np.isfinite(block).all():
            flags.add('non_finite')
            block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
        if mono:
            block = block.mean(axis=0, keepdims=True, dtype=np.float32)

        time = position / rate if frame.time is None else frame.time - zero
        step = round(time * rate) - position
        if start is None:
            start = time
        elif abs(step) <= GAP_TOLERANCE * rate:
            step = 0
        else:
            flags.add('gaps' if step > 0 else 'overlaps')
        if step > MAX_GAP * rate:
            raise MediaError(f'{path}: its sound jumps by {step / rate:.6g} s; expected less than {MAX_GAP:.0f} s')
        if step > 0:
            blocks.append(np.zeros((len(block), step), np.float32))
            position += step
        elif step < 0:
            block = block[:, -step:]
        if block.shape[1]:
            blocks.append(block)
            position += block.shape[1]
    if not blocks:
        raise MediaError(f'{path}: no sound can be decoded from its sound stream; expected some')
    return blocks, rate, start


def _as_float(frame: AudioFrame, path: Path) -> np.ndarray:
    """Samples ``(C, n)``, float32, full scale at 1."""
    kind = frame.format.packed.name
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if kind in ('flt', 'dbl'):
        return np.ascontiguousarray(samples, dtype=np.float32)
    if kind not in FULL_SCALE:
        raise MediaError(f'{path}: its sound samples are {kind}; expected one of {(*FULL_SCALE, "flt", "dbl")}')
    middle = 128 if kind == 'u8' else 0
    return ((samples.astype(np.float64) - middle) / FULL_SCALE[kind]).astype(np.float32)


def _joined(blocks: list[np.ndarray]) -> np.ndarray:
    """Concatenate, letting go of each block once it is copied."""
    joined = np.empty((blocks[0].shape[0], sum(block.shape[1] for block in blocks)), np.float32)
    end = joined.shape[1]
    while blocks:
        block = blocks.pop()
        joined[:, end - block.shape[1] : end] = block
        end -= block.shape[1]
    return joined


def _ended(samples: np.ndarray, rate: int, duration: float, padded: bool, flags: set[str]) -> np.ndarray:
    """Compare with the declared end; cut the padding of the last codec frame where the container tells it apart."""
    declared = max(round(duration * rate), 0)
    excess = samples.shape[1] - declared
    if padded and 0 < excess <= MAX_PADDING:
        return samples[:, :declared]
    if excess < -END_TOLERANCE * rate:
        flags.add('truncated')
    elif excess > END_TOLERANCE * rate:
        flags.add('longer_than_declared')
    return samples


def _resampled(samples: np.ndarray, native_rate: int, rate: int, path: Path) -> np.ndarray:
    """``torchaudio.functional.resample`` in blocks, so that only input, output and one block are held."""
    import torch
    from torchaudio.functional import resample

    divisor = math.gcd(native_rate, rate)
    old, new = native_rate // divisor, rate // divisor
    if old * new > 150_000_000:
        raise MediaError(f'{path}: no resampling from {native_rate} to {rate} Hz; expected rates with a common divisor')
    # Half the length of the filter, in whole periods of both rates, at either side of a block.
    margin = math.ceil(LOWPASS_WIDTH * max(1, old / new) / old + 1) * old
    block = math.ceil(BLOCK_SECONDS * native_rate / old) * old
    length = samples.shape[1]
    resampled = np.empty((samples.shape[0], math.ceil(length * new / old)), np.float32)
    for begin in range(0, length, block):
        left = max(begin - margin, 0)
        right = min(begin + block + margin, length)
        piece = resample(torch.from_numpy(samples[:, left:right]), old, new, lowpass_filter_width=LOWPASS_WIDTH)
        skip = (begin - left) // old * new
        first = begin // old * new
        last = min((begin + block) // old * new, resampled.shape[1])
        resampled[:, first:last] = piece.numpy()[:, skip : skip + last - first]
    return resampled
