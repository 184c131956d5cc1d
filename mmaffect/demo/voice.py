"""A synthesised voice: harmonics through formants, with pitch, range, rate, level and brightness led by arousal."""

from dataclasses import asdict, dataclass

import numpy as np

from .affect import FPS, smooth_noise

SAMPLE_RATE = 44100
# Centre frequencies in Hz of the first four formants of five vowels: a, e, i, o, u.
_VOWELS = np.array(
    [
        [730, 1090, 2440, 3400],
        [530, 1840, 2480, 3500],
        [270, 2290, 3010, 3600],
        [570, 840, 2410, 3300],
        [300, 870, 2240, 3300],
    ]
)
_BANDWIDTHS = np.array([80, 100, 140, 200])
# Frequency factors of the formants at valence -1 and 1: lips that smile shorten the vocal tract.
_LIPS = (0.94, 1.07)


@dataclass(frozen=True)
class Voice:
    """What makes one voice differ from another.

    Args:
        pitch: Hz, at arousal 0.
        formants: factor of the formants' frequencies.
        breath: share of noise in the source, in [0, 1].
        level: dB that the microphone adds.
        rate: factor of the syllables per second.
    """

    pitch: float
    formants: float
    breath: float
    level: float
    rate: float

    def as_dict(self) -> dict:
        """All values as JSON can hold them."""
        return asdict(self)


@dataclass(frozen=True)
class Speech:
    """Sound and what a lip reader sees of it.

    Args:
        sound: float32 (N,) in [-1, 1] at `SAMPLE_RATE`.
        opening: float64 (T,) in [0, 1], how far the voice opens the mouth at every video frame.
    """

    sound: np.ndarray
    opening: np.ndarray


def draw_voice(rng: np.random.Generator) -> Voice:
    """A random voice.

    Args:
        rng: its state decides everything.
    """
    high = rng.random() < 0.5
    pitch = rng.uniform(165, 220) if high else rng.uniform(95, 135)
    formants = rng.uniform(1.02, 1.15) if high else rng.uniform(0.9, 1.0)
    return Voice(
        pitch=round(float(pitch), 2),
        formants=round(float(formants), 4),
        breath=round(float(rng.uniform(0.02, 0.1)), 4),
        level=round(float(rng.uniform(-2.5, 2.5)), 2),
        rate=round(float(rng.uniform(0.9, 1.1)), 4),
    )


def speak(rng: np.random.Generator, voice: Voice, affect: np.ndarray) -> Speech:
    """Speech-like sound with pauses that carries arousal well and valence weakly.

    Args:
        rng: its state decides everything else.
        voice: who speaks.
        affect: (T, 2), valence and arousal in [-1, 1] at `FPS`.
    """
    num_samples = len(affect) * SAMPLE_RATE // FPS
    valence, arousal = (_to_samples(column, num_samples) for column in affect.T)
    syllables = _syllables(rng, voice, affect)
    source = _source(rng, voice, arousal, valence, syllables)
    sound = _resonate(voice, source, valence, syllables)
    level = 10 ** ((-26 + voice.level + 7 * arousal) / 20)
    envelope = _to_samples(syllables['envelope'], num_samples)
    hiss = rng.standard_normal(num_samples) * 10 ** (-62 / 20)
    sound = np.tanh(sound * level * envelope + hiss).astype(np.float32)
    frames = np.clip(np.arange(len(affect)) * _CONTROL // FPS, 0, len(syllables['envelope']) - 1)
    return Speech(sound, syllables['envelope'][frames].clip(0, 1))


# Syllables, vowels and intonation are laid out at this rate in Hz, then brought to the sample rate.
_CONTROL = 200


def _to_samples(values: np.ndarray, num_samples: int) -> np.ndarray:
    return np.interp(np.linspace(0, len(values) - 1, num_samples), np.arange(len(values)), values)


def _syllables(rng: np.random.Generator, voice: Voice, affect: np.ndarray) -> dict[str, np.ndarray]:
    """Envelope (K,), vowel weights (K, 5) and melody (K,), the place in [-1, 1] in a phrase, at `_CONTROL` Hz."""
    length = len(affect) * _CONTROL // FPS
    envelope, vowels, melody = np.zeros(length), np.zeros((length, len(_VOWELS))), np.zeros(length)
    start = int(rng.uniform(0, 0.4) * _CONTROL)
    vowels[:, 0] = 1e-3
    while start < length:
        arousal = affect[start * FPS // _CONTROL, 1]
        end = min(length, start + int(rng.uniform(1.2, 3.0) * _CONTROL))
        melody[start:end] = np.linspace(-1, 1, end - start)
        position = start
        while position < end:
            arousal = affect[position * FPS // _CONTROL, 1]
            size = int(_CONTROL / (voice.rate * (4.2 + 1.6 * arousal) * rng.uniform(0.8, 1.25)))
            stop = min(position + size, length)
            bump = np.sin(np.linspace(0, np.pi, size)) ** 0.7 * rng.uniform(0.75, 1.0)
            envelope[position:stop] = bump[: stop - position]
            vowels[position:stop] = np.eye(len(_VOWELS))[rng.integers(len(_VOWELS))]
            position = stop
        start = end + int(rng.uniform(0.25, 0.9) * (1 - 0.4 * arousal) * _CONTROL)
        envelope[end:start] = 0
    smoothing = np.hanning(9) / np.hanning(9).sum()
    vowels = np.stack([np.convolve(column, smoothing, mode='same') for column in vowels.T], axis=1)
    return {'envelope': envelope, 'vowels': vowels, 'melody': melody}


def _source(
    rng: np.random.Generator, voice: Voice, arousal: np.ndarray, valence: np.ndarray, syllables: dict[str, np.ndarray]
) -> np.ndarray:
    """Glottal pulses (N,) plus breath: pitch up to 8 semitones about the speaker's, brighter with arousal."""
    from scipy.signal import lfilter

    num_samples = len(arousal)
    wander = _to_samples(smooth_noise(rng, len(syllables['envelope']) * FPS // _CONTROL, 2.0), num_samples)
    melody = _to_samples(syllables['melody'], num_samples)
    semitones = 5.0 * arousal + (1.0 + 0.7 * arousal) * wander + 1.5 * (valence - 0.4) * melody
    phase = np.cumsum(voice.pitch * 2 ** (semitones / 12) / SAMPLE_RATE) % 1.0
    # Open for 60 % of a period, closed fast: the spectrum falls by about 12 dB an octave.
    pulse = np.where(phase < 0.4, 0.5 - 0.5 * np.cos(np.pi * phase / 0.4), np.cos(np.pi / 2 * (phase - 0.4) / 0.2))
    pulse = np.where(phase < 0.6, pulse, 0.0)
    plain = np.diff(pulse, prepend=0.0)
    # A calm voice has little above 600 Hz; an effort of the voice lifts what is above 2 kHz.
    soft, sharp = lfilter([0.08], [1, -0.92], plain), lfilter([1, -0.9], [1], plain)
    soft, sharp = soft / np.sqrt(np.mean(soft**2)), sharp / np.sqrt(np.mean(sharp**2))
    effort = np.clip(0.5 + 0.45 * arousal, 0, 1)
    return effort * sharp + (1 - effort) * soft + voice.breath * (0.3 + effort) * rng.standard_normal(num_samples)


def _resonate(voice: Voice, source: np.ndarray, valence: np.ndarray, syllables: dict[str, np.ndarray]) -> np.ndarray:
    """Source (N,) through every vowel's formants with lips drawn down and up, faded into each other."""
    from scipy.signal import sosfilt

    smile = (valence + 1) / 2
    sound = np.zeros_like(source)
    for vowel, formants in enumerate(_VOWELS):
        weight = _to_samples(syllables['vowels'][:, vowel], len(source))
        for lips, share in zip(_LIPS, (1 - smile, smile), strict=True):
            voiced = sosfilt(_formant_sections(formants * voice.formants * lips), source)
            sound += weight * share * voiced / np.sqrt(np.mean(voiced**2))
    return sound


def _formant_sections(frequencies: np.ndarray) -> np.ndarray:
    """Second-order resonators (4, 6) of unit gain at 0 Hz."""
    radius = np.exp(-np.pi * _BANDWIDTHS / SAMPLE_RATE)
    first, second = -2 * radius * np.cos(2 * np.pi * frequencies / SAMPLE_RATE), radius**2
    one, zero = np.ones(4), np.zeros(4)
    return np.stack([1 + first + second, zero, zero, one, first, second], axis=1)
