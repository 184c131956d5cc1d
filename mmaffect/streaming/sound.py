"""Sound that arrives block by block, as the frames of a stream need it."""

from __future__ import annotations

import math
import numbers

import numpy as np

from ..errors import ConfigError, MediaError
from ..inference.recording import mono
from ..media.log_mel import Align, FrontEnd, LogMelStream, patch_starts
from ..media.resampling import Resampler

# As of sound in files: times of blocks are rounded, and only larger steps are gaps.
GAP_TOLERANCE = 0.05
MAX_GAP = 3600.0
ZEROS_AT_ONCE = 10.0
# Sound that is this far ahead of the pictures is let go, seconds.
MAX_AHEAD = 600.0


class SoundTimeline:
    """Puts blocks of sound one after the other on the clock of the frames, without gaps and overlaps.

    Args:
        sample_rate: Hz.

    Attributes:
        received: samples given so far.
        filled: of them, zeros in the place of sound that did not come, seconds.
        cut: sound that came too late or twice, seconds.
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.received = 0
        self.filled = self.cut = 0.0
        self._position = 0

    @property
    def end(self) -> float:
        """Time up to which there is sound, seconds."""
        return self.received / self.sample_rate

    def push(self, samples: np.ndarray, time: float | None = None) -> list[np.ndarray]:
        """Take a block.

        Args:
            samples: ``(n,)`` or ``(n, channels)``, floats in [-1, 1] or int16.
            time: of its first sample, seconds; by default it follows the block before.

        Returns:
            Blocks that follow those given before.

        Raises:
            MediaError: if it is no sound, or lies more than an hour after what came before; it is not taken then.
        """
        samples = np.asarray(samples)
        if samples.dtype.kind == 'f' and not np.isfinite(samples).all():
            raise MediaError('audio has NaN or infinite samples; expected numbers in [-1, 1]')
        samples = mono(samples, 'audio')
        begin = self._position
        if time is not None:
            if not np.isfinite(time):
                raise MediaError(f'audio_time={time}; expected seconds')
            step = round(time * self.sample_rate) - begin
            begin += step if abs(step) > GAP_TOLERANCE * self.sample_rate else 0
        blocks = self.fill(begin / self.sample_rate)
        self._position = begin + len(samples)
        late = min(max(self.received - begin, 0), len(samples))
        self.cut += late / self.sample_rate
        self.received += len(samples) - late
        return [*blocks, samples[late:]]

    def fill(self, time: float) -> list[np.ndarray]:
        """Silence up to ``time``, in blocks."""
        if time <= self.end:
            return []
        self.check_gap(time)
        missing = round(time * self.sample_rate) - self.received
        self.received += missing
        self.filled += missing / self.sample_rate
        most = round(ZEROS_AT_ONCE * self.sample_rate)
        zeros = np.zeros(min(most, missing), np.float32)
        return [zeros[: missing - start] for start in range(0, missing, most)]

    def check_gap(self, time: float, coming: int = 0) -> None:
        """Raise :class:`MediaError` if more than an hour of sound is missing up to ``time``, after ``coming`` more."""
        gap = time - self.end - coming / self.sample_rate
        if gap > MAX_GAP:
            raise MediaError(f'a jump of {gap:.6g} s after the sound before; expected less than {MAX_GAP:.0f} s')


class StreamRows:
    """The log-mel rows that frames to come still need.

    Args:
        front_end: of the rows.
        align: where the patch of a frame lies.
        patch_rows: rows of a patch.
        sample_rate: of the sound that comes, Hz.

    Attributes:
        first: number of the first row that is kept.
        rows: ``(r, n_mels)`` float16.
    """

    def __init__(self, front_end: FrontEnd, align: Align, patch_rows: int, sample_rate: int) -> None:
        self.front_end, self.align, self.patch_rows = front_end, align, patch_rows
        self.first = 0
        self.rows = np.empty((0, front_end.n_mels), np.float16)
        self._resampler = Resampler(sample_rate, front_end.sample_rate)
        self._log_mel = LogMelStream(front_end)
        self._heard = self._closed = False

    def push(self, samples: np.ndarray) -> None:
        """Take the next samples ``(n,)``."""
        self._heard |= len(samples) > 0
        self._append(self._log_mel.push(self._resampler.push(samples)))
        surplus = len(self.rows) - round(MAX_AHEAD / self.front_end.hop)
        if surplus > 0:
            self._drop(surplus)

    def close(self) -> None:
        """End the sound: the rest of its rows is there."""
        if not self._closed and self._heard:
            self._append(self._log_mel.push(self._resampler.flush()))
            self._append(self._log_mel.flush())
        self._closed = True

    def ready(self, time: float) -> bool:
        """Whether nothing to come changes the patch of a frame at ``time``."""
        last = self._start(time) + self.patch_rows
        return self._closed or self.first + len(self.rows) >= max(last, 1)

    def misses(self, time: float) -> bool:
        """Whether rows of a frame at ``time`` were let go, because its sound was that far ahead of it."""
        return self.first > max(self._start(time), 0)

    def forget(self, time: float) -> None:
        """Let go of the rows that no frame from ``time`` on needs; the last row stays, since it may be repeated."""
        self._drop(min(self._start(time) - self.first, len(self.rows) - 1))

    def _start(self, time: float) -> int:
        return int(patch_starts(np.array([time]), self.front_end, self.align, self.patch_rows)[0])

    def _append(self, rows: np.ndarray) -> None:
        if len(rows):
            self.rows = np.concatenate((self.rows, rows))

    def _drop(self, count: int) -> None:
        if count > 0:
            self.rows = self.rows[count:].copy()
            self.first += count


def patch_look_ahead(front_end: FrontEnd, align: Align, patch_rows: int) -> float:
    """How long after a frame the last sample of its patch sounds, at most, in seconds.

    Examples:
        >>> from mmaffect.media.log_mel import get_front_end
        >>> [round(patch_look_ahead(get_front_end('paper'), align, 107), 3) for align in ('causal', 'centre', 'ahead')]
        [0.015, 0.545, 1.075]
    """
    rows = {
        'causal': 0.0,
        'centre': (patch_rows - 1) / 2,
        'ahead': patch_rows - 1 + front_end.first_row / front_end.hop,
    }
    # Patches begin at whole rows.
    return (rows[align] + 0.5) * front_end.hop + front_end.window / 2


def resampling_look_ahead(native_rate: int, rate: int) -> float:
    """How long a :class:`Resampler` waits for the sound after a sample, at most, in seconds."""
    if native_rate == rate:
        return 0.0
    given = len(Resampler(native_rate, rate).push(np.zeros(native_rate, np.float32)))
    # It gives samples in whole periods of both rates.
    return 1 - given / rate + 1 / math.gcd(native_rate, rate)


def check_rate(sample_rate: int) -> int:
    """Raise :class:`ConfigError` unless it is a rate of sound."""
    if not isinstance(sample_rate, numbers.Integral) or not 1000 <= sample_rate <= 384_000:
        raise ConfigError(f'sample_rate={sample_rate}; expected a whole number of 1000 to 384000 Hz')
    return int(sample_rate)
