"""Smoothing against SciPy."""

import tracemalloc

import numpy as np
import pytest
from scipy import ndimage, signal

from mmaffect.errors import ConfigError
from mmaffect.evaluation import smooth

CURVES = np.random.default_rng(0).normal(0, 0.3, (130, 2))
WIDTHS = [1, 2, 3, 20, 50, 51, 200, 501]


@pytest.mark.parametrize('width', WIDTHS)
def test_mean_with_zeros_is_the_uniform_filter_of_the_rjca_code(width):
    expected = ndimage.uniform_filter1d(CURVES, width, axis=0, mode='constant')
    np.testing.assert_allclose(smooth(CURVES, width, ends='zero'), expected, atol=1e-12)


def test_one_width_for_each_target():
    found = smooth(CURVES, (20, 50), ends='zero')
    for target, width in enumerate((20, 50)):
        expected = ndimage.uniform_filter1d(CURVES[:, target], width, mode='constant')
        np.testing.assert_allclose(found[:, target], expected, atol=1e-12)


@pytest.mark.parametrize('width', WIDTHS)
@pytest.mark.parametrize(('method', 'witness'), [('mean', np.mean), ('median', np.median)])
def test_windows_shrink_at_the_ends(method, witness, width):
    found = smooth(CURVES, width, method)
    windows = [CURVES[max(i - width // 2, 0) : i - width // 2 + width] for i in range(len(CURVES))]
    np.testing.assert_allclose(found, [witness(window, axis=0) for window in windows], atol=1e-12)


@pytest.mark.parametrize('width', [1, 3, 21, 51])
def test_median_with_zeros(width):
    expected = np.stack([signal.medfilt(curve, width) for curve in CURVES.T], axis=1)
    assert np.array_equal(smooth(CURVES, width, 'median', 'zero'), expected)


def test_a_wide_median_needs_little_memory():
    # All windows at once are 192 MB.
    curve = np.random.default_rng(1).normal(0, 0.3, (6000, 1))
    tracemalloc.start()
    try:
        found = smooth(curve, 4001, 'median', 'zero')
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64e6
    expected = ndimage.median_filter(curve[:, 0], 4001, mode='constant')
    assert np.array_equal(found[:, 0], expected)


@pytest.mark.parametrize('width', [1, 3, 21, 51, 301])
def test_gaussian(width):
    def witness(curves):
        return ndimage.gaussian_filter1d(curves, width / 6, axis=0, mode='constant', radius=width // 2)

    np.testing.assert_allclose(smooth(CURVES, width, 'gaussian', 'zero'), witness(CURVES), atol=1e-12)
    expected = witness(CURVES) / witness(np.ones_like(CURVES))
    np.testing.assert_allclose(smooth(CURVES, width, 'gaussian'), expected, atol=1e-12)


@pytest.mark.parametrize('method', ['mean', 'median', 'gaussian'])
@pytest.mark.parametrize('width', [1, 2, 7, 20])
def test_a_constant_stays_itself_unless_the_ends_are_zeros(method, width):
    constant = np.full((9, 1), 0.7)
    np.testing.assert_allclose(smooth(constant, width, method), constant, atol=1e-12)
    assert width < 20 or smooth(constant, width, method, 'zero')[0] < 0.6


@pytest.mark.parametrize('method', ['mean', 'median', 'gaussian'])
def test_odd_lengths_and_width_one(method):
    assert np.array_equal(smooth(CURVES, 1, method), CURVES)
    assert smooth(np.zeros((0, 2)), 5, method).shape == (0, 2)
    assert smooth(np.full((1, 1), 0.3), 50, method) == pytest.approx(0.3)


@pytest.mark.parametrize('ends', ['shrink', 'zero'])
@pytest.mark.parametrize('method', ['mean', 'median', 'gaussian'])
def test_a_missing_frame_spoils_the_windows_that_hold_it_and_no_others(method, ends):
    curves = CURVES[:, :1].copy()
    curves[60] = np.nan
    found = smooth(curves, 4, method, ends)  # frame i sees i - 2 to i + 1
    assert np.flatnonzero(np.isnan(found)).tolist() == [59, 60, 61, 62]
    clean = smooth(CURVES[:, :1], 4, method, ends)
    np.testing.assert_allclose(np.delete(found, range(59, 63)), np.delete(clean, range(59, 63)), atol=1e-12)


def test_the_input_is_left_alone():
    before = CURVES.copy()
    for method in ('mean', 'median', 'gaussian'):
        assert not np.shares_memory(smooth(CURVES, 1, method), CURVES)
    assert np.array_equal(CURVES, before)


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        ((0,), 'width=0; expected integers of 1 to 10000'),
        ((2.5,), 'width=2.5'),
        ((10_001,), 'width=10001'),
        (([20, -1],), r'width=\[20, -1\]'),
        (([20, 50, 3],), '3 numbers; expected one, or 2'),
        ((3, 'wiener'), "method='wiener'; expected one of 'mean', 'median', 'gaussian'"),
        ((3, 'mean', 'reflect'), "ends='reflect'"),
    ],
)
def test_wrong_arguments(arguments, text):
    with pytest.raises(ConfigError, match=text):
        smooth(CURVES, *arguments)


def test_one_axis_is_not_enough():
    with pytest.raises(ConfigError, match=r'shape \(130,\); expected \(frames, targets\)'):
        smooth(CURVES[:, 0], 3)
