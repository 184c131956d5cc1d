import math

import pytest
from mmengine.config import Config

from mmaffect.engine import EpochBasedTrainLoop
from mmaffect.engine.config_check import check_config
from mmaffect.engine.hooks import EarlyStoppingHook
from mmaffect.errors import ConfigError
from mmaffect.registry import HOOKS
from tests.engine.recipe_runs import tiny_run
from tests.toy_run import toy_runner

CONSTANT = [dict(type='ConstantLR', factor=1.0)]


class Loop(EpochBasedTrainLoop):
    def __init__(self):
        self.stop_training = False


class FakeRunner:
    """What the hook needs of a Runner."""

    def __init__(self):
        self.train_loop = Loop()
        self.val_loop = 'there is one'
        self.logger = self
        self.lines = []

    def info(self, line):
        self.lines.append(line)


def stops_after(hook, values, runner=None):
    """Number of validations after which the hook stops; None if it does not."""
    runner = runner or FakeRunner()
    hook.before_train(runner)
    for number, value in enumerate(values, 1):
        hook.after_val_epoch(runner, {'CCC/mean': value})
        hook.after_cycle(runner)
        if runner.train_loop.stop_training:
            return number
    return None


def test_it_stands_in_the_place_of_mmengines():
    assert HOOKS.get('EarlyStoppingHook') is EarlyStoppingHook


@pytest.mark.parametrize(
    ('arguments', 'values', 'number'),
    [
        (dict(patience=3), [0.1, 0.2, 0.2, 0.15, 0.2, 0.9], 5),
        (dict(patience=3), [0.1, 0.0, 0.0, 0.11, 0.0, 0.0], None),
        (dict(patience=1), [0.1 + 0.005 * n for n in range(20)], None),  # from 0.10 to 0.195
        (dict(patience=2, min_delta=0.05), [0.10, 0.14, 0.14], 3),
        (dict(patience=2), [-0.2, -0.21, -0.205], 3),
        (dict(patience=2), [math.nan, math.nan, 0.3], 2),
        (dict(patience=2), [math.nan, 0.3, math.nan, 0.4, math.nan, math.nan], 6),
        (dict(patience=2, rule='less'), [0.3, 0.2, 0.1, 0.2, 0.15], 5),
    ],
)
def test_it_stops(arguments, values, number):
    assert stops_after(EarlyStoppingHook(**arguments), values) == number


def test_reset_keeps_the_best():
    hook = EarlyStoppingHook(patience=2)
    assert stops_after(hook, [0.5, 0.4]) is None
    hook.reset()
    assert stops_after(hook, [0.45, 0.48]) == 2


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (dict(rule='max'), "rule='max'; expected 'greater' or 'less'"),
        (dict(min_delta=-1), 'min_delta=-1'),
        (dict(patience=0), 'patience=0'),
    ],
)
def test_it_refuses(arguments, text):
    with pytest.raises(ConfigError, match=text):
        EarlyStoppingHook(**arguments)


def test_wrong_monitor_names_the_nearest():
    with pytest.raises(ConfigError, match=r"EarlyStoppingHook: monitor='CCC/vale'.* did you mean 'CCC/valence'"):
        EarlyStoppingHook(monitor='CCC/vale').after_val_epoch(FakeRunner(), {'CCC/mean': 0.1, 'CCC/valence': 0.1})


@pytest.mark.parametrize('name', ['strict', 'check_finite', 'stopping_threshold'])
def test_arguments_that_only_mmengine_has_are_named(name):
    cfg = Config(dict(custom_hooks=[dict(type='EarlyStoppingHook', monitor='CCC/mean', **{name: True})]))
    with pytest.raises(ConfigError, match=rf'custom_hooks\.0\.{name}: no such argument of EarlyStoppingHook'):
        check_config(cfg)


def test_a_resumed_run_counts_on_and_a_stopped_one_stays_stopped(tmp_path):
    def run(epochs, resume=None):
        hooks = [dict(type='EarlyStoppingHook', patience=4)]
        runner, trace = tiny_run(
            tmp_path, lambda epoch: [0.1, 0.3][min(epoch, 1)], epochs, CONSTANT, hooks, resume=resume
        )
        runner.train()
        return runner.epoch, len(trace.epochs)

    assert run(4) == (4, 4)
    assert run(20, str(tmp_path / 'epoch_4.pth')) == (6, 2)
    assert run(20, str(tmp_path / 'epoch_6.pth')) == (6, 0)


def test_the_loop_must_call_it(tmp_path):
    loop = {'type': 'mmengine.EpochBasedTrainLoop', 'max_epochs': 2}
    hooks = {'default_hooks': {'checkpoint': None}}
    with pytest.raises(ConfigError, match=r"EarlyStoppingHook: needs train_cfg\.type = 'EpochBasedTrainLoop'"):
        toy_runner(tmp_path, hooks=[{'type': 'EarlyStoppingHook'}], train_cfg=loop, **hooks).train()


def test_without_validation_it_says_that_it_does_nothing(tmp_path):
    none = {'val_dataloader': None, 'val_cfg': None, 'val_evaluator': None}
    runner = toy_runner(tmp_path, hooks=[{'type': 'EarlyStoppingHook', 'patience': 1}], epochs=3, **none)
    said = []
    runner.logger.warning = said.append
    runner.train()
    assert runner.epoch == 3
    assert said == ['EarlyStoppingHook: there is no validation to decide by']
