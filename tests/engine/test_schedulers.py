import math

import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import build_scheduler_from_cfg
from torch.optim.lr_scheduler import ReduceLROnPlateau

from mmaffect.engine.run_state import plain_values, progress
from mmaffect.engine.schedulers import PlateauLR, SawToothWarmupLR
from mmaffect.errors import ConfigError
from mmaffect.registry import PARAM_SCHEDULERS


def adam(lr=1e-4):
    return torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def validate(scheduler, *values):
    """Epochs with a validation each; the learning rate after each."""
    rates = []
    for value in values:
        scheduler.step()
        scheduler.step({'CCC/mean': value})
        rates.append(scheduler.optimizer.param_groups[0]['lr'])
    return rates


@pytest.mark.parametrize('rule', ['greater', 'less'])
def test_plateau_is_that_of_pytorch(rule):
    values = np.random.default_rng(0).normal(size=200)
    ours = PlateauLR(adam(), rule=rule, patience=3, threshold=0.05, factor=0.5)
    mode = {'greater': 'max', 'less': 'min'}[rule]
    optimizer = adam()
    theirs = ReduceLROnPlateau(optimizer, mode, patience=3, threshold=0.05, threshold_mode='abs', factor=0.5, eps=0)
    expected = []
    for value in values:
        theirs.step(value)
        expected.append(optimizer.param_groups[0]['lr'])
    assert validate(ours, *values) == expected
    assert len(set(expected)) > 10


def test_the_sixth_epoch_reduces_and_there_is_no_floor():
    rates = validate(PlateauLR(adam(), patience=5), *[0.5] * 37)
    assert rates[:7] == [1e-4] * 6 + [1e-5]  # the first is an improvement
    assert rates[6::6] == [1e-4 * 0.1, 1e-4 * 0.1 * 0.1, *(pytest.approx(10.0**-n) for n in (7, 8, 9, 10))]


def test_best_is_that_of_the_warm_up_too():
    scheduler = PlateauLR(adam(), patience=0, begin=2)
    assert validate(scheduler, 0.5, 0.1) == [1e-4] * 2
    assert validate(scheduler, 0.4) == [1e-5]
    assert scheduler.best == 0.5


def test_epochs_from_the_end_on_are_not_counted():
    assert validate(PlateauLR(adam(), patience=0, begin=1, end=2), 0.5, 0.4, 0.3)[-2:] == [1e-5] * 2


def test_a_run_may_end_before_the_warm_up():
    assert validate(PlateauLR(adam(), patience=0, begin=5, end=2), 0.5, 0.4) == [1e-4] * 2


def test_negative_best_and_nan_are_no_improvement():
    scheduler = PlateauLR(adam(), patience=1)
    assert validate(scheduler, -0.5, -0.5001, math.nan)[-2:] == [1e-4, 1e-5]
    assert scheduler.best == -0.5


def test_wrong_monitor_names_the_nearest():
    with pytest.raises(ConfigError, match=r"PlateauLR: monitor='CCC/maen'.* did you mean 'CCC/mean'"):
        PlateauLR(adam(), monitor='CCC/maen').step({'CCC/mean': 0.1, 'RMSE/valence': 0.2})
    with pytest.raises(ConfigError, match='it gives CCC/mean, RMSE/valence'):
        PlateauLR(adam(), monitor='loss').step({'CCC/mean': 0.1, 'RMSE/valence': 0.2})


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (dict(factor=1.0), 'factor=1.0'),
        (dict(factor=0), 'factor=0'),
        (dict(patience=-1), 'patience=-1'),
        (dict(threshold=-0.1), 'threshold=-0.1'),
        (dict(rule='max'), "rule='max'; expected 'greater' or 'less'"),
        (dict(by_epoch=False), 'by_epoch'),
    ],
)
def test_plateau_refuses(arguments, text):
    with pytest.raises(ConfigError, match=text):
        PlateauLR(adam(), **arguments)


def build(optimizer, **cfg):
    """As a Runner with 7 batches an epoch and 100 epochs does."""
    return build_scheduler_from_cfg(
        {'end': 100, **cfg}, PARAM_SCHEDULERS, default_args=dict(optimizer=optimizer, epoch_length=7)
    )


def test_saw_tooth():
    optimizer = adam()
    scheduler = build(OptimWrapper(optimizer), type='SawToothWarmupLR', begin=0, end=5, convert_to_iter_based=True)
    assert isinstance(scheduler, SawToothWarmupLR)
    rates = []
    for _ in range(6 * 7):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    # By hand: epoch r from 0 in steps of (r + 1) lr / (25 * 7).
    teeth = np.concatenate([np.linspace(0, (r + 1) * 1e-4 / 25, 7, endpoint=False) for r in range(5)])
    np.testing.assert_allclose(rates[:35], teeth, rtol=1e-12)
    assert rates[35:] == [1e-4] * 7
    assert max(rates[:35]) < 1e-4 / 5


def test_saw_tooth_needs_iterations():
    with pytest.raises(ConfigError, match='convert_to_iter_based=True'):
        build(adam(), type='SawToothWarmupLR', end=5)


@pytest.mark.parametrize('cut', [3, 20, 33, 36, 60])
def test_both_continue_from_their_progress_alone(cut):
    def start(last_epoch):
        optimizer = adam()
        first = build(optimizer, type='SawToothWarmupLR', end=5, convert_to_iter_based=True)
        return optimizer, [first, build(optimizer, type='PlateauLR', patience=0, begin=5, end=last_epoch)]

    def go(optimizer, schedulers, first, last):
        rates = []
        for step in range(first, last):
            rates.append(optimizer.param_groups[0]['lr'])
            optimizer.step()
            schedulers[0].step()
            if step % 7 == 6:
                schedulers[1].step()
                schedulers[1].step({'CCC/mean': 1.0 / (step + 1)})
        return rates

    whole = go(*start(100), 0, 70)
    # Its end has been raised since.
    optimizer, schedulers = start(9)
    fresh = [plain_values(one.state_dict()) for one in schedulers]
    rates = go(optimizer, schedulers, 0, cut)
    states = list(map(progress, schedulers, fresh))
    assert not any({'end', 'by_epoch', 'begin'} & state.keys() for state in states)
    other, others = start(100)
    other.load_state_dict(optimizer.state_dict())
    for one, state in zip(others, states, strict=True):
        one.load_state_dict(state)
    assert rates + go(other, others, cut, 70) == whole
