import numpy as np
import pytest
from log_mel_reference import reference_paper, reference_vggish

from mmaffect.errors import ConfigError
from mmaffect.media.log_mel import FRONT_ENDS, LogMelStream, get_front_end, log_mel, mel_bank, patch_starts


def sound(rate, seconds=1.237):
    time = np.arange(int(rate * seconds)) / rate
    noise = np.random.default_rng(0).normal(size=len(time))
    sweep = np.sin(2 * np.pi * (200 + 2000 * time) * time)
    return (0.3 * sweep + 0.01 * noise).astype(np.float32)


@pytest.mark.parametrize(('name', 'reference'), [('paper', reference_paper), ('vggish', reference_vggish)])
@pytest.mark.parametrize('chunk', [60.0, 0.1])
def test_against_independent_evaluation(name, reference, chunk):
    front_end = get_front_end(name)
    samples = sound(front_end.sample_rate)
    result = log_mel(samples, front_end, chunk=chunk)
    expected = reference(samples)
    assert result.dtype == np.float16
    assert result.shape == expected.shape == (124, 64)
    # Half a step of float16 at this magnitude, and a little for the float32 transform.
    tolerance = np.spacing(np.abs(expected).astype(np.float16)).astype(float) / 2 + 2e-3
    assert (np.abs(result - expected) < tolerance).all()


@pytest.mark.parametrize('name', FRONT_ENDS)
def test_row_is_centred_at_its_time(name):
    front_end = get_front_end(name)
    at = 0.5 + front_end.first_row
    samples = np.zeros(front_end.sample_rate, np.float32)
    samples[round(at * front_end.sample_rate)] = 1
    level = log_mel(samples, front_end).astype(float).mean(axis=1)
    # A click is loudest in the row whose window is centred on it, and equally loud on either side.
    assert level.argmax() == 50
    assert level[49] == pytest.approx(level[51], abs=0.02)
    assert level[49] < level[50] - 0.1


@pytest.mark.parametrize('name', FRONT_ENDS)
@pytest.mark.parametrize('length', [0, 1, 100, 441, 442, 16001])
def test_lengths_and_silence(name, length):
    front_end = get_front_end(name)
    hop = round(front_end.hop * front_end.sample_rate)
    result = log_mel(np.zeros(length, np.float32), front_end)
    assert result.shape == (max(1, -(-length // hop)), 64)
    np.testing.assert_allclose(result, -100 if front_end.decibel else np.log(0.01), rtol=1e-3)


@pytest.mark.parametrize('name', FRONT_ENDS)
@pytest.mark.parametrize('largest', [200, 3000, 30000])
def test_stream_gives_the_same_bits_whatever_the_pieces(name, largest):
    front_end = get_front_end(name)
    samples = sound(front_end.sample_rate, 1.777)
    whole = log_mel(samples, front_end)
    stream = LogMelStream(front_end)
    rng = np.random.default_rng(largest)
    for _ in range(2):
        parts, at = [], 0
        while at < len(samples):
            at += (size := int(rng.integers(0, largest)))
            parts.append(stream.push(samples[at - size : at]))
            # Each row comes as soon as its samples have come.
            assert stream.rows == sum(map(len, parts))
            assert stream.rows == 0 or stream.samples_needed(stream.rows - 1) <= at
            assert stream.samples_needed(stream.rows) > min(at, len(samples))
        np.testing.assert_array_equal(np.concatenate([*parts, stream.flush()]), whole)
        assert stream.rows == 0


@pytest.mark.parametrize(('name', 'reference'), [('paper', reference_paper), ('vggish', reference_vggish)])
def test_rows_need_no_later_samples(name, reference):
    front_end = get_front_end(name)
    samples = sound(front_end.sample_rate)
    stream = LogMelStream(front_end)
    needed = stream.samples_needed(40)
    assert len(stream.push(samples[: needed - 1])) == 40
    last = stream.push(samples[needed - 1 : needed])
    assert last.shape == (1, 64)
    other = samples.copy()
    other[needed:] = 0.7
    np.testing.assert_array_equal(reference(other)[40], reference(samples)[40])
    np.testing.assert_allclose(last[0], reference(samples)[40], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize('name', FRONT_ENDS)
def test_every_band_hears_something(name):
    bank = mel_bank(get_front_end(name)).numpy()
    assert (bank.max(axis=0) > 0.1).all()
    assert bank.min() == 0
    assert bank.max() <= 1


def test_patch_starts():
    paper, vggish = get_front_end('paper'), get_front_end('vggish')
    times = np.array([0.0, 0.04, 0.58, 1.0, 3600.01])
    assert patch_starts(times, paper, 'centre').tolist() == [-53, -49, 5, 47, 360001 - 53]
    assert patch_starts(times, paper, 'causal').tolist() == [-106, -102, -48, -6, 360001 - 106]
    assert patch_starts(times, paper, 'ahead').tolist() == [0, 4, 58, 100, 360001]
    # As the released code: round(i * hop * 100) rows from the start.
    frames = np.arange(1000)
    assert patch_starts(frames / 30, vggish, 'ahead').tolist() == [round(i * 100 / 30) for i in frames]
    with pytest.raises(ConfigError, match="align='left'"):
        patch_starts(times, paper, 'left')


@pytest.mark.parametrize('align', ['centre', 'causal'])
@pytest.mark.parametrize('name', FRONT_ENDS)
def test_patch_lies_where_align_says(name, align):
    front_end = get_front_end(name)
    times = np.linspace(2, 60, 997)
    first = patch_starts(times, front_end, align) * front_end.hop + front_end.first_row
    last = first + (front_end.patch_rows - 1) * front_end.hop
    mark = (first + last) / 2 if align == 'centre' else last
    assert np.abs(mark - times).max() <= front_end.hop / 2 + 1e-9


def test_unknown_front_end():
    with pytest.raises(ConfigError, match="'mfcc' does not exist; there are paper, vggish"):
        get_front_end('mfcc')
