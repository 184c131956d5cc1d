import numpy as np
import pytest
from scipy import stats

from mmaffect.evaluation.functional import (
    Moments,
    bootstrap_interval,
    concordance_correlation_coefficient,
    degenerate,
    figures_table,
    merge_windows,
)


def test_ccc_equals_lin_by_scipy():
    g = np.random.default_rng(1)
    t = g.uniform(-1, 1, 500)
    p = 0.6 * t + 0.2 + g.normal(0, 0.2, 500)
    # Lin 1989: CCC = rho * C_b, with the bias correction C_b from scale and location shift.
    rho = stats.pearsonr(p, t).statistic
    v, u = p.std() / t.std(), (p.mean() - t.mean()) / np.sqrt(p.std() * t.std())
    assert concordance_correlation_coefficient(p, t) == pytest.approx(rho * 2 / (v + 1 / v + u**2), abs=1e-12)


def test_ccc_of_short_perfect_signal_is_one():
    x = np.linspace(-1, 1, 16)
    assert concordance_correlation_coefficient(x, x) == pytest.approx(1, abs=1e-15)


def test_ccc_is_exact_for_a_small_signal_on_a_large_mean():
    t = 1e6 + np.random.default_rng(0).normal(0, 1, 1000)
    p = t[::-1] * 1.0
    reference = 2 * np.cov(p, t, bias=True)[0, 1] / (p.var() + t.var() + (p.mean() - t.mean()) ** 2)
    assert concordance_correlation_coefficient(p, t) == pytest.approx(reference, abs=1e-8)


@pytest.mark.parametrize(
    ('pred', 'target', 'reason'),
    [
        ([0.1], [0.1], r'1 frame\(s\)'),
        ([0.1, 0.1], [0.1, 0.2], 'constant prediction'),
        ([0.1, 0.2], [0.5, 0.5], 'constant annotation'),
        ([np.nan, 0.2], [0.5, 0.6], r'prediction not finite in 1 frame\(s\)'),
        ([0.1, 0.2], [np.inf, np.nan], r'annotation not finite in 2 frame\(s\)'),
    ],
)
def test_degenerate_cases_are_named_and_nan(pred, target, reason):
    import re

    assert re.fullmatch(reason, degenerate(np.array(pred), np.array(target)))
    assert np.isnan(concordance_correlation_coefficient(pred, target))


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r'pred \(3,\) and target \(2,\)'):
        concordance_correlation_coefficient([1, 2, 3], [1, 2])


def test_moments_add_up_to_the_pooled_figures():
    g = np.random.default_rng(2)
    t = g.uniform(-1, 1, 300)
    p = t + g.normal(0, 0.3, 300)
    parts = sum(Moments.of(p[i : i + 100], t[i : i + 100]).values for i in (0, 100, 200))
    pooled = Moments(parts)
    assert pooled.ccc() == pytest.approx(concordance_correlation_coefficient(p, t), abs=1e-12)
    assert pooled.pcc() == pytest.approx(stats.pearsonr(p, t).statistic, abs=1e-12)
    assert pooled.rmse() == pytest.approx(np.sqrt(np.mean((p - t) ** 2)), abs=1e-12)


def test_bootstrap_resamples_whole_trials():
    g = np.random.default_rng(3)
    pairs = []
    for _ in range(30):
        t = g.uniform(-1, 1, 50) + g.normal(0, 0.5)
        pairs.append((t + g.normal(0, 0.4, 50), t))
    table = np.array([Moments.of(*pair).values for pair in pairs])
    low, high = bootstrap_interval(table, resamples=4000, seed=1)

    draws = np.random.default_rng(9)
    slow = []
    for _ in range(2000):
        chosen = draws.integers(0, 30, 30)
        p = np.concatenate([pairs[i][0] for i in chosen])
        t = np.concatenate([pairs[i][1] for i in chosen])
        slow.append(concordance_correlation_coefficient(p, t))
    assert (low, high) == pytest.approx(tuple(np.percentile(slow, [2.5, 97.5])), abs=0.01)
    assert all(np.isnan(bootstrap_interval(table[:1])))


def entry(trial, start, pred, affect, valid=None, stride=1):
    pred, affect = np.asarray(pred, float), np.asarray(affect, np.float32)
    valid = np.ones(len(pred), bool) if valid is None else np.asarray(valid)
    return {'trial': trial, 'start': start, 'stride': stride, 'pred': pred, 'affect': affect, 'valid': valid}


def test_merge_averages_overlaps_by_trial_and_frame():
    truth = np.arange(12).reshape(6, 2) / 12
    windows = [
        entry('b', 0, np.full((4, 2), 0.2), truth[:4]),
        entry('b', 2, np.full((4, 2), 0.6), truth[2:]),
        entry('a', 0, np.full((3, 2), 0.9), truth[:3], [True, False, True]),
    ]
    merged = merge_windows(windows)
    assert list(merged) == ['a', 'b']
    assert merged['b'].pred[:, 0].tolist() == pytest.approx([0.2, 0.2, 0.4, 0.4, 0.6, 0.6])
    assert np.allclose(merged['b'].affect, truth)
    assert merged['a'].valid.tolist() == [True, False, True]


def test_merge_ignores_order_and_repeats():
    g = np.random.default_rng(4)
    windows = [entry('t', s, g.normal(size=(30, 2)), g.normal(size=(30, 2))) for s in (0, 10, 20, 25)]
    once = merge_windows(windows)['t'].pred
    again = merge_windows([*windows[::-1], windows[1], windows[0]])['t'].pred
    assert np.array_equal(once, again)


def one_target(start, stride, values):
    """A window of trial t with predictions of one target."""
    return entry('t', start, np.reshape(values, (-1, 1)), np.zeros((len(values), 2)), stride=stride)


def test_merge_of_strided_windows_has_the_length_of_the_longest():
    windows = [one_target(0, 5, [0, 5, 10]), *(one_target(k, 5, [k, k + 5]) for k in range(1, 5))]
    assert merge_windows(windows)['t'].pred[:, 0].tolist() == list(range(11))


def test_merge_carries_conditions():
    told = [{**one_target(k, 2, [0, 0, 0]), 'condition': np.array([k, 7, 2], np.uint8)} for k in (1, 0)]
    silent = [{**one_target(0, 1, [0]), 'trial': 'u'}]
    merged = merge_windows([*told, *silent])
    assert merged['t'].condition.tolist() == [0, 1, 7, 7, 2, 2]
    assert merged['t'].condition.dtype == np.uint8
    assert merged['u'].condition is None


def test_table_of_conditions():
    figures = {'CCC/valence': 0.5, 'RMSE/valence': 0.25, 'CCC/mean': 0.5}
    parts = {f'CCC_by_condition/{word}/valence': value for word, value in (('normal', 0.75), ('noise', np.nan))}
    plain, below = figures_table(figures), figures_table({**figures, **parts})
    assert below.splitlines()[: len(plain.splitlines())] == plain.splitlines()
    rows = [line.split() for line in below.splitlines()[len(plain.splitlines()) + 1 :]]
    assert rows == [['condition', 'CCC_by_condition/valence'], ['normal', '0.7500'], ['noise', 'nan']]
    prefixed = figures_table({f'val/{key}': value for key, value in {**figures, **parts}.items()})
    assert [line.split()[0] for line in prefixed.splitlines() if line] == [
        'target', 'valence', 'mean', 'condition', 'normal', 'noise',
    ]  # fmt: skip


def test_frames_of_no_window_are_nan_and_not_valid():
    merged = merge_windows([one_target(0, 1, [1, 2]), one_target(4, 1, [3])])['t']
    assert merged.pred[:, 0].tolist() == pytest.approx([1, 2, np.nan, np.nan, 3], nan_ok=True)
    assert merged.valid.tolist() == [True, True, False, False, True]
