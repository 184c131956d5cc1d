"""Decode the sound of a file onto the clock of its picture."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MediaError
from .container import audio_stream, declared_end, open_media, start_time, video_stream
from .resampling import Resampler
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
BLOCK_SAMPLES = 1 << 16
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
    reader = open_sound(path, sample_rate, mono)
    if reader is None:
        return None
    samples = _joined(list(reader.blocks()))
    return Sound(samples, sample_rate, reader.native_rate, reader.start, reader.duration, reader.flags)


def open_sound(path: str | Path, sample_rate: int, mono: bool = True) -> SoundReader | None:
    """A ``SoundReader`` of a file; None where the file has no sound stream.

    Raises:
        MediaError, ValueError, FileNotFoundError, IsADirectoryError, PermissionError: as ``read_sound``.
    """
    try:
        return SoundReader(path, sample_rate, mono)
    except _NoSoundError:
        return None


class _NoSoundError(MediaError):
    """A video without sound."""


class EmptySoundError(MediaError):
    """A sound stream without a sample, as of a recorder without a microphone."""


class SoundReader:
    """The sound of a file block by block: joined, the samples of ``read_sound``, in a few MB of memory.

    Args:
        path: a video or sound file.
        sample_rate: of the result, in Hz, 1000 to 384000.
        mono: mean of all channels, in the shape ``(n,)``; else ``(channels, n)``.

    Attributes:
        native_rate: of the file, in Hz; None before the first block.
        start: clock time at which the stream starts, in seconds; None before the first block.
        duration: end of the stream on the clock, in seconds, as declared; None where it is not.
        flags: what is odd about the sound, as of ``Sound``: complete after the last block.

    Raises:
        MediaError: not a media file, or one without a sound stream that can be decoded.
        ValueError: ``sample_rate`` out of range.
        FileNotFoundError, IsADirectoryError, PermissionError: as the system says.
    """

    def __init__(self, path: str | Path, sample_rate: int, mono: bool = True) -> None:
        if not 1000 <= sample_rate <= 384_000:
            raise ValueError(f'sample_rate is {sample_rate}; expected 1000 to 384000 Hz')
        self.path = Path(path)
        self.sample_rate = sample_rate
        self.mono = mono
        with open_media(path) as container:
            stream = audio_stream(container)
            if stream is None and video_stream(container) is None:
                raise MediaError(f'{path}: has neither a video nor a sound stream; expected at least one')
            if stream is None:
                raise _NoSoundError(f'{path}: has no sound stream; expected one')
            if stream.codec_context is None:
                raise MediaError(f'{path}: no decoder for its sound stream; expected a codec that FFmpeg reads')
            self.duration = declared_end(container, stream)
        self.native_rate: int | None = None
        self.start: float | None = None
        self._flags: set[str] = set()

    @property
    def flags(self) -> tuple[str, ...]:
        """What is odd about the sound so far, in a fixed order."""
        return tuple(sorted(self._flags, key=FLAGS.index))

    def blocks(self) -> Iterator[np.ndarray]:
        """Decode from the start, one iteration at a time: yield ``(n,)`` or ``(channels, n)``, float32, none empty.

        Sample 0 of the first block is at 0 s of the clock of ``read_timestamps``.

        Raises:
            MediaError: a packet that cannot be read or decoded, a rate or number of channels that changes; at the end,
                that there were no samples.
        """
        self._flags.clear()
        self.native_rate = self.start = None
        resampler = None
        for block in _gathered(self._ended()):
            if resampler is None:
                resampler = self._resampler()
            block = resampler.push(block)
            if block.shape[-1]:
                yield block[0] if self.mono else block
        if resampler is None:
            what = 'its sound stream has no samples after the start of the file'
            raise EmptySoundError(f'{self.path}: {what}; expected some')
        block = resampler.flush()
        if block.shape[-1]:
            yield block[0] if self.mono else block

    def _resampler(self) -> Resampler:
        try:
            return Resampler(self.native_rate, self.sample_rate)
        except MediaError as error:
            raise MediaError(f'{self.path}: {error}') from None

    def _ended(self) -> Iterator[np.ndarray]:
        """Compare with the declared end; cut the padding of the last codec frame where the container tells it apart."""
        held: list[np.ndarray] = []
        position = 0
        with open_media(self.path) as container:
            padded = container.format.name.startswith('mov')
            for block in self._decoded(container, audio_stream(container)):
                position += block.shape[1]
                excess = position - self._declared()
                if not padded or excess <= 0:
                    yield block
                    continue
                # What may be padding waits until it is known whether the sound goes on.
                within = max(block.shape[1] - excess, 0)
                if within:
                    yield block[:, :within]
                held.append(block[:, within:])
                if excess > MAX_PADDING:
                    yield from held
                    held.clear()
        if self.duration is None or held:
            return
        excess = position - self._declared()
        if excess < -END_TOLERANCE * self.native_rate:
            self._flags.add('truncated')
        elif excess > END_TOLERANCE * self.native_rate:
            self._flags.add('longer_than_declared')

    def _declared(self) -> float:
        return math.inf if self.duration is None else max(round(self.duration * self.native_rate), 0)

    def _decoded(self, container: InputContainer, stream: AudioStream) -> Iterator[np.ndarray]:
        """Blocks ``(C, n)`` that follow one another from zero of the clock, at the rate of the file."""
        path, flags = self.path, self._flags
        position = 0
        rate = channels = None
        zero = start_time(container)
        for frame in container.decode(stream):
            if rate is None:
                rate, channels = frame.sample_rate, frame.layout.nb_channels
                self.native_rate = rate
            if (frame.sample_rate, frame.layout.nb_channels) != (rate, channels):
                found = f'{frame.layout.nb_channels} channels at {frame.sample_rate} Hz'
                raise MediaError(f'{path}: its sound changes to {found}; expected {channels} at {rate} Hz throughout')
            block = _as_float(frame, path)
            if not np.isfinite(block).all():
                flags.add('non_finite')
                block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
            if self.mono:
                block = block.mean(axis=0, keepdims=True, dtype=np.float32)

            time = position / rate if frame.time is None else frame.time - zero
            step = round(time * rate) - position
            if self.start is None:
                self.start = time
            elif abs(step) <= GAP_TOLERANCE * rate:
                step = 0
            else:
                flags.add('gaps' if step > 0 else 'overlaps')
            if step > MAX_GAP * rate:
                raise MediaError(f'{path}: its sound jumps by {step / rate:.6g} s; expected less than {MAX_GAP:.0f} s')
            for begin in range(0, step, MAX_PADDING):
                silence = np.zeros((len(block), min(MAX_PADDING, step - begin)), np.float32)
                yield silence
                position += silence.shape[1]
            if step < 0:
                block = block[:, -step:]
            if block.shape[1]:
                yield block
                position += block.shape[1]
        if rate is None:
            raise EmptySoundError(f'{path}: no sound can be decoded from its sound stream; expected some')


def _gathered(blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Larger blocks, joined from small ones; where they begin does not matter to what is made of them."""
    parts: list[np.ndarray] = []
    size = 0
    for block in blocks:
        parts.append(block)
        size += block.shape[1]
        if size >= BLOCK_SAMPLES:
            yield np.concatenate(parts, axis=1)
            parts, size = [], 0
    if size:
        yield np.concatenate(parts, axis=1)


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
    """Concatenate along time, letting go of each block once it is copied."""
    joined = np.empty((*blocks[0].shape[:-1], sum(block.shape[-1] for block in blocks)), np.float32)
    end = joined.shape[-1]
    while blocks:
        block = blocks.pop()
        joined[..., end - block.shape[-1] : end] = block
        end -= block.shape[-1]
    return joined
