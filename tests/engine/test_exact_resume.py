"""A run that was cut and resumed is the run that was not, to the bit."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.hooks import Hook
from torch.utils.data import DataLoader

from mmaffect.engine.checkpoint import read_checkpoint
from tests.toy_run import ToyData, toy_runner

PLATEAU = [
    {'type': 'LinearLR', 'start_factor': 0.1, 'by_epoch': True, 'end': 2, 'convert_to_iter_based': True},
    {'type': 'ReduceOnPlateauLR', 'monitor': 'CCC/mean', 'rule': 'greater', 'patience': 0, 'begin': 1, 'end': 10**9},
]


class CutError(Exception):
    """Power goes off."""


class Cutter(Hook):
    priority = 'VERY_HIGH'

    def __init__(self, iteration=None, validation=None):
        self.iteration, self.validation = iteration, validation

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration:
            raise CutError

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.epoch == self.validation:
            raise CutError


def losses(work_dir):
    """What was logged, by step; what was trained twice must have been the same."""
    found = {}
    for path in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        for line in map(json.loads, path.read_text().splitlines()):
            kind = 'train' if 'loss' in line else 'val'
            line = {key: value for key, value in line.items() if key.split('/')[-1] not in ('time', 'data_time')}
            assert found.setdefault((kind, line['step']), line) == line
    return found


def equal(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


def check_same(first, second):
    assert losses(first) == losses(second)
    name = (first / 'last_checkpoint').read_text()
    assert (second / 'last_checkpoint').read_text() == name
    one, other = read_checkpoint(first / name), read_checkpoint(second / name)
    for part in ('state_dict', 'optimizer', 'param_schedulers', 'hooks', 'random_states', 'gradients'):
        assert equal(one[part], other[part]), part
    assert sorted(path.name for path in first.glob('*.pth')) == sorted(path.name for path in second.glob('*.pth'))


# 22 windows in batches of 4 are 6 iterations an epoch; saved after 2 and 4 of them.
@pytest.mark.parametrize(
    'cuts',
    [
        [{'iteration': 1}],
        [{'iteration': 3}, {'iteration': 10}],
        [{'validation': 1}, {'validation': 2}],
        [{'iteration': 6}, {'validation': 3}, {'iteration': 23}],
    ],
    ids=['before the first checkpoint', 'within epochs', 'in validations', 'mixed'],
)
@pytest.mark.parametrize(
    'parts',
    [
        {},
        {'param_scheduler': PLATEAU},
        # 6 iterations are no multiple of 4: gradients wait over the end of an epoch.
        {
            'optim_wrapper': {
                'type': 'OptimWrapper',
                'optimizer': {'type': 'Adam', 'lr': 0.01},
                'accumulative_counts': 4,
            }
        },
    ],
    ids=['plain', 'plateau', 'accumulation'],
)
def test_cut_runs_are_the_unbroken_run(tmp_path, cuts, parts):
    toy_runner(tmp_path / 'whole', **parts).train()
    for cut in cuts:
        with pytest.raises(CutError):
            toy_runner(tmp_path / 'cut', resume=True, hooks=[Cutter(**cut)], **parts).train()
    toy_runner(tmp_path / 'cut', resume=True, **parts).train()
    check_same(tmp_path / 'whole', tmp_path / 'cut')


def test_windows_before_the_checkpoint_are_not_read_again(tmp_path):
    with pytest.raises(CutError):
        toy_runner(tmp_path, hooks=[Cutter(iteration=5)]).train()
    runner = toy_runner(tmp_path, resume=True, epochs=1)
    runner.train()
    assert (tmp_path / 'last_checkpoint').read_text() == 'epoch_1.pth'
    # The checkpoint is that of 4 batches of 4.
    assert len(runner.train_dataloader.dataset.read) == 22 - 16


@pytest.mark.parametrize(
    'schedule',
    [
        PLATEAU,
        # Their end is that of the training.
        [{'type': 'ExponentialLR', 'gamma': 0.5, 'by_epoch': True}],
        [{'type': 'ExponentialLR', 'gamma': 0.9, 'by_epoch': True, 'convert_to_iter_based': True}],
        [{'type': 'PlateauLR', 'patience': 0, 'begin': 1}],
    ],
    ids=['linear and plateau', 'epochs', 'iterations', 'PlateauLR'],
)
def test_more_epochs_are_those_of_a_longer_run(tmp_path, schedule):
    toy_runner(tmp_path / 'whole', epochs=4, param_scheduler=schedule).train()
    toy_runner(tmp_path / 'two', epochs=2, param_scheduler=schedule).train()
    toy_runner(tmp_path / 'two', resume=True, epochs=4, param_scheduler=schedule).train()
    check_same(tmp_path / 'whole', tmp_path / 'two')


def test_a_longer_schedule_takes_the_place_of_the_one_in_the_checkpoint(tmp_path):
    def schedule(end):
        return [{'type': 'LinearLR', 'start_factor': 0.1, 'by_epoch': True, 'end': end}]

    toy_runner(tmp_path, epochs=2, param_scheduler=schedule(3)).train()
    runner = toy_runner(tmp_path, resume=True, epochs=5, param_scheduler=schedule(5))
    runner.train()
    (scheduler,) = runner.param_schedulers
    assert (scheduler.end, scheduler.last_step) == (5, 4)


def test_another_batch_size_goes_on_in_about_the_same_place(tmp_path):
    with pytest.raises(CutError):
        toy_runner(tmp_path, hooks=[Cutter(iteration=5)]).train()
    runner = toy_runner(tmp_path, resume=True, epochs=1, batch_size=2)
    runner.train()
    assert len(runner.train_dataloader.dataset.read) == 22 - 2 * (4 * 11 // 6)


def test_a_finished_run_is_not_trained_again(tmp_path):
    toy_runner(tmp_path, epochs=1).train()
    runner = toy_runner(tmp_path, resume=True, epochs=1)
    runner.train()
    assert runner.train_dataloader.dataset.read == []


class Drawing(ToyData):
    """Draws from the global generator, as datasets of others do."""

    def __getitem__(self, index):
        item = super().__getitem__(index if isinstance(index, int) else index.index)
        return {**item, 'inputs': item['inputs'] + torch.randn(4)}


@pytest.mark.parametrize('sampler', [{'type': 'DefaultSampler', 'shuffle': True}, {'type': 'RandomSampler'}])
def test_other_samplers_and_datasets_that_draw_are_exact_too(tmp_path, sampler):
    def parts():
        loader = {'dataset': Drawing(), 'batch_size': 4, 'num_workers': 0, 'collate_fn': {'type': 'pseudo_collate'}}
        if sampler['type'] == 'RandomSampler':
            return {'train_dataloader': DataLoader(Drawing(), 4, shuffle=True, collate_fn=pseudo_collate)}
        return {'train_dataloader': {**loader, 'sampler': sampler}}

    toy_runner(tmp_path / 'whole', **parts()).train()
    for iteration in (3, 10):
        with pytest.raises(CutError):
            toy_runner(tmp_path / 'cut', resume=True, hooks=[Cutter(iteration=iteration)], **parts()).train()
    toy_runner(tmp_path / 'cut', resume=True, **parts()).train()
    check_same(tmp_path / 'whole', tmp_path / 'cut')
