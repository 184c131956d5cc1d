"""Log-mel spectrograms of the two published audio front ends, and where the patch of a frame lies in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..errors import ConfigError

if TYPE_CHECKING:
    import torch

Align = Literal['centre', 'ahead', 'causal']

# Rows that are computed at once.
ROWS = 64


@dataclass(frozen=True)
class FrontEnd:
    """Settings of a log-mel spectrogram.

    Attributes:
        name: short name, stored in a prepared corpus.
        sample_rate: Hz.
        n_fft: length of the discrete Fourier transform, samples.
        window: length of the periodic Hann window, seconds.
        hop: distance of two rows, seconds.
        n_mels: number of mel bands (HTK scale).
        f_min: lower edge of the lowest band, Hz.
        f_max: upper edge of the highest band, Hz.
        power: 1 for magnitude, 2 for power.
        decibel: ``True`` for ``10 log10(max(x, 1e-10))``, ``False`` for ``log(x + 0.01)``.
        centred: ``True`` if row ``j`` is centred at ``j * hop`` seconds, ``False`` if its window begins there.
        patch_rows: rows of the patch that a frame is given.
        slopes: whether the triangles of the mel bands are linear in ``'hz'`` (torchaudio) or ``'mel'`` (VGGish).
    """

    name: str
    sample_rate: int
    n_fft: int
    window: float
    hop: float
    n_mels: int
    f_min: float
    f_max: float
    power: float
    decibel: bool
    centred: bool
    patch_rows: int
    slopes: Literal['hz', 'mel'] = 'hz'

    @property
    def first_row(self) -> float:
        """Time of the centre of row 0, seconds."""
        return 0.0 if self.centred else self.window / 2


FRONT_ENDS = {
    # The paper, section 2.2; mel range, dB floor and Hann window are torchaudio's defaults, on which it is silent.
    'paper': FrontEnd('paper', 44100, 1024, 0.020, 0.010, 64, 0.0, 22050.0, 2.0, True, True, 107),
    # VGGish's own (torchvggish, Apache-2.0), used by the released GRJCA code.
    'vggish': FrontEnd('vggish', 16000, 512, 0.025, 0.010, 64, 125.0, 7500.0, 1.0, False, False, 96, 'mel'),
}


def get_front_end(name: str) -> FrontEnd:
    """Return a front end by name.

    Raises:
        ConfigError: if there is none of that name.

    Examples:
        >>> get_front_end('vggish').patch_rows
        96
    """
    if name not in FRONT_ENDS:
        raise ConfigError(f'audio front end {name!r} does not exist; there are {", ".join(FRONT_ENDS)}')
    return FRONT_ENDS[name]


def log_mel(samples: np.ndarray, front_end: FrontEnd, *, chunk: float = 60.0) -> np.ndarray:
    """Log-mel spectrogram of a whole recording.

    It is computed piece by piece, so that an hour needs little more memory than its result.

    Args:
        samples: ``(N,)`` float32 in [-1, 1] at ``front_end.sample_rate``; sample 0 is at 0 s.
        front_end: the settings.
        chunk: seconds that are taken at once; the result does not depend on it.

    Returns:
        ``(T_mel, n_mels)`` float16, ``T_mel = ceil(N / hop)`` rows (at least 1); beyond the recording is silence.
    """
    stream = LogMelStream(front_end)
    step = max(1, round(chunk * front_end.sample_rate))
    parts = [stream.push(samples[start : start + step]) for start in range(0, len(samples), step)]
    return np.concatenate([*parts, stream.flush()])


class LogMelStream:
    """``log_mel`` of a sound that comes piece by piece, bit for bit the same whatever the pieces.

    Args:
        front_end: the settings.

    Attributes:
        rows: number of rows given so far.
    """

    def __init__(self, front_end: FrontEnd) -> None:
        self.front_end = front_end
        self._hop = round(front_end.hop * front_end.sample_rate)
        self._window = round(front_end.window * front_end.sample_rate)
        phase = 2 * np.pi * np.arange(self._window) / self._window
        self._hann = (0.5 - 0.5 * np.cos(phase)).astype(np.float32)
        # Each band weighs a few neighbouring bins of the spectrum: these, band by band.
        bank = mel_bank(front_end).numpy()
        bins = [np.flatnonzero(band) if band.any() else np.zeros(1, np.int64) for band in bank.T]
        self._bins = np.concatenate(bins)
        self._weights = np.concatenate([band[places] for band, places in zip(bank.T, bins, strict=True)])
        self._bands = np.cumsum([0, *map(len, bins[:-1])])
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.rows = 0
        self._received = 0
        # The sound from the beginning of the window of the next row on.
        self._buffer = np.zeros(self._window // 2 if self.front_end.centred else 0, np.float32)

    def samples_needed(self, row: int) -> int:
        """Number of samples, from 0 s on, that settle a row and all before it.

        Examples:
            >>> LogMelStream(get_front_end('vggish')).samples_needed(0)
            400
        """
        return row * self._hop + self._window - (self._window // 2 if self.front_end.centred else 0)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take the next samples ``(n,)``, float32; return ``(r, n_mels)``, float16: the rows that they complete."""
        samples = np.asarray(samples, dtype=np.float32)
        self._buffer = np.concatenate((self._buffer, samples))
        self._received += len(samples)
        return self._next_rows(max((len(self._buffer) - self._window) // self._hop + 1, 0))

    def flush(self) -> np.ndarray:
        """End the sound: return ``(r, n_mels)``, float16: the rows that reach beyond it; and begin anew."""
        count = max(1, -(-self._received // self._hop)) - self.rows
        self._buffer = np.concatenate((self._buffer, np.zeros(self._window + count * self._hop, np.float32)))
        rest = self._next_rows(count)
        self._begin_anew()
        return rest

    def _next_rows(self, count: int) -> np.ndarray:
        rows = np.empty((count, self.front_end.n_mels), np.float16)
        for start in range(0, count, ROWS):
            stop = min(start + ROWS, count)
            sound = self._buffer[start * self._hop : (stop - 1) * self._hop + self._window]
            rows[start:stop] = self._levels(sliding_window_view(sound, self._window)[:: self._hop])
        self._buffer = self._buffer[count * self._hop :].copy()
        self.rows += count
        return rows

    def _levels(self, windows: np.ndarray) -> np.ndarray:
        """Every row by itself, in one thread: the same bits in any company, and no waiting for busy cores."""
        padded = np.zeros((len(windows), self.front_end.n_fft), np.float32)
        np.multiply(windows, self._hann, out=padded[:, : self._window])
        spectrum = np.fft.rfft(padded)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32, copy=False)
        strength = power if self.front_end.power == 2 else power ** (self.front_end.power / 2)
        mel = np.add.reduceat(strength[:, self._bins] * self._weights, self._bands, axis=1).astype(np.float64)
        return 10 * np.log10(np.maximum(mel, 1e-10)) if self.front_end.decibel else np.log(mel + 0.01)


def mel_bank(front_end: FrontEnd) -> torch.Tensor:
    """Triangular mel bands on the HTK scale, each with a peak of 1.

    Returns:
        ``(n_fft // 2 + 1, n_mels)`` float32: the weight of every frequency in every band.
    """
    import torch

    bins, bands, rate = front_end.n_fft // 2 + 1, front_end.n_mels, front_end.sample_rate
    if front_end.slopes == 'hz':
        from torchaudio.functional import melscale_fbanks

        return melscale_fbanks(bins, front_end.f_min, front_end.f_max, bands, rate)
    from torchaudio.compliance.kaldi import get_mel_banks

    bank, _ = get_mel_banks(bands, front_end.n_fft, rate, front_end.f_min, front_end.f_max, 0.0, 0.0, 1.0)
    # Kaldi leaves the Nyquist frequency out.
    return torch.nn.functional.pad(bank, (0, 1)).T.contiguous()


def patch_starts(
    timestamps: np.ndarray, front_end: FrontEnd, align: Align = 'centre', patch_rows: int | None = None
) -> np.ndarray:
    """First row of the patch of every frame; may be negative or end beyond the spectrogram.

    Args:
        timestamps: ``(L,)`` presentation times, seconds.
        front_end: hop and length of a patch.
        align: ``'centre'``: the patch is centred on the frame; ``'ahead'``: it begins at the frame's time (the
            released GRJCA code); ``'causal'``: it ends there.
        patch_rows: rows of a patch; by default those of the front end.

    Returns:
        ``(L,)`` int64.

    Raises:
        ConfigError: if ``align`` is none of the three.

    Examples:
        >>> patch_starts(np.array([0.0, 1.0]), get_front_end('vggish'), 'ahead')
        array([  0, 100])
    """
    rows = front_end.patch_rows if patch_rows is None else patch_rows
    if align == 'centre':
        first = (timestamps - front_end.first_row) / front_end.hop - (rows - 1) / 2
    elif align == 'ahead':
        first = timestamps / front_end.hop
    elif align == 'causal':
        first = (timestamps - front_end.first_row) / front_end.hop - (rows - 1)
    else:
        raise ConfigError(f"align={align!r}; expected 'centre', 'ahead' or 'causal'")
    # Times such as 0.58 / 0.01 = 57.99999... must not fall to the row before.
    return np.rint(np.round(first, 6)).astype(np.int64)
