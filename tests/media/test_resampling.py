import numpy as np
import pytest
import torch
from scipy.signal import resample_poly
from torchaudio.functional import resample

from mmaffect.errors import MediaError
from mmaffect.media import Resampler

RATES = [(44100, 16000), (48000, 16000), (8000, 44100), (16000, 44100), (192000, 16000), (11025, 16000), (16000, 16000)]


def noise(rate, seconds=1.1):
    return np.random.default_rng(0).normal(0, 0.2, int(rate * seconds) + 17).astype(np.float32)


def in_pieces(resampler, samples, sizes):
    parts, at, index = [], 0, 0
    while at < samples.shape[-1]:
        size = sizes[index % len(sizes)]
        parts.append(resampler.push(samples[..., at : at + size]))
        at, index = at + size, index + 1
    return np.concatenate([*parts, resampler.flush()], axis=-1)


@pytest.mark.parametrize(('native', 'rate'), RATES)
@pytest.mark.parametrize('sizes', [[10**6], [1, 2, 0, 700, 5], [20000]], ids=['whole', 'small', 'large'])
def test_equals_torchaudio_on_the_whole(native, rate, sizes):
    samples = noise(native)
    expected = resample(torch.from_numpy(samples), native, rate).numpy()
    resampler = Resampler(native, rate)
    for _ in range(2):
        found = in_pieces(resampler, samples, sizes)
        assert found.dtype == np.float32
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(('native', 'rate'), RATES)
def test_pieces_do_not_change_a_bit(native, rate):
    samples = noise(native, 3)
    whole = in_pieces(Resampler(native, rate), samples, [10**6])
    for sizes in ([1, 2, 0, 700, 5], [20001]):
        np.testing.assert_array_equal(in_pieces(Resampler(native, rate), samples, sizes), whole)


def test_channels_are_resampled_alike():
    samples = np.stack([noise(44100), -noise(44100)[::-1]])
    found = in_pieces(Resampler(44100, 16000), samples, [3000])
    np.testing.assert_allclose(found, resample(torch.from_numpy(samples), 44100, 16000).numpy(), atol=1e-6)


def test_against_scipy():
    time = np.arange(24000) / 48000
    tone = np.sin(2 * np.pi * 900 * time).astype(np.float32)
    found = in_pieces(Resampler(48000, 16000), tone, [777])
    np.testing.assert_allclose(found[100:-100], resample_poly(tone, 1, 3)[100:-100], atol=2e-3)


@pytest.mark.parametrize('rate', [16000, 44100])
def test_little_is_held_back(rate):
    resampler = Resampler(48000, rate)
    given = 0
    for second in range(1, 100):
        given += resampler.push(np.zeros(480, np.float32)).shape[0]
        assert 0 <= second * rate / 100 - given < 0.005 * rate


def test_nothing_gives_nothing():
    resampler = Resampler(48000, 16000)
    assert resampler.flush().shape == (0,)
    assert resampler.push(np.empty(0, np.float32)).shape == (0,)
    assert resampler.flush().shape == (0,)


def test_rates_without_a_common_divisor():
    with pytest.raises(MediaError, match='no resampling from 44101 to 16000 Hz'):
        Resampler(44101, 16000)
