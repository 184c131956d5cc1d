"""Figures of the validation report, against NumPy."""

import numpy as np
import pytest
import torch

from mmaffect.evaluation import CCCMetric
from mmaffect.evaluation.functional import agreement
from mmaffect.report.validation_figures import density, pooled_figures, trial_figures
from mmaffect.structures import AffectDataSample
from tests.report.traces import make_trace


def ccc(pred, truth):
    """Lin's coefficient by its definition, population form."""
    pred, truth = pred.astype(float), truth.astype(float)
    covariance = np.cov(pred, truth, bias=True)
    return 2 * covariance[0, 1] / (covariance[0, 0] + covariance[1, 1] + (pred.mean() - truth.mean()) ** 2)


@pytest.fixture
def traces():
    found = [make_trace(f'trial{n}', 60 + n, seed=n, annotated=True) for n in range(4)]
    found[1].annotated[:20] = np.nan
    found[2].annotated[:, 0] = 0.25
    found[3].annotated[:, 1] = np.nan
    return found


def valid(trace, k):
    kept = np.isfinite(trace.annotated[:, k])
    return trace.affect[kept, k], trace.annotated[kept, k]


def test_trials(traces):
    trials = [trial_figures(trace) for trace in traces]
    for trial, trace in zip(trials[:2], traces[:2], strict=True):
        assert trial.reasons == {}
        for k, target in enumerate(('valence', 'arousal')):
            assert trial.ccc[target] == pytest.approx(ccc(*valid(trace, k)), abs=1e-9)
        assert trial.mean == pytest.approx(np.mean(list(trial.ccc.values())))
    assert trials[2].reasons == {'valence': 'constant annotation'}
    assert trials[2].mean == trials[2].ccc['arousal']
    assert trials[3].reasons == {'arousal': 'no valid annotation'}


def test_pooled(traces):
    trials = [trial_figures(trace) for trace in traces]
    for k, target in enumerate(('valence', 'arousal')):
        pred, truth = (np.concatenate(parts) for parts in zip(*(valid(trace, k) for trace in traces), strict=True))
        found = pooled_figures(trials, target)
        assert found.ccc == pytest.approx(ccc(pred, truth), abs=1e-9)
        assert found.pcc == pytest.approx(np.corrcoef(pred, truth)[0, 1], abs=1e-6)
        assert found.rmse == pytest.approx(np.sqrt(np.mean((pred - truth) ** 2)), abs=1e-6)
        assert found.interval[0] <= found.ccc <= found.interval[1]
        assert found.frames == len(pred)
        assert (found.trials, found.defined) == ((4, 3), (3, 3))[k]


def test_figures_are_those_of_the_metric(traces):
    metric = CCCMetric(collect_device='cpu')
    trials = []
    for trace in traces:
        # A metric knows one flag of both annotations.
        trace.annotated[~np.isfinite(trace.annotated).all(axis=1)] = np.nan
        trials.append(trial_figures(trace))
        sample = AffectDataSample(metainfo={'trial': trace.trial, 'start': 0, 'stride': 1, 'targets': trace.targets})
        sample.gt_affect = torch.from_numpy(np.array(trace.annotated))
        sample.valid = torch.from_numpy(np.isfinite(trace.annotated).all(axis=1))
        sample.pred_affect = torch.from_numpy(np.array(trace.affect))
        metric.process({}, [sample.to_dict()])
    expected = metric.evaluate(len(traces))
    for target in ('valence', 'arousal'):
        found = pooled_figures(trials, target)
        figures = {'CCC': found.ccc, 'PCC': found.pcc, 'RMSE': found.rmse, 'CCC_per_trial': found.mean_per_trial}
        for name, value in figures.items():
            assert value == pytest.approx(expected[f'{name}/{target}'], abs=1e-12), (name, target)


def test_agreement_of_trials_of_which_some_are_undefined():
    g = np.random.default_rng(0)
    pred, truth = g.uniform(-1, 1, (2, 40))
    found = agreement([(pred, truth), (pred[:1], truth[:1]), (pred[:0], truth[:0]), (np.zeros(5), truth[:5])])
    assert found.per_trial[0] == pytest.approx(ccc(pred, truth))
    assert np.isnan(found.per_trial[1:]).all()
    assert found.reasons == (None, '1 frame(s)', '0 frame(s)', 'constant prediction')
    assert (found.frames, found.trials, found.defined) == (46, 3, 1)
    assert found.mean_per_trial == found.per_trial[0]
    nothing = agreement([])
    assert np.isnan([nothing.ccc, nothing.rmse, nothing.mean_per_trial, *nothing.interval]).all()


def test_density(traces):
    trials = [trial_figures(trace) for trace in traces]
    found = density(trials, 'arousal', bins=4)
    expected = np.zeros((4, 4))
    for trace in traces:
        for p, t in zip(*valid(trace, 1), strict=True):
            expected[min(int((p + 1) * 2), 3), min(int((t + 1) * 2), 3)] += 1
    np.testing.assert_array_equal(found, expected)
