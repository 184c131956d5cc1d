"""Noise."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from ...errors import ConfigError
from ...media.log_mel import FrontEnd, LogMelStream
from ...registry import CORRUPTIONS
from ..corpus import Corpus, Trial
from .base import Corruption, Severity
from .noise import draw_noise
from .sound import mean_power, to_levels, to_squares
from .voices import other_voices

Noise = Literal['white', 'pink', 'babble']
VOICES = 6


@CORRUPTIONS.register_module()
class AudioNoise(Corruption):
    """Noise at a ratio of mean powers, sound to noise, where there is sound (not digital silence).

    ======== == == == = ==
    severity 1  2  3  4 5
    ======== == == == = ==
    snr, dB  20 10 5  0 -5
    ======== == == == = ==

    In a spectrogram the power is that in its bands, and the phase is gone: the powers of sound and noise (of a front
    end with magnitudes, their squares) are added and the cross term is left out, which is zero in the mean over rows.
    Against sound and noise mixed as waveforms, a synthetic voice comes out 0.1 to 0.2 dB too loud in the mean, and 1
    to 1.5 dB off in a single value (root mean square). A waveform in the corpus gets the noise of the same draws, at
    its own rate and with the same ratio.

    Args:
        severity: 1 to 5.
        seed: of the noise.
        snr: ratio, dB, from -60 to 60, instead of that of the severity.
        noise: ``'white'``, ``'pink'`` or ``'babble'``: voices of six trials of other people of the split.

    Raises:
        ConfigError: if an argument is out of range.
    """

    modality = 'audio'
    LEVELS = (20, 10, 5, 0, -5)

    def __init__(self, severity: Severity = 3, seed: int = 0, snr: float | None = None, noise: Noise = 'white') -> None:
        super().__init__(severity, seed)
        self.override('snr', snr, -60, 60)
        if noise not in get_args(Noise):
            raise ConfigError(f'AudioNoise: noise={noise!r}; expected one of {", ".join(get_args(Noise))}')
        self.noise = noise
        if noise != 'white':
            self._text += f', noise={noise!r}'

    def damage(self, trial: Trial, corpus: Corpus, rng: np.random.Generator) -> Trial:
        front_end = corpus.front_end
        if self.noise == 'babble':
            names = rng.permutation(other_voices(trial, corpus, 'AudioNoise'))[:VOICES]
            phases = rng.random(len(names))
            voices = [corpus[name] for name in names]
            squares = babble_squares([one.logmel for one in voices], phases, len(trial.logmel), front_end)
        else:
            squares = noise_squares(rng, self.noise, len(trial.logmel), front_end)
        logmel = self._mix_rows(trial.logmel, squares, front_end)
        if not len(trial.waveform):
            return replace(trial, logmel=logmel)
        if self.noise == 'babble':
            waveform = babble_wave([one.waveform for one in voices], phases, len(trial.waveform))
        else:
            again = self.rng(trial.info.name)
            waveform = np.concatenate(list(draw_noise(again, len(trial.waveform), corpus.waveform_rate, self.noise)))
        return replace(trial, logmel=logmel, waveform=self._mix_samples(trial.waveform, waveform))

    def _mix_rows(self, logmel: np.ndarray, noise: np.ndarray, front_end: FrontEnd) -> np.ndarray:
        sound = to_squares(logmel, front_end)
        power = mean_power(noise, front_end)
        if power:
            sound += noise * np.float32(mean_power(sound, front_end) / power / 10 ** (self.level / 10))
        return to_levels(sound, front_end)

    def _mix_samples(self, samples: np.ndarray, noise: np.ndarray) -> np.ndarray:
        power = _sample_power(noise)
        if not power:
            return np.array(samples)
        gain = np.sqrt(_sample_power(samples) / power / 10 ** (self.level / 10))
        return np.clip(np.rint(samples + np.float32(gain) * noise), -32768, 32767).astype(np.int16)


def noise_squares(rng: np.random.Generator, colour: str, rows: int, front_end: FrontEnd) -> np.ndarray:
    """Squares, as of :func:`to_squares`, of drawn noise: ``(rows, n_mels)`` float32."""
    stream = LogMelStream(front_end)
    samples = rows * round(front_end.hop * front_end.sample_rate)
    pieces = draw_noise(rng, samples, front_end.sample_rate, colour)
    parts = [to_squares(stream.push(piece), front_end) for piece in pieces]
    return np.concatenate([*parts, to_squares(stream.flush(), front_end)])


def babble_squares(voices: Sequence[np.ndarray], phases: Sequence[float], rows: int, front_end: FrontEnd) -> np.ndarray:
    """Squares of voices that speak at once, equally loud, each from its own place on and then over again.

    Args:
        voices: ``(R, n_mels)`` each.
        phases: where each begins, as a share of its length, in [0, 1).
        rows: of the result.
        front_end: of the spectrograms.
    """
    total = np.zeros((rows, front_end.n_mels), np.float32)
    for voice, phase in zip(voices, phases, strict=True):
        squares = to_squares(voice, front_end)
        if power := mean_power(squares, front_end):
            total += squares[(int(phase * len(voice)) + np.arange(rows)) % len(voice)] / np.float32(power)
    return total


def babble_wave(voices: Sequence[np.ndarray], phases: Sequence[float], samples: int) -> np.ndarray:
    """The same of waveforms ``(N,)`` int16: ``(samples,)`` float32 of any strength."""
    total = np.zeros(samples, np.float32)
    for voice, phase in zip(voices, phases, strict=True):
        if power := _sample_power(voice):
            total += voice[(int(phase * len(voice)) + np.arange(samples)) % len(voice)] / np.float32(np.sqrt(power))
    return total


def _sample_power(samples: np.ndarray) -> float:
    """Mean square of the samples that are not 0."""
    sounding = np.count_nonzero(samples)
    return float(np.sum(np.square(samples, dtype=np.float64))) / sounding if sounding else 0.0
