"""Figures of the study's page, against NumPy."""

import itertools

import numpy as np
import pytest

from mmaffect.errors import ConfigError
from mmaffect.study.design import Fusion
from mmaffect.study.extras import Robustness
from mmaffect.study.page import write_study_page
from mmaffect.study.page_content import study_page_content
from mmaffect.study.statistics import permutation_test
from mmaffect.study.table import StudyTable

NAMES = ('concat', 'grjca', 'grjca_m1', 'mixed')
GROUPS = ('fusion', 'fusion', 'ablation', 'extension')
DESIGNS = {name: Fusion(name, name.upper(), 'x.py', group) for name, group in zip(NAMES, GROUPS, strict=True)}
KINDS = ('silence', 'frozen_face')
TARGETS = ('valence', 'arousal')
WEAK = (0.0, 0.4)
TRIALS = 6
RESAMPLES = dict(resamples=200, permutations=200)


def frames_of(weak, name, seed):
    """Truth and prediction by trial, condition and target; the truth is the same for all runs of a w."""
    known = np.random.default_rng(round(weak * 10))
    noise = np.random.default_rng((NAMES.index(name), seed))
    found = {}
    for trial in range(TRIALS):
        for condition in ('normal', *([KINDS[trial % 2]] if weak else [])):
            for target in TARGETS:
                truth = known.normal(0, 0.3, 40)
                spread = 0.15 + 0.05 * NAMES.index(name) + 0.3 * (condition != 'normal')
                found[f'trial{trial}', condition, target] = truth, 0.8 * truth + noise.normal(0, spread, 40)
    return found


def record(weak, name, seed):
    frames = frames_of(weak, name, seed)
    rows = []
    for trial, condition in dict.fromkeys(key[:2] for key in frames):
        row = {'trial': trial, 'condition': condition, 'frames': 40}
        for target in TARGETS:
            truth, pred = frames[trial, condition, target]
            cov = np.cov(pred, truth, bias=True)
            row[target] = [pred.mean(), cov[0, 0], truth.mean(), cov[1, 1], cov[0, 1]]
        rows.append(row)
    gates = [
        dict(gate='audio/iteration_1', condition=condition, frames=9, auroc=0.6 + 0.01 * seed, low=0.5, high=0.7,
             mean_normal=0.5, mean_decoupled=0.4)
        for condition in ('any', *KINDS)
    ]  # fmt: skip
    extra = gates if name == 'grjca' and weak else []
    return dict(weak=weak, fusion=name, seed=seed, parameters=10, epochs=3, seconds=1, trials=rows, gates=extra)


def ccc(pred, truth):
    """Lin's coefficient by its definition, population form."""
    covariance = np.cov(pred, truth, bias=True)
    return 2 * covariance[0, 1] / (np.trace(covariance) + (pred.mean() - truth.mean()) ** 2)


def witness(weak, name, seed, conditions=None):
    """CCC of mean, valence and arousal over the frames of some conditions."""
    frames = frames_of(weak, name, seed)
    found = []
    for target in TARGETS:
        parts = [of for key, of in frames.items() if key[2] == target and (conditions is None or key[1] in conditions)]
        truth, pred = np.concatenate(parts, axis=1)
        found.append(ccc(pred, truth))
    return [np.mean(found), *found]


@pytest.fixture(scope='module')
def table():
    # One fusion lacks a seed.
    runs = [(weak, name, seed) for weak in WEAK for name in NAMES for seed in range(3 - (name == 'grjca_m1'))]
    return StudyTable.from_records(itertools.starmap(record, runs))


@pytest.fixture(scope='module')
def content(table):
    return study_page_content(table, designs=DESIGNS, **RESAMPLES)


def test_figures(content):
    assert content.subsets == ('all', 'normal', 'decoupled', *sorted(KINDS))
    assert [fusion.name for fusion in content.fusions] == list(NAMES)
    assert [fusion.main for fusion in content.fusions] == [True, True, False, True]
    for share, weak in enumerate(WEAK):
        for place, conditions in enumerate((None, ('normal',), KINDS, *[(kind,) for kind in sorted(KINDS)])):
            for row, name in enumerate(NAMES):
                found = content.figures[share, place, :, row]
                if not weak and place > 1:
                    assert np.isnan(found).all()
                    continue
                runs = np.array([witness(weak, name, seed, conditions) for seed in range(3 - (name == 'grjca_m1'))])
                np.testing.assert_allclose(found[:, 0], runs.mean(axis=0), atol=1e-4)
                np.testing.assert_allclose(found[:, 3], runs.std(axis=0, ddof=1), atol=1e-4)
                assert (found[:, 1] < found[:, 0]).all()
                assert (found[:, 0] < found[:, 2]).all()


def test_differences_are_on_the_seeds_that_both_have(content):
    for pair, (a, b) in enumerate(itertools.combinations(range(len(NAMES)), 2)):
        common = range(3 - ('grjca_m1' in (NAMES[a], NAMES[b])))
        for share, weak in enumerate(WEAK):
            runs = [np.subtract(witness(weak, NAMES[a], seed), witness(weak, NAMES[b], seed)) for seed in common]
            found = content.differences[share, 0, :, pair]
            np.testing.assert_allclose(found[:, 0], np.mean(runs, axis=0), atol=1e-4)
            assert (found[:, 1] <= found[:, 0]).all()
            assert (found[:, 0] <= found[:, 2]).all()
    assert np.isnan(content.differences[0, 2:]).all()


def test_tests_are_corrected_among_those_of_a_reference(table, content):
    p = content.p[1, 0]
    # Not of the ablation against others.
    assert np.isfinite(p).sum(axis=1).tolist() == [3, 3, 0, 3]
    seeds = {name: table.seeds(0.4, name) for name in NAMES}
    raw = []
    for name in ('concat', 'grjca_m1', 'mixed'):
        common = [seed for seed in seeds['grjca'] if seed in seeds[name]]
        pair = (table.moments(0.4, one, seeds=common) for one in (name, 'grjca'))
        raw.append(permutation_test(*pair, resamples=200))
    order = np.argsort(raw)
    expected = np.empty(3)
    expected[order] = np.minimum(np.maximum.accumulate(np.sort(raw) * [3, 2, 1]), 1)
    np.testing.assert_allclose(p[1, [0, 2, 3]], expected)


def test_gates_are_means_over_seeds(content):
    assert [(gate.weak, gate.fusion, gate.condition) for gate in content.gates] == [
        (1, 1, condition) for condition in ('any', *sorted(KINDS))
    ]
    assert content.gates[0].auroc == pytest.approx(0.61)
    assert content.gates[0].seeds == (0.6, 0.61, 0.62)


def test_robustness(table):
    values = {
        (0.4, 'grjca', 'clean', 0): (0.8, 0.9),
        (0.4, 'grjca', 'noise', 1): (0.7, 0.6),
        (0.4, 'concat', 'noise', 1): (0.5,),
    }
    found = study_page_content(table, Robustness(values), designs=DESIGNS, **RESAMPLES).robustness
    assert (found.weak, found.fusions, found.corruptions, found.severities) == ((0.4,), (0, 1), ('noise',), (0, 1))
    expected = [[[np.nan, np.nan], [0.5, np.nan]], [[0.85, 0.1 / 2**0.5], [0.65, 0.1 / 2**0.5]]]
    np.testing.assert_allclose(found.values[0, :, 0], expected)


def test_the_same_table_gives_the_same_page(table, content, tmp_path):
    again = study_page_content(table, designs=DESIGNS, **RESAMPLES)
    pages = [write_study_page(tmp_path / name, one).read_bytes() for name, one in (('a', content), ('b', again))]
    assert pages[0] == pages[1]
    table.write(tmp_path / 'table')
    loaded = study_page_content(StudyTable.load(tmp_path / 'table'), designs=DESIGNS, **RESAMPLES)
    assert write_study_page(tmp_path / 'c', loaded).read_bytes() == pages[0]


def test_a_replication_is_among_the_facts(table, content):
    found = study_page_content(table, replication=table.pooled(), designs=DESIGNS, **RESAMPLES).facts
    assert {name: said for name, said in found.items() if name in content.facts} == content.facts
    said = found['On other people']
    assert said.startswith('22 runs, 6 validation trials. In the mean over w = 0 and 0.4, MIXED is better than ')
    means = {name: np.mean([witness(w, name, s)[0] for w in WEAK for s in range(3)]) for name in ('concat', 'grjca')}
    best = max(means, key=means.get)
    assert f'others; its smallest lead is that over {best.upper()} (−{means[best] - means_of_mixed():.3f} [' in said


def means_of_mixed():
    return np.mean([witness(w, 'mixed', seed)[0] for w in WEAK for seed in range(3)])


def test_one_run(tmp_path):
    content = study_page_content(StudyTable.from_records([record(0.4, 'concat', 0)]), designs=DESIGNS, **RESAMPLES)
    assert content.reference == 'concat'
    assert np.isnan(content.figures[0, 0, :, 0, 3]).all()
    assert 'CONCAT' in write_study_page(tmp_path / 'a.html', content).read_text()


def test_what_is_no_study(table):
    with pytest.raises(ConfigError, match='table without runs'):
        study_page_content(StudyTable(), designs=DESIGNS)
    with pytest.raises(ConfigError, match="fusion 'mixed'"):
        study_page_content(table, designs={name: DESIGNS[name] for name in NAMES[:3]})
