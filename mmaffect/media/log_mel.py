"""Log-mel spectrograms of the two published audio front ends, and where the patch of a frame lies in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..errors import ConfigError

if TYPE_CHECKING:
    import torch

Align = Literal['centre', 'ahead', 'causal']


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
        chunk: seconds that are transformed at once.

    Returns:
        ``(T_mel, n_mels)`` float16, ``T_mel = ceil(N / hop)`` rows (at least 1); beyond the recording is silence.
    """
    import torch

    hop = round(front_end.hop * front_end.sample_rate)
    window = round(front_end.window * front_end.sample_rate)
    rows = max(1, -(-len(samples) // hop))
    # torch.stft centres the window in n_fft samples; the lead puts that centre on the row's own time.
    lead = front_end.n_fft // 2 - (0 if front_end.centred else window // 2)
    span = (rows - 1) * hop + front_end.n_fft
    padded = torch.zeros(span)
    part = torch.from_numpy(np.ascontiguousarray(samples[: span - lead], dtype=np.float32))
    padded[lead : lead + len(part)] = part

    hann = torch.hann_window(window)
    bank = mel_bank(front_end)
    out = np.empty((rows, front_end.n_mels), np.float16)
    step = max(1, round(chunk / front_end.hop))
    for start in range(0, rows, step):
        stop = min(rows, start + step)
        piece = padded[start * hop : (stop - 1) * hop + front_end.n_fft]
        spectrum = torch.stft(piece, front_end.n_fft, hop, window, hann, center=False, return_complex=True).abs()
        mel = spectrum.pow(front_end.power).T @ bank
        level = 10 * mel.clamp(min=1e-10).log10() if front_end.decibel else (mel + 0.01).log()
        out[start:stop] = level.numpy()
    return out


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
