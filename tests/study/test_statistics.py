"""Intervals and tests against SciPy and against loops over frames that know nothing of moments."""

from itertools import product

import numpy as np
import pytest
import scipy.stats

from mmaffect.errors import ConfigError
from mmaffect.evaluation.functional import Moments
from mmaffect.study.statistics import (
    Estimate,
    bootstrap,
    difference,
    drop_difference,
    holm,
    mean_ccc,
    permutation_test,
    resampled,
)

VALENCE = 0


def fusion(noise, seed, runs=2, trials=3, frames=15):
    """Predictions ``[run][trial] (n, 2)`` and annotations ``[trial] (n, 2)``; the annotations are always the same."""
    g, true = np.random.default_rng(seed), np.random.default_rng(99)
    truth = [true.uniform(-1, 1, (frames + t, 2)) for t in range(trials)]
    return [[y + noise * g.normal(size=y.shape) for y in truth] for _ in range(runs)], truth


def moments_of(said, truth):
    return np.array(
        [
            [[Moments.of(p[:, k], y[:, k]).values for k in range(2)] for p, y in zip(run, truth, strict=True)]
            for run in said
        ]
    )


def lin(p, t):
    """CCC of frames (n,)."""
    return 2 * np.cov(p, t, bias=True)[0, 1] / (p.var() + t.var() + (p.mean() - t.mean()) ** 2)


def figure(said, truth, runs, trials, targets=(0, 1)):
    """Mean over runs of the mean CCC of frames put together."""
    y = np.concatenate([truth[t] for t in trials])
    found = []
    for run in runs:
        p = np.concatenate([said[run][t] for t in trials])
        found.append(np.mean([lin(p[:, k], y[:, k]) for k in targets]))
    return np.mean(found)


def all_draws(value, runs, trials):
    """``value(runs, trials)`` of every equally likely draw with replacement."""
    return [value(s, t) for s in product(range(runs), repeat=runs) for t in product(range(trials), repeat=trials)]


def same_distribution(found, every, tolerance=0.01):
    """Draws against all of them: no value that is not there, and the same quantiles in the middle of each step."""
    every = np.sort(every)
    gap = np.abs(found[:, None] - every).min(axis=1).max()
    assert gap < 1e-9
    levels = np.linspace(0.02, 0.98, 25)
    share = (found[:, None] <= np.quantile(every, levels, method='inverted_cdf') + 1e-9).mean(axis=0)
    wanted = (every[:, None] <= np.quantile(every, levels, method='inverted_cdf') + 1e-9).mean(axis=0)
    assert np.abs(share - wanted).max() < tolerance


@pytest.mark.parametrize(('target', 'columns'), [('mean', (0, 1)), ('valence', (0,)), ('arousal', (1,))])
def test_the_figure(target, columns):
    said, truth = fusion(0.5, 1, runs=3)
    wanted = [figure(said, truth, [run], range(3), columns) for run in range(3)]
    assert mean_ccc(moments_of(said, truth), target) == pytest.approx(wanted, abs=1e-12)


def test_draws_are_of_trials_and_of_runs():
    said, truth = fusion(0.5, 1)
    found = resampled(moments_of(said, truth), resamples=40000)
    same_distribution(found, all_draws(lambda s, t: figure(said, truth, s, t), 2, 3))


def test_draws_of_two_fusions_are_the_same():
    (a, truth), (b, _) = fusion(0.5, 1), fusion(0.8, 2)
    found = resampled(moments_of(a, truth), resamples=40000) - resampled(moments_of(b, truth), resamples=40000)
    every = all_draws(lambda s, t: figure(a, truth, s, t) - figure(b, truth, s, t), 2, 3)
    same_distribution(found, every)
    estimate = difference(moments_of(a, truth), moments_of(b, truth), resamples=40000)
    assert estimate.value == pytest.approx(figure(a, truth, range(2), range(3)) - figure(b, truth, range(2), range(3)))
    assert estimate.low == pytest.approx(np.quantile(every, 0.025, method='inverted_cdf'), abs=0.01)
    assert estimate.high == pytest.approx(np.quantile(every, 0.975, method='inverted_cdf'), abs=0.01)


def test_interval_of_one_run_equals_scipys():
    said, truth = fusion(0.7, 3, runs=1, trials=12)
    found = bootstrap({'one': moments_of(said, truth)}, resamples=20000)['one']
    wanted = scipy.stats.bootstrap(
        (np.arange(12),),
        lambda trials: figure(said, truth, [0], trials),
        vectorized=False,
        method='percentile',
        n_resamples=3000,
        rng=np.random.default_rng(5),
    ).confidence_interval
    width = wanted.high - wanted.low
    assert found.value == pytest.approx(figure(said, truth, [0], range(12)), abs=1e-12)
    assert found.low == pytest.approx(wanted.low, abs=0.08 * width)
    assert found.high == pytest.approx(wanted.high, abs=0.08 * width)


def test_difference_in_differences():
    parts = [fusion(noise, seed)[0] for seed, noise in enumerate((0.5, 0.9, 0.3, 0.4))]
    truth = fusion(0, 0)[1]
    signs = (1, -1, -1, 1)

    def value(runs, trials):
        return sum(sign * figure(said, truth, runs, trials) for sign, said in zip(signs, parts, strict=True))

    every = all_draws(value, 2, 3)
    found = drop_difference(*(moments_of(said, truth) for said in parts), resamples=40000)
    assert found.value == pytest.approx(value(range(2), range(3)), abs=1e-12)
    assert found.low == pytest.approx(np.quantile(every, 0.025, method='inverted_cdf'), abs=0.02)
    assert found.high == pytest.approx(np.quantile(every, 0.975, method='inverted_cdf'), abs=0.02)
    a, b = moments_of(parts[0], truth), moments_of(parts[1], truth)
    assert drop_difference(a, b, a, b) == Estimate(0, 0, 0)


def exchanged(a, b, truth):
    """Statistic of SciPy's test: a trial's number below T stands for fusion a, above for b."""
    trials = len(truth)

    def statistic(first, second):
        figures = []
        for chosen in (first, second):
            pick = [(a if one < trials else b, one % trials) for one in chosen]
            runs = [[said[run][t] for said, t in pick] for run in range(len(a))]
            figures.append(figure(runs, [truth[t] for _, t in pick], range(len(a)), range(trials)))
        return figures[0] - figures[1]

    return statistic


@pytest.mark.parametrize(('noise', 'seed'), [(0.5, 2), (0.6, 4), (0.9, 5)])
def test_exact_permutation_test_equals_scipys(noise, seed):
    (a, truth), (b, _) = fusion(0.5, 1, trials=6), fusion(noise, seed, trials=6)
    wanted = scipy.stats.permutation_test(
        (np.arange(6), np.arange(6) + 6),
        exchanged(a, b, truth),
        permutation_type='samples',
        vectorized=False,
        n_resamples=np.inf,
        alternative='two-sided',
    ).pvalue
    assert permutation_test(moments_of(a, truth), moments_of(b, truth)) == pytest.approx(wanted, abs=1e-12)
    # The smallest p of six trials: all or none are exchanged.
    assert wanted >= 2 / 64


def test_random_exchanges_come_near_the_exact_p_and_count_the_measured_one():
    (a, truth), (b, _) = fusion(0.5, 1, trials=11), fusion(0.6, 4, trials=11)
    a, b = moments_of(a, truth), moments_of(b, truth)
    exact = permutation_test(a, b, resamples=2**11)
    found = permutation_test(a, b, resamples=2**11 - 1)
    assert found != exact
    assert found == pytest.approx(exact, abs=0.04)
    assert (found * 2**11) == pytest.approx(round(found * 2**11), abs=1e-9)
    far, truth = fusion(4.0, 4, trials=20)
    near = fusion(0.1, 4, trials=20)[0]
    assert permutation_test(moments_of(near, truth), moments_of(far, truth), resamples=99) == 1 / 100


def test_of_equal_fusions_the_p_value_is_uniform():
    """At a level of 0.1 about a tenth of the comparisons of exchangeable fusions is significant."""
    found = []
    for seed in range(250):
        (a, truth), (b, _) = (fusion(0.7, [seed, part], trials=10, frames=6) for part in (0, 1))
        found.append(permutation_test(moments_of(a, truth), moments_of(b, truth), resamples=200, seed=seed))
    assert 0.05 < np.mean(np.array(found) <= 0.1) < 0.16
    assert scipy.stats.kstest(found, 'uniform').pvalue > 0.001


def test_trials_without_frames_change_nothing():
    (a, truth), (b, _) = fusion(0.5, 1, trials=6), fusion(0.6, 4, trials=6)
    a, b = moments_of(a, truth), moments_of(b, truth)
    empty = np.zeros((2, 9, 2, 6))
    longer = [np.concatenate((one, empty), axis=1) for one in (a, b)]
    assert permutation_test(*longer) == permutation_test(a, b)
    found = difference(*longer)
    assert found.value == pytest.approx(difference(a, b).value, abs=1e-12)
    assert found.low < found.value < found.high
    nothing = np.zeros_like(a)
    assert np.isnan(permutation_test(nothing, nothing))
    assert np.isnan([difference(nothing, nothing).value, difference(nothing, nothing).low]).all()


def test_the_same_seed_gives_the_same_numbers_and_another_does_not():
    (a, truth), (b, _) = fusion(0.5, 1, trials=20), fusion(0.51, 4, trials=20)
    a, b = moments_of(a, truth), moments_of(b, truth)
    for compared in (difference, permutation_test):
        assert compared(a, b, resamples=500) == compared(a, b, resamples=500)
    assert difference(a, b, resamples=500) != difference(a, b, resamples=500, seed=1)
    assert permutation_test(a, b, resamples=500) != permutation_test(a, b, resamples=500, seed=2)
    # Exchanging the fusions turns the sign.
    assert permutation_test(a, b, resamples=500) == permutation_test(b, a, resamples=500)
    there, back = difference(a, b, resamples=500), difference(b, a, resamples=500)
    assert there.low == pytest.approx(-back.high, abs=1e-12)


def step_down(p, level):
    """Holm's procedure as he gives it: which hypotheses are rejected."""
    rejected = [False] * len(p)
    for place, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if p[index] > level / (len(p) - place):
            break
        rejected[index] = True
    return rejected


def test_holm():
    g = np.random.default_rng(0)
    for size in (1, 2, 5, 12):
        p = g.uniform(0, 0.2, size)
        found = holm(p)
        assert (found >= p).all()
        for level in (0.01, 0.05, 0.1, 0.3):
            assert (found <= level).tolist() == step_down(p.tolist(), level)
    assert holm([0.02, 0.02, 0.9]).tolist() == [0.06, 0.06, 0.9]
    assert holm([0.5, 0.6]).tolist() == [1, 1]
    np.testing.assert_array_equal(holm([0.01, np.nan, 0.02]), [0.02, np.nan, 0.02])
    assert holm([]).shape == (0,)


def test_wrong_shapes_and_targets():
    a = moments_of(*fusion(0.5, 1))
    with pytest.raises(ConfigError, match='expected the same seeds and trials'):
        difference(a, a[:1])
    with pytest.raises(ConfigError, match='expected the same seeds and trials'):
        permutation_test(a, a[:, :2])
    with pytest.raises(ConfigError, match="target='dominance'; expected one of"):
        mean_ccc(a, 'dominance')


def test_texts():
    assert str(Estimate(0.8121, 0.7904, 0.83)) == '0.812 [0.790, 0.830]'
    assert Estimate(0.0121, -0.0001, 0.0211).signed == '+0.012 [0.000, 0.021]'
    assert Estimate(-0.5, -0.6, -0.4).signed == '-0.500 [-0.600, -0.400]'
    assert Estimate(-0.5, -0.6, -0.4).clear
    assert not Estimate(0.1, -0.1, 0.4).clear
    assert not Estimate(0.1, float('nan'), float('nan')).clear
