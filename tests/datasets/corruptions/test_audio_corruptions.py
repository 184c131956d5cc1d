"""Sound that is damaged in its log-mel, against the log-mel of damaged waveforms."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import welch

from mmaffect.datasets import Corpus
from mmaffect.datasets.corruptions import AudioDropout, AudioNoise, AudioShift, VoiceSwap
from mmaffect.datasets.corruptions.noise import draw_noise
from mmaffect.errors import ConfigError, CorpusError
from mmaffect.media.log_mel import get_front_end, log_mel
from tests.datasets.corruptions.spoken_corpus import PAUSE, voice, write_spoken_corpus

FRONT_ENDS = ('paper', 'vggish')
FLOOR = dict(paper=-100.0, vggish=np.float16(np.log(0.01)))


@pytest.fixture(scope='module', params=FRONT_ENDS)
def corpus(request, tmp_path_factory):
    """With a waveform at the rate of the front end."""
    rate = get_front_end(request.param).sample_rate
    return Corpus(write_spoken_corpus(tmp_path_factory.mktemp('corpus'), request.param, rate))


def rows_apart(corpus, samples, reach=1.0):
    """Rows ``(R,)`` whose whole window is further than ``reach`` windows from the given samples of 0 or 1."""
    front_end = corpus.front_end
    hop, window = (round(x * front_end.sample_rate) for x in (front_end.hop, front_end.window))
    first = -(window // 2) if front_end.centred else 0
    edges = np.flatnonzero(np.diff(samples))
    starts = first + hop * np.arange(-(-len(samples) // hop))
    return ~((starts[:, None] <= edges + reach) & (edges <= starts[:, None] + window)).any(1)


def decibels(logmel, front_end):
    return logmel.astype(float) * (1 if front_end.decibel else 20 / np.log(10))


@pytest.mark.parametrize('snr', [15.0, 5.0, -5.0])
@pytest.mark.parametrize('colour', ['white', 'pink'])
def test_noise_is_that_of_a_mixed_waveform(corpus, colour, snr):
    """The noise of the stored waveform is mixed in it by the definition of the ratio; its log-mel is the witness.

    Without the cross term a value is off by 20 log10 |1 + exp(i x)| - 3 dB where sound and noise are equal and alone in
    a band: 5.6 dB root mean square over phases x. Less where they are not equal or many, as nearly everywhere: half of
    it is allowed. It has no sign, so the mean of a band over 20 s is exact to some tenths of a dB. Bands of magnitudes,
    and pink noise below 125 Hz, which VGGish does not hear, make its ratio uncertain by 2 dB.
    """
    front_end = corpus.front_end
    trial = corpus['a']
    damaged = AudioNoise(snr=snr, noise=colour).apply(trial, corpus)
    noise = damaged.waveform.astype(float) - trial.waveform
    sounding = trial.waveform != 0
    found = 10 * np.log10(np.square(trial.waveform[sounding], dtype=float).mean() / np.square(noise).mean())
    # Rounding to integers and clipping of a few samples.
    assert abs(found - snr) < 0.05
    sound = voice('a', front_end.sample_rate)
    assert len(sound) == len(noise)
    off = decibels(damaged.logmel, front_end) - decibels(
        log_mel((sound + noise / 32767).astype(np.float32), front_end), front_end
    )
    bias = 0.5 if front_end.name == 'paper' else 2.0
    assert abs(off.mean()) < bias
    assert off.std() < 2.8
    assert np.abs(off.mean(0) - off.mean()).max() < 0.8
    # Not because the noise is nothing.
    assert np.abs(decibels(damaged.logmel, front_end) - decibels(trial.logmel, front_end)).mean() > 4


def test_noise_gets_louder_and_fills_the_pauses(corpus):
    front_end = corpus.front_end
    inside = slice(*(round((PAUSE[k] + (0.1, -0.1)[k]) / front_end.hop) for k in range(2)))
    levels = []
    for snr in (20, 10, 0):
        rows = AudioNoise(snr=snr).apply(corpus['a'], corpus).logmel[inside]
        levels.append(decibels(rows, front_end))
    assert (corpus['a'].logmel[inside] == FLOOR[front_end.name]).all()
    # The same noise 10 dB louder; VGGish's offset of 0.01 weighs on the weakest.
    if front_end.name == 'paper':
        assert np.abs(np.diff(levels, axis=0) - 10).max() < 0.1
    assert (np.diff(levels, axis=0) > 0).all()


def test_noise_of_a_waveform_at_another_rate(tmp_path):
    corpus = Corpus(write_spoken_corpus(tmp_path, 'vggish', 8000))
    trial = corpus['b']
    damaged = AudioNoise(snr=6.0).apply(trial, corpus)
    noise = damaged.waveform.astype(float) - trial.waveform
    assert abs(10 * np.log10(np.square(trial.waveform, dtype=float).mean() / np.square(noise).mean()) - 6) < 0.05
    alone = AudioNoise(snr=6.0).apply(replace(trial, waveform=np.zeros(0, np.int16)), corpus)
    assert np.array_equal(alone.logmel, damaged.logmel)
    assert not len(alone.waveform)


@pytest.mark.parametrize(('colour', 'slope'), [('white', 0.0), ('pink', -1.0)])
def test_colour_of_noise(colour, slope):
    pieces = list(draw_noise(np.random.default_rng(1), 900_000, 44100, colour))
    noise = np.concatenate(pieces)
    assert noise.shape == (900_000,)
    assert noise.dtype == np.float32
    assert abs(noise.std() - 0.1) < 0.005
    # As loud where pieces meet as anywhere.
    assert np.abs(noise[: 13 * 65536].reshape(13, -1, 4096).std((0, 2)) - 0.1).max() < 0.02
    frequencies, density = welch(noise, 44100, nperseg=16384)
    heard = (frequencies > 40) & (frequencies < 20000)
    fitted = np.polyfit(np.log(frequencies[heard]), np.log(density[heard]), 1, w=frequencies[heard] ** -0.5)[0]
    assert abs(fitted - slope) < 0.05


def test_babble_is_of_others_and_has_the_ratio(corpus):
    front_end = corpus.front_end
    trial = corpus['a']
    damaged = AudioNoise(snr=0.0, noise='babble').apply(trial, corpus)
    # Of the split only b is another person with sound: its waveform from some place on, again and again.
    noise = damaged.waveform.astype(float) - trial.waveform
    other = corpus['b'].waveform.astype(float)
    tiled = np.tile(other, 4)
    spectrum = np.fft.rfft(noise, len(tiled)), np.fft.rfft(tiled, len(tiled))
    place = int(np.argmax(np.fft.irfft(np.conj(spectrum[0]) * spectrum[1], len(tiled)))) % len(other)
    assert np.corrcoef(noise, tiled[place : place + len(noise)])[0, 1] > 0.999
    sounding = np.square(trial.waveform[trial.waveform != 0], dtype=float).mean()
    # Its share of these 20 s is not the mean of the whole voice.
    assert abs(10 * np.log10(sounding / np.square(noise).mean())) < 0.5
    witness = log_mel((voice('a', front_end.sample_rate) + noise / 32767).astype(np.float32), front_end)
    off = decibels(damaged.logmel, front_end) - decibels(witness, front_end)
    assert abs(np.median(off)) < 0.5
    assert off.std() < 3


def test_dropout_is_the_log_mel_of_a_waveform_with_silent_spans(corpus):
    front_end = corpus.front_end
    trial = corpus['c']
    damaged = AudioDropout(share=0.4).apply(trial, corpus)
    silent = (damaged.waveform == 0) & (trial.waveform != 0)
    assert abs(silent.mean() - 0.4) < 0.01
    assert np.array_equal(damaged.waveform[~silent], trial.waveform[~silent])
    whole = rows_apart(corpus, (damaged.waveform == 0).astype(int) * silent)
    sound = np.where(silent, 0, voice('c', front_end.sample_rate)).astype(np.float32)
    assert np.array_equal(damaged.logmel[whole], log_mel(sound, front_end)[whole])
    assert whole.mean() > 0.9
    rows = (damaged.logmel == FLOOR[front_end.name]).all(1)
    assert abs(rows.mean() - 0.4) < 0.02


@pytest.mark.parametrize('seconds', [0.5, -1.25, 30.0, -30.0])
def test_shift_is_the_log_mel_of_a_moved_waveform(corpus, seconds):
    front_end = corpus.front_end
    trial = corpus['c']
    damaged = AudioShift(seconds=seconds).apply(trial, corpus)
    count = round(seconds * front_end.sample_rate)
    times = np.arange(len(trial.waveform)) - count
    inside = (times >= 0) & (times < len(times))
    assert np.array_equal(damaged.waveform, np.where(inside, trial.waveform[np.clip(times, 0, len(times) - 1)], 0))
    sound = voice('c', front_end.sample_rate)
    moved = np.where(inside, sound[np.clip(times, 0, len(times) - 1)], 0).astype(np.float32)
    whole = rows_apart(corpus, np.pad(inside.astype(int), (1, 1))[1:-1])
    # The first and last row of the sound reach beyond it.
    edge = 4
    assert np.array_equal(damaged.logmel[whole][edge:-edge], log_mel(moved, front_end)[whole][edge:-edge])
    assert whole.mean() > 0.98
    assert inside.any() == (abs(seconds) < 14)


def test_a_drawn_shift_keeps_its_direction(corpus):
    trial = corpus['c']
    for seed in range(6):
        silences = []
        for severity in (1, 2, 3, 4, 5):
            rows = AudioShift(severity, seed).apply(trial, corpus).logmel == FLOOR[corpus.front_end.name]
            silences.append((rows.all(1)[0], rows.all(1)[-1]))
            assert rows.all(1).sum() == round((0.25, 0.5, 1, 2, 4)[severity - 1] / 0.01)
        assert len(set(silences)) == 1
        assert sum(silences[0]) == 1
    both = {bool((AudioShift(3, seed).apply(trial, corpus).logmel[0] == FLOOR[corpus.front_end.name]).all())
            for seed in range(8)}  # fmt: skip
    assert both == {True, False}


def test_swap_takes_another_person_of_the_split(corpus):
    # Of a, c is the same person, apart is of another split, mute has no sound: only b is left.
    trial, other = corpus['a'], corpus['b']
    whole = VoiceSwap(share=1.0).apply(trial, corpus)
    for key in ('logmel', 'waveform'):
        foreign, theirs = getattr(whole, key), getattr(other, key)
        alike = (theirs == foreign[0]).reshape(len(theirs), -1).all(1)
        place = next(k for k in np.flatnonzero(alike) if np.array_equal(foreign[:50], np.roll(theirs, -k, 0)[:50]))
        assert np.array_equal(foreign, theirs[(place + np.arange(len(foreign))) % len(theirs)])
    half = VoiceSwap(share=0.5).apply(trial, corpus)
    swapped = (half.logmel == whole.logmel).all(1)
    assert np.array_equal(half.logmel, np.where(swapped[:, None], whole.logmel, trial.logmel))
    assert abs(swapped.mean() - 0.5) < 0.02
    samples = half.waveform == whole.waveform
    assert np.array_equal(half.waveform, np.where(samples, whole.waveform, trial.waveform))
    assert abs(samples.mean() - 0.5) < 0.05


def test_swap_without_known_people_takes_another_video(tmp_path):
    corpus = Corpus(write_spoken_corpus(tmp_path, subjects={}))
    found = set()
    for seed in range(12):
        first = VoiceSwap(share=1.0, seed=seed).apply(corpus['a'], corpus).logmel[0]
        found |= {name for name in corpus if (corpus[name].logmel == first).all(1).any()}
    assert found == {'b', 'c'}


@pytest.mark.parametrize('make', [lambda: VoiceSwap(), lambda: AudioNoise(noise='babble')])
def test_nobody_else(corpus, make):
    with pytest.raises(CorpusError, match=r"voice of somebody else for trial apart, and split 'train' has none"):
        make().apply(corpus['apart'], corpus)


def test_unknown_noise():
    with pytest.raises(ConfigError, match="noise='brown'; expected one of white, pink, babble"):
        AudioNoise(noise='brown')


def test_silence_stays_silent(corpus):
    trial = corpus['c']
    silent = replace(
        trial,
        logmel=np.full_like(trial.logmel, FLOOR[corpus.front_end.name]),
        waveform=np.zeros_like(trial.waveform),
    )
    damaged = AudioNoise(severity=5).apply(silent, corpus)
    assert np.array_equal(damaged.logmel, silent.logmel)
    assert not damaged.waveform.any()
