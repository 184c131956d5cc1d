"""Ensembles against sums that are written out here."""

import numpy as np
import pytest

from mmaffect.errors import ConfigError, CorpusError
from mmaffect.evaluation import combine


def curves(n, frames=200, targets=2, seed=0):
    """Noisy copies of one curve, shifted and scaled; model 0 agrees best."""
    g = np.random.default_rng(seed)
    truth = np.cumsum(g.normal(0, 0.05, (frames, targets)), axis=0)
    return [0.7 * truth + 0.15 * i + g.normal(0, 0.03 * (i + 1), truth.shape) for i in range(n)]


def ccc(x, y):
    """From the covariance matrix that NumPy computes."""
    (xx, xy), (_, yy) = np.cov(x, y, bias=True)
    return 2 * xy / (xx + yy + (x.mean() - y.mean()) ** 2)


def centred(models):
    """CCC-centering of one target as AVEC 2016 defines it for raters."""
    n = len(models)
    agreement = np.array([np.mean([ccc(models[i], models[j]) for j in range(n) if j != i]) for i in range(n)])
    means = np.array([model.mean() for model in models])
    level = np.average(means, weights=np.clip(agreement, 0, None))
    return np.clip(np.mean([model - mean + level for model, mean in zip(models, means, strict=True)], axis=0), -1, 1)


def test_mean():
    models = [{'b': a, 'a': b} for a, b in zip(curves(3), curves(3, 50, seed=1), strict=True)]
    found = combine(models)
    assert list(found) == ['b', 'a']
    for trial in found:
        expected = (models[0][trial] + models[1][trial] + models[2][trial]) / 3
        np.testing.assert_allclose(found[trial], expected, atol=1e-15)


@pytest.mark.parametrize('n', [2, 3, 6])
def test_centering(n):
    models = [{'x': a, 'y': b} for a, b in zip(curves(n), curves(n, 31, seed=n), strict=True)]
    found = combine(models, 'ccc_centred')
    for trial in 'xy':
        for target in range(2):
            expected = centred([model[trial][:, target] for model in models])
            np.testing.assert_allclose(found[trial][:, target], expected, atol=1e-12)
    if n > 2:  # two models agree with each other equally
        assert np.abs(found['x'] - combine(models)['x']).max() > 1e-3


def test_centering_takes_each_trial_and_target_by_itself():
    models = curves(3)
    whole = combine([{'x': model, 'other': 0.1 * model[:9]} for model in models], 'ccc_centred')['x']
    alone = combine([{'x': model[:, 1:]} for model in models], 'ccc_centred')['x']
    np.testing.assert_allclose(whole[:, 1:], alone, atol=1e-15)


def test_a_model_that_contradicts_the_others_does_not_shift_the_level():
    base = np.sin(np.linspace(0, 9, 100))
    models = [0.3 * base, 0.3 * base + 0.02, -0.3 * base + 0.5]
    assert ccc(models[0], models[2]) < 0
    models = [{'x': model[:, None]} for model in models]
    averages = [model['x'].mean() for model in models]
    assert averages[0] < combine(models, 'ccc_centred')['x'].mean() < averages[1] < combine(models)['x'].mean()


@pytest.mark.parametrize(
    'models',
    [
        pytest.param([[0.1, 0.1, 0.1], [0.5, 0.5, 0.5]], id='constant'),
        pytest.param([[0.1], [0.5]], id='one frame'),
        pytest.param([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]], id='only disagreement'),
    ],
)
def test_without_agreement_it_is_the_mean(models):
    models = [{'x': np.array(model)[:, None]} for model in models]
    np.testing.assert_allclose(combine(models, 'ccc_centred')['x'], combine(models)['x'], atol=1e-15)


def test_a_constant_model_weighs_nothing():
    a, b = (model[:, :1] for model in curves(2))
    constant = np.full_like(a, 0.9)
    found = combine([{'x': a}, {'x': b}, {'x': constant}], 'ccc_centred')['x']
    np.testing.assert_allclose(found.mean(), (a.mean() + b.mean()) / 2, atol=1e-12)


def test_centering_clips():
    rising = np.linspace(0.2, 1.4, 50)[:, None]
    found = combine([{'x': rising}, {'x': rising + 0.1}], 'ccc_centred')['x']
    np.testing.assert_allclose(found, np.minimum(rising + 0.05, 1), atol=1e-12)


@pytest.mark.parametrize('method', ['mean', 'ccc_centred'])
def test_one_model_is_itself(method):
    curve = 2 * curves(1)[0]
    found = combine([{'x': curve}], method)['x']
    assert np.array_equal(found, curve)
    assert not np.shares_memory(found, curve)


@pytest.mark.parametrize(
    ('models', 'text'),
    [
        ([], 'no models'),
        ([{'a': (3, 1)}, {'b': (3, 1)}], "model 2 of 2 lacks trial 'a', unlike model 1 .1 missing, 1 more"),
        ([{'a': (3, 1)}, {'a': (3, 1), 'b': (3, 1)}], "model 2 of 2 has trial 'b'"),
        ([{'a': (3, 1)}, {'a': (4, 1)}], r"trial 'a': model 2 of 2 predicts \(4, 1\), model 1 \(3, 1\)"),
        ([{'a': (3, 1)}, {'a': (3, 2)}], r'predicts \(3, 2\)'),
        ([{'a': (3,)}], 'expected .frames, targets'),
        ([{'a': (0, 2)}], r'predicts \(0, 2\)'),
    ],
)
def test_models_that_do_not_fit(models, text):
    with pytest.raises(CorpusError, match=text):
        combine([{trial: np.zeros(shape) for trial, shape in model.items()} for model in models])


def test_a_value_that_is_no_number_is_named():
    models = [np.zeros((5, 2)), np.zeros((5, 2))]
    models[1][3, 1] = np.nan
    with pytest.raises(CorpusError, match="trial 'a', frame 4: model 2 of 2"):
        combine([{'a': model} for model in models])


def test_unknown_method():
    with pytest.raises(ConfigError, match="ensemble='median'; expected one of 'mean', 'ccc_centred'"):
        combine([{'a': np.zeros((1, 1))}], 'median')
