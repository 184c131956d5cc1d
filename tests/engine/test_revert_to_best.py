import math

import pytest
import torch

from mmaffect.errors import ConfigError
from tests.engine.recipe_runs import tiny_run

CONSTANT = [dict(type='ConstantLR', factor=1.0)]
REVERT = [dict(type='RevertToBestHook')]


def run(folder, values, **more):
    runner, trace = tiny_run(folder, values.__getitem__, len(values), CONSTANT, REVERT, lr=1e-2, **more)
    runner.train()
    return runner, trace.epochs


def equal(one, other):
    return all(torch.equal(one[key], other[key]) for key in one)


def test_every_epoch_ends_with_the_best_weights(tmp_path):
    runner, epochs = run(tmp_path, [0.1, 0.0, 0.3, math.nan, 0.2, 0.4])
    states = [epoch['state'] for epoch in epochs]
    assert [equal(states[i], states[j]) for i, j in ((0, 1), (2, 3), (2, 4))] == [True] * 3
    assert not equal(states[1], states[2])
    assert not equal(states[4], states[5])
    # BatchNorm's statistics are among them, the optimizer's moments are not.
    assert states[4]['visual.backbone.output.0.num_batches_tracked'] == 2 * 2
    (step,) = {int(state['step']) for state in runner.optim_wrapper.optimizer.state.values()}
    assert step == 6 * 2


def test_the_weights_are_those_of_the_file(tmp_path):
    runner, _ = run(tmp_path, [0.1, 0.3, 0.2])
    best = torch.load(tmp_path / 'best_CCC_mean_epoch_2.pth', weights_only=False)['state_dict']
    assert equal(best, runner.model.state_dict())


def test_an_epoch_without_validation_is_not_thrown_away(tmp_path):
    _, epochs = run(tmp_path, [0.0, 0.3, 0.0, 0.2, 0.0], val_interval=2)
    states = [epoch['state'] for epoch in epochs]
    assert not equal(states[1], states[2])
    assert equal(states[1], states[3])
    assert equal(states[1], states[4])  # the last epoch is always validated


def test_without_any_best_it_goes_on(tmp_path):
    _, epochs = run(tmp_path, [math.nan] * 2)
    assert not equal(epochs[0]['state'], epochs[1]['state'])


def test_it_continues_after_a_resume(tmp_path):
    values = [0.1, 0.3, 0.2, 0.1]
    _, whole = run(tmp_path / 'whole', values)
    run(tmp_path / 'cut', values[:3])
    _, rest = run(tmp_path / 'cut', values, resume=str(tmp_path / 'cut/epoch_3.pth'))
    assert len(rest) == 1
    assert equal(rest[0]['state'], whole[3]['state'])


def test_it_needs_the_best_weights_to_be_kept(tmp_path):
    with pytest.raises(ConfigError, match='RevertToBestHook: needs default_hooks'):
        run(tmp_path, [0.1], checkpoint=dict(save_best=None))
