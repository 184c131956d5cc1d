"""The sound of a prepared trial: times of its rows, their power, and how silence looks."""

from functools import lru_cache

import numpy as np

from ...media.log_mel import FrontEnd, log_mel, mel_bank
from ..corpus import Trial


def sound_length(trial: Trial, front_end: FrontEnd) -> float:
    """Length of the sound of a trial, as far as a row is of it, seconds."""
    return front_end.first_row + len(trial.logmel) * front_end.hop


def row_times(rows: int, front_end: FrontEnd) -> np.ndarray:
    """``(rows,)`` float64: the centre of each row, seconds."""
    return front_end.first_row + front_end.hop * np.arange(rows)


@lru_cache
def silent_row(front_end: FrontEnd) -> np.ndarray:
    """``(n_mels,)`` float16: the row of digital silence."""
    return log_mel(np.zeros(1, np.float32), front_end)[0]


@lru_cache
def band_widths(front_end: FrontEnd) -> np.ndarray:
    """``(n_mels,)`` float32: sum of the weights of each band, at least one bin."""
    return np.maximum(mel_bank(front_end).numpy().sum(0), 1)


def to_squares(logmel: np.ndarray, front_end: FrontEnd) -> np.ndarray:
    """Power, or squared magnitude, of each band; 0 in digital silence.

    Args:
        logmel: ``(R, n_mels)``.
        front_end: of the spectrogram.

    Returns:
        ``(R, n_mels)`` float32.
    """
    levels = np.asarray(logmel, np.float32)
    if front_end.decibel:
        squares = 10 ** (levels / 10) if front_end.power == 2 else 10 ** (levels / 5)
    else:
        magnitude = np.maximum(np.exp(levels) - np.float32(0.01), 0)
        squares = magnitude if front_end.power == 2 else magnitude**2
    squares[levels <= silent_row(front_end)] = 0
    return squares


def to_levels(squares: np.ndarray, front_end: FrontEnd) -> np.ndarray:
    """Inverse of :func:`to_squares`; ``(R, n_mels)`` float16."""
    strength = squares if front_end.power == 2 else np.sqrt(squares)
    if front_end.decibel:
        return (10 * np.log10(np.maximum(strength, 1e-10))).astype(np.float16)
    return np.log(strength + np.float32(0.01)).astype(np.float16)


def mean_power(squares: np.ndarray, front_end: FrontEnd) -> float:
    """Mean power of the rows that hold sound; 0 without any.

    The triangles of a bank of powers add up to 1, so that its bands add up to the power of the sound. A band of
    magnitudes adds those of its bins before the square: for sound that fills it, its width times its power.
    """
    weights = np.ones(front_end.n_mels) if front_end.power == 2 else 1 / band_widths(front_end)
    power = squares @ weights.astype(np.float32)
    return float(power[power > 0].mean(dtype=np.float64)) if (power > 0).any() else 0.0
