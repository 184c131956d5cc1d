"""A gate as a detector of decoupled frames, against pairs, SciPy and a bootstrap by hand."""

import numpy as np
import pytest
import scipy.stats

from mmaffect.errors import ConfigError
from mmaffect.study.gates import auroc, detector


def pairs(scores, labels):
    """Share of pairs that are in order, ties counting half."""
    won = total = 0
    for s, one in zip(scores, labels, strict=True):
        for r, other in zip(scores, labels, strict=True):
            if one and not other:
                total += 1
                won += 1 if s > r else 0.5 if s == r else 0
    return won / total


@pytest.mark.parametrize('decimals', [0, 1, 6])
def test_auroc(decimals):
    g = np.random.default_rng(decimals)
    labels = g.random(120) < 0.3
    scores = np.round(g.normal(size=120) + 0.5 * labels, decimals)
    found = auroc(scores, labels)
    assert found == pytest.approx(pairs(scores, labels), abs=1e-12)
    statistic = scipy.stats.mannwhitneyu(scores[labels], scores[~labels]).statistic
    assert found == pytest.approx(statistic / (labels.sum() * (~labels).sum()), abs=1e-12)
    assert auroc(-scores, labels) == pytest.approx(1 - found, abs=1e-12)


def test_auroc_of_one_class():
    assert np.isnan(auroc([0.1, 0.2], [True, True]))
    assert np.isnan(auroc([0.1, 0.2], [False, False]))


def material(trials=10, frames=200, decimals=None, shift=0.1):
    """Shares that are lower in noise, and not in other decoupled frames; ``silence`` is in one trial alone."""
    g = np.random.default_rng(3)
    shares, conditions = {}, {}
    for t in range(trials):
        words = g.choice(['normal', 'noise', 'frozen_face'], frames, p=[0.6, 0.3, 0.1]).astype(object)
        if t == 2:
            words[:5] = 'silence'
        share = np.clip(0.5 + 0.1 * g.normal() + 0.15 * g.normal(size=frames) - shift * (words == 'noise'), 0, 1)
        if decimals is not None:
            share = np.round(share, decimals)
        shares[f't{t}'] = {'audio/iteration_1': share, 'visual/stage_1': 1 - share}
        conditions[f't{t}'] = words
    return shares, conditions


def together(shares, conditions, gate='audio/iteration_1'):
    return np.concatenate([one[gate] for one in shares.values()]), np.concatenate(list(conditions.values()))


@pytest.mark.parametrize('decimals', [None, 1])
def test_figures(decimals):
    shares, conditions = material(decimals=decimals)
    found = detector(shares, conditions, resamples=50)
    audio = [one for one in found if one['gate'] == 'audio/iteration_1']
    assert [one['condition'] for one in audio] == ['any', 'frozen_face', 'noise', 'silence']
    share, words = together(shares, conditions)
    for one in audio:
        group = words != 'normal' if one['condition'] == 'any' else words == one['condition']
        rest = words == 'normal'
        statistic = scipy.stats.mannwhitneyu(share[rest], share[group]).statistic
        assert one['auroc'] == pytest.approx(statistic / (rest.sum() * group.sum()), abs=1e-12)
        assert one['frames'] == group.sum()
        assert one['mean_normal'] == pytest.approx(share[rest].mean(), abs=1e-12)
        assert one['mean_decoupled'] == pytest.approx(share[group].mean(), abs=1e-12)
    noise, silence = audio[2], audio[3]
    assert 0.5 < noise['low'] < noise['auroc'] < noise['high'] < 1
    # One trial says nothing of others.
    assert np.isnan([silence['low'], silence['high']]).all()
    # The mirrored share under the mirrored hypothesis.
    mirrored = [one for one in detector(shares, conditions, lower=False, resamples=50) if 'visual' in one['gate']]
    assert [one['auroc'] for one in mirrored] == pytest.approx([one['auroc'] for one in audio], abs=1e-12)


@pytest.mark.parametrize('decimals', [None, 1])
def test_interval_equals_that_of_whole_trials_drawn_by_hand(decimals):
    shares, conditions = material(decimals=decimals)
    noise = next(one for one in detector(shares, conditions, resamples=4000) if one['condition'] == 'noise')
    g, names, draws = np.random.default_rng(8), list(shares), []
    for _ in range(1000):
        drawn = g.choice(names, len(names))
        share = np.concatenate([shares[name]['audio/iteration_1'] for name in drawn])
        words = np.concatenate([conditions[name] for name in drawn])
        a, b = share[words == 'normal'], share[words == 'noise']
        draws.append(scipy.stats.mannwhitneyu(a, b).statistic / (len(a) * len(b)))
    low, high = np.quantile(draws, [0.025, 0.975])
    assert noise['low'] == pytest.approx(low, abs=0.12 * (high - low))
    assert noise['high'] == pytest.approx(high, abs=0.12 * (high - low))
    again = next(one for one in detector(shares, conditions, resamples=4000) if one['condition'] == 'noise')
    assert again == noise


def test_a_gate_without_a_say_is_left_out():
    shares, conditions = material()
    wanted = detector(shares, conditions, resamples=50)
    # Frames of nobody, a trial without this gate and one that it says nothing in.
    longer = {name: np.concatenate((words, ['noise'] * 5)) for name, words in conditions.items()}
    padded = {
        name: {gate: np.concatenate((share, [np.nan] * 5)) for gate, share in one.items()}
        for name, one in shares.items()
    }
    padded |= {'silent': {'audio/iteration_1': np.full(3, np.nan)}, 'blind': {}}
    longer |= {'silent': np.array(['normal'] * 3), 'blind': np.array(['noise'])}
    assert repr(detector(padded, longer, resamples=50)) == repr(wanted)


def test_without_decoupled_or_normal_frames_there_is_nothing_to_tell():
    shares, conditions = material()
    for word in ('normal', 'noise'):
        assert detector(shares, {name: np.full(len(one), word) for name, one in conditions.items()}) == []
    assert detector({}, {}) == []


def test_wrong_lengths():
    shares, conditions = material(trials=2)
    with pytest.raises(ConfigError, match=r'audio/iteration_1, t1: \(200,\) shares; expected \(199,\)'):
        detector(shares, conditions | {'t1': conditions['t1'][1:]})
    with pytest.raises(ConfigError, match=r't1: \(200,\) shares; expected \(0,\)'):
        detector(shares, {'t0': conditions['t0']})
