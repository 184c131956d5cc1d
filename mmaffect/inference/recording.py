"""What a trace can be made of: video and sound files, arrays and trials of a corpus."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from ..datasets.corpus import Corpus, Trial
from ..errors import MediaError
from ..media import MediaInfo, VideoReader, probe
from ..media.resampling import Resampler
from ..media.sound import EmptySoundError, open_sound

# Frames a second of what has no picture.
NOMINAL_FPS = 25.0
COUNTING_RATE = 8000
MAX_NAME = 200
MAX_CHANNELS = 64


class Recording(ABC):
    """Picture and sound on one clock; both can be read any number of times, in order.

    Attributes:
        name: of the trial, and of its files.
        path: its media file; ``None`` where there is none.
    """

    def __init__(self, name: str, path: Path | None = None) -> None:
        self.name = name
        self.path = path

    @property
    @abstractmethod
    def times(self) -> np.ndarray:
        """``(T,)`` float64, seconds, of the frames; without a picture, 25 a second."""

    @property
    def frames_declared(self) -> int | None:
        """Frames that the file says it has."""
        return None

    @property
    def flags(self) -> tuple[str, ...]:
        """What is odd about it; of its sound, once that was read."""
        return ()

    @property
    @abstractmethod
    def has_picture(self) -> bool:
        """Whether it has a picture."""

    @property
    @abstractmethod
    def has_sound(self) -> bool:
        """Whether it has a sound track."""

    @property
    @abstractmethod
    def height(self) -> int:
        """Of a frame, pixels; 0 without a picture."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Of a frame, pixels; 0 without a picture."""

    @property
    def source(self) -> str:
        """Where it comes from, for people."""
        return self.name if self.path is None else str(self.path)

    @abstractmethod
    def frames(self) -> Iterator[np.ndarray]:
        """Yield the frames, uint8 ``(H, W, 3)``, RGB.

        Raises:
            MediaError: if one cannot be decoded.
        """

    @abstractmethod
    def sound_blocks(self, rate: int) -> Iterator[np.ndarray] | None:
        """Yield the sound at ``rate`` Hz, float32 ``(n,)``, mono, from 0 s on; ``None`` without sound.

        Raises:
            MediaError: if it cannot be decoded.
        """


class FileRecording(Recording):
    """A video or sound file, which is opened when it is first asked for something.

    Args:
        path: the file.
        name: of the trial; by default the file's, without its suffix.
        source: where it comes from, for people; by default its path.
    """

    def __init__(self, path: str | Path, name: str | None = None, source: str | None = None) -> None:
        super().__init__(safe_name(Path(path).stem) if name is None else name, Path(path))
        self._source = source
        self._sound_flags: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        return str(self.path) if self._source is None else self._source

    @cached_property
    def _info(self) -> MediaInfo:
        return probe(self.path)

    @cached_property
    def _reader(self) -> VideoReader | None:
        return VideoReader(self.path, 'pyav') if self._info.has_video else None

    @cached_property
    def times(self) -> np.ndarray:
        if self._reader is not None:
            return self._reader.timestamps.seconds
        # What a container says of its length is not always so.
        samples = sum(len(block) for block in self.sound_blocks(COUNTING_RATE))
        return _ticks(samples / COUNTING_RATE)

    @property
    def frames_declared(self) -> int | None:
        return None if self._reader is None else self._reader.timestamps.frames_declared

    @property
    def flags(self) -> tuple[str, ...]:
        flags = [] if self._reader is None else list(self._reader.flags)
        streams = {'several_pictures': self._info.video_streams, 'several_sounds': self._info.audio_streams}
        return (*flags, *(flag for flag, count in streams.items() if count > 1), *self._sound_flags)

    @property
    def has_picture(self) -> bool:
        return self._reader is not None

    @cached_property
    def has_sound(self) -> bool:
        if not self._info.has_audio:
            return False
        try:
            next(open_sound(self.path, COUNTING_RATE).blocks())
        except EmptySoundError:
            if not self.has_picture:
                raise
            self._sound_flags = ('sound_empty',)
            return False
        return True

    @property
    def height(self) -> int:
        return 0 if self._reader is None else self._reader.info.height

    @property
    def width(self) -> int:
        return 0 if self._reader is None else self._reader.info.width

    def frames(self) -> Iterator[np.ndarray]:
        return iter(()) if self._reader is None else (frame for _, frame in self._reader)

    def sound_blocks(self, rate: int) -> Iterator[np.ndarray] | None:
        return self._sound(rate) if self.has_sound else None

    def _sound(self, rate: int) -> Iterator[np.ndarray]:
        reader = open_sound(self.path, rate)
        yield from reader.blocks()
        self._sound_flags = tuple(f'sound_{flag}' for flag in reader.flags)


class ArrayRecording(Recording):
    """Picture and sound in memory.

    Args:
        frames: ``(T, H, W, 3)`` uint8, RGB, or a sequence of such frames; ``None`` without a picture.
        times: ``(T,)`` of the frames, seconds, ascending; by default ``fps`` a second from 0 on.
        fps: frames a second, where no times are given.
        sound: ``(N,)`` or ``(N, channels)`` float in [-1, 1], or int16, from 0 s on; ``None`` without sound.
        sample_rate: of the sound, Hz.
        name: of the trial.

    Raises:
        MediaError: if an array has another shape or type, or there is neither picture nor sound.
    """

    def __init__(
        self,
        frames: np.ndarray | Sequence[np.ndarray] | None = None,
        times: np.ndarray | None = None,
        fps: float = NOMINAL_FPS,
        sound: np.ndarray | None = None,
        sample_rate: int = 16000,
        name: str = 'recording',
    ) -> None:
        super().__init__(safe_name(name))
        self._frames = [] if frames is None else frames
        if not isinstance(self._frames, Sequence | np.ndarray):
            raise MediaError(f'{name}: frames are a {type(frames).__name__}; expected an array or a list of frames')
        for number, frame in enumerate(self._frames[:1] if isinstance(self._frames, np.ndarray) else self._frames):
            kind, shape = getattr(frame, 'dtype', type(frame).__name__), getattr(frame, 'shape', '')
            if kind != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
                raise MediaError(f'{name}: frame {number} is {kind} {shape}; expected uint8 (H, W, 3)')
        if not 1000 <= sample_rate <= 384_000:
            raise MediaError(f'{name}: sample_rate={sample_rate}; expected 1000 to 384000 Hz')
        self._sound_flags = _non_finite(sound)
        self._sound = None if sound is None else mono(np.asarray(sound), name)
        self._rate = sample_rate
        count = len(self._frames)
        if count == 0 and (self._sound is None or len(self._sound) == 0):
            raise MediaError(f'{name}: neither a frame nor a sample of sound; expected some')
        if times is None:
            if not 0 < fps < np.inf:
                raise MediaError(f'{name}: fps={fps}; expected a positive number')
            times = np.arange(count) / fps if count else _ticks(len(self._sound) / sample_rate)
        self._times = np.asarray(times, np.float64)
        if self._times.ndim != 1 or (count and len(self._times) != count):
            raise MediaError(f'{name}: times {self._times.shape}; expected one for each of {count} frames')
        if not np.isfinite(self._times).all() or (np.diff(self._times) < 0).any():
            raise MediaError(f'{name}: times are not ascending seconds')

    @property
    def times(self) -> np.ndarray:
        return self._times

    @property
    def flags(self) -> tuple[str, ...]:
        return self._sound_flags

    @property
    def has_picture(self) -> bool:
        return len(self._frames) > 0

    @property
    def has_sound(self) -> bool:
        return self._sound is not None and len(self._sound) > 0

    @property
    def height(self) -> int:
        return self._frames[0].shape[0] if self.has_picture else 0

    @property
    def width(self) -> int:
        return self._frames[0].shape[1] if self.has_picture else 0

    def frames(self) -> Iterator[np.ndarray]:
        return iter(self._frames)

    def sound_blocks(self, rate: int) -> Iterator[np.ndarray] | None:
        return _resampled(self._sound, self._rate, rate) if self.has_sound else None


class CorpusTrial(Recording):
    """A trial of a prepared corpus: its faces, sound and annotations as they are stored; nothing is detected.

    Args:
        corpus: the corpus, or its folder.
        trial: name of the trial.

    Raises:
        CorpusError: if there is no such corpus or trial.
    """

    def __init__(self, corpus: Corpus | str | Path, trial: str) -> None:
        super().__init__(trial)
        self.corpus = corpus if isinstance(corpus, Corpus) else Corpus(corpus)
        self.trial: Trial = self.corpus[trial]

    @property
    def times(self) -> np.ndarray:
        return np.asarray(self.trial.timestamps)

    @property
    def has_picture(self) -> bool:
        return True

    @property
    def has_sound(self) -> bool:
        return self.trial.info.has_audio

    @property
    def height(self) -> int:
        return self.corpus.face_size

    @property
    def width(self) -> int:
        return self.corpus.face_size

    @property
    def source(self) -> str:
        return f'{self.corpus.root}: {self.name}'

    def frames(self) -> Iterator[np.ndarray]:
        return iter(self.trial.faces)

    def sound_blocks(self, rate: int) -> Iterator[np.ndarray] | None:
        if len(self.trial.waveform) == 0:
            return None
        return _resampled(self.trial.waveform.astype(np.float32) / 32768, self.corpus.waveform_rate, rate)


def safe_name(name: str) -> str:
    """A name that can name a file inside a folder and nothing outside it.

    Examples:
        >>> safe_name('../a: clip'), safe_name('')
        ('_._a_ clip', 'recording')
    """
    safe = ''.join('_' if c in '/\\:' or ord(c) < 32 or '\ud800' <= c <= '\udfff' else c for c in name)
    # File systems take 255 bytes, with what is put before and behind.
    safe = safe.encode()[:MAX_NAME].decode(errors='ignore')
    safe = f'_{safe[1:]}' if safe.startswith('.') else safe
    return safe or 'recording'


def _ticks(seconds: float) -> np.ndarray:
    return np.arange(max(1, int(np.ceil(round(seconds * NOMINAL_FPS, 6))))) / NOMINAL_FPS


def mono(sound: np.ndarray, name: str) -> np.ndarray:
    wrong = sound.ndim not in (1, 2) or (sound.ndim == 2 and not 1 <= sound.shape[1] <= MAX_CHANNELS)
    if wrong or not (sound.dtype.kind == 'f' or sound.dtype == np.int16):
        raise MediaError(f'{name}: sound is {sound.dtype} {sound.shape}; expected float or int16 (N,) or (N, channels)')
    samples = sound.astype(np.float32) / (32768 if sound.dtype == np.int16 else 1)
    return np.nan_to_num(samples if samples.ndim == 1 else samples.mean(axis=1), posinf=0.0, neginf=0.0)


def _non_finite(sound: np.ndarray | None) -> tuple[str, ...]:
    sound = np.zeros(0) if sound is None else np.asarray(sound)
    return () if sound.dtype.kind != 'f' or np.isfinite(sound).all() else ('sound_non_finite',)


def _resampled(samples: np.ndarray, native_rate: int, rate: int) -> Iterator[np.ndarray]:
    resampler = Resampler(native_rate, rate)
    yield resampler.push(samples)
    yield resampler.flush()
