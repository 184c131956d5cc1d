"""What is saved, what is kept, and what is never half there."""

import io
import os
import signal
import subprocess
import sys

import pytest
import torch
from mmengine.hooks import Hook

from mmaffect import compat
from mmaffect.engine.checkpoint import read_checkpoint
from mmaffect.engine.hooks import CheckpointHook
from mmaffect.engine.run_state import stateful
from mmaffect.errors import ConfigError
from tests.toy_run import toy_runner


def names(folder):
    return sorted(path.name for path in folder.glob('*.pth'))


def checkpoints(**arguments):
    return {'default_hooks': {'checkpoint': {'type': 'CheckpointHook', **arguments}}}


def test_the_last_two_epochs_are_kept_with_the_best_weights_of_their_time(tmp_path):
    toy_runner(tmp_path, epochs=4, figures=[0.1, 0.3, 0.2, 0.4], **checkpoints()).train()
    # epoch_3 cannot be continued without the best weights of epoch 2.
    assert names(tmp_path) == ['best_CCC_mean_epoch_2.pth', 'best_CCC_mean_epoch_4.pth', 'epoch_3.pth', 'epoch_4.pth']
    hook = read_checkpoint(tmp_path / 'epoch_4.pth')['hooks']['CheckpointHook']
    assert (hook['best_score'], hook['best_ckpt']) == (0.4, 'best_CCC_mean_epoch_4.pth')


@pytest.mark.parametrize(
    ('rule', 'figures', 'best'),
    [
        ('greater', [0.1, 0.3, 0.3], 2),
        ('less', [0.1, 0.3, 0.05], 3),
        ('greater', [float('nan'), -0.2, -0.3], 2),
        ('less', [float('nan'), float('nan'), 0.1], 3),
    ],
)
def test_best(tmp_path, rule, figures, best):
    toy_runner(tmp_path, epochs=3, figures=figures, **checkpoints(rule=rule)).train()
    hook = read_checkpoint(tmp_path / 'epoch_3.pth')['hooks']['CheckpointHook']
    assert hook['best_ckpt'] == f'best_CCC_mean_epoch_{best}.pth'
    assert hook['best_ckpt'] in names(tmp_path)


def test_best_weights_are_those_that_were_validated(tmp_path):
    seen = {}

    class Copy(Hook):
        def after_val_epoch(self, runner, metrics=None):
            seen[runner.epoch] = {key: value.clone() for key, value in runner.model.state_dict().items()}

    toy_runner(tmp_path, epochs=3, figures=[0.1, 0.3, 0.2], hooks=[Copy()], **checkpoints()).train()
    state = read_checkpoint(tmp_path / 'best_CCC_mean_epoch_2.pth')['state_dict']
    assert all(torch.equal(value, seen[2][key]) for key, value in state.items())
    assert not torch.equal(state['head.1.weight'], seen[3]['head.1.weight'])


def test_interval_and_last_epoch(tmp_path):
    toy_runner(tmp_path, epochs=5, **checkpoints(interval=2, max_keep_ckpts=-1, save_best=None)).train()
    assert names(tmp_path) == ['epoch_2.pth', 'epoch_4.pth', 'epoch_5.pth']


def test_a_checkpoint_within_an_epoch_is_replaced(tmp_path):
    saved = []

    class Look(Hook):
        priority = 'LOWEST'

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            saved.append(names(tmp_path))

    toy_runner(tmp_path, epochs=1, hooks=[Look()], **checkpoints(iter_interval=2, save_best=None)).train()
    assert saved == [[], ['iter_2.pth'], ['iter_2.pth'], ['iter_4.pth'], ['iter_4.pth'], ['iter_4.pth']]
    assert names(tmp_path) == ['epoch_1.pth']


def test_files_of_others_are_left_alone(tmp_path):
    (tmp_path / 'epoch_0.pth').write_bytes(b'mine')
    (tmp_path / '.epoch_7.123.tmp.pth').write_bytes(b'half')
    toy_runner(tmp_path, epochs=3, **checkpoints(save_best=None)).train()
    assert names(tmp_path) == ['epoch_0.pth', 'epoch_2.pth', 'epoch_3.pth']
    assert not list(tmp_path.glob('.*.pth'))


def test_what_a_killed_run_could_not_delete_goes_at_the_resume(tmp_path):
    toy_runner(tmp_path, epochs=3, **checkpoints(save_best=None)).train()
    (tmp_path / 'epoch_1.pth').write_bytes(b'left')
    runner = toy_runner(tmp_path, resume=True, epochs=3, **checkpoints(save_best=None))
    runner.train()
    assert names(tmp_path) == ['epoch_2.pth', 'epoch_3.pth']


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        ({'interval': 0}, 'interval=0'),
        ({'iter_interval': 0}, 'iter_interval=0'),
        ({'max_keep_ckpts': 0}, 'max_keep_ckpts=0'),
        ({'max_keep_ckpts': -2}, 'max_keep_ckpts=-2'),
        ({'rule': 'best'}, "rule='best'"),
    ],
)
def test_arguments_out_of_range(arguments, text):
    with pytest.raises(ConfigError, match=text):
        CheckpointHook(**arguments)


def test_a_figure_that_the_validation_does_not_give(tmp_path):
    with pytest.raises(ConfigError, match=r"save_best='CCC/maen'.*did you mean 'CCC/mean'"):
        toy_runner(tmp_path, epochs=1, **checkpoints(save_best='CCC/maen')).train()


def test_mmengines_loop_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r'CheckpointHook: needs train_cfg\.type'):
        toy_runner(tmp_path, train_cfg={'type': 'mmengine.IterBasedTrainLoop', 'max_iters': 3}).train()


@pytest.mark.parametrize(
    'scheduler',
    [
        {'type': 'OneCycleLR', 'eta_max': 0.01, 'total_steps': 40, 'by_epoch': False},  # has a bound method
        {'type': 'CosineRestartLR', 'periods': [2, 4], 'restart_weights': [1, 0.5], 'eta_min': 0.0},
    ],
    ids=lambda scheduler: scheduler['type'],
)
def test_checkpoints_can_be_read_whatever_a_scheduler_keeps(tmp_path, scheduler):
    toy_runner(tmp_path, epochs=2, param_scheduler=[scheduler]).train()
    runner = toy_runner(tmp_path, resume=True, epochs=4, param_scheduler=[scheduler])
    runner.message_hub.update_info('folder', tmp_path)
    runner.train()
    whole = toy_runner(tmp_path / 'whole', epochs=4, param_scheduler=[scheduler])
    whole.train()
    assert runner.param_schedulers[0].last_step == whole.param_schedulers[0].last_step
    state = read_checkpoint(tmp_path / 'epoch_4.pth')['state_dict']
    expected = read_checkpoint(tmp_path / 'whole' / 'epoch_4.pth')['state_dict']
    assert all(torch.equal(value, expected[key]) for key, value in state.items())


def test_a_state_that_could_not_be_read_again_is_refused(tmp_path):
    class Dated(Hook):
        def state_dict(self):
            return {'at': tmp_path}

        def load_state_dict(self, state):
            raise NotImplementedError

    with pytest.raises(ConfigError, match=r"Dated\.state_dict: 'at' is no plain value"):
        toy_runner(tmp_path, epochs=1, hooks=[Dated()]).train()


def test_an_early_stop_between_two_intervals_is_saved(tmp_path):
    stop = {'type': 'EarlyStoppingHook', 'patience': 1}
    toy_runner(tmp_path, epochs=9, figures=[0.2, 0.3, 0.1], hooks=[stop], **checkpoints(interval=10)).train()
    assert (tmp_path / 'last_checkpoint').read_text() == 'epoch_3.pth'


def test_a_validation_after_the_training_keeps_no_weights(tmp_path):
    runner = toy_runner(tmp_path, epochs=1, figures=[0.2, 0.9], **checkpoints())
    runner.train()
    runner.val()
    assert read_checkpoint(tmp_path / 'epoch_1.pth')['hooks']['CheckpointHook']['best_score'] == 0.2
    assert names(tmp_path) == ['best_CCC_mean_epoch_1.pth', 'epoch_1.pth']
    assert (tmp_path / 'best_CCC_mean_epoch_1.pth').stat().st_mtime <= (tmp_path / 'epoch_1.pth').stat().st_mtime


def test_hooks_of_one_class_keep_their_states_apart():
    class Counter(Hook):
        def __init__(self, n):
            self.n = n

        def state_dict(self):
            return {'n': self.n}

        def load_state_dict(self, state):
            self.n = state['n']

    hooks = [Counter(1), Hook(), Counter(2)]
    assert {key: hook.n for key, hook in stateful(hooks)} == {'Counter': 1, 'Counter.2': 2}


def test_a_write_that_is_killed_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / 'a.pth'
    compat._save_checkpoint({'state_dict': {'a': torch.ones(3)}}, str(path))
    before = path.read_bytes()
    program = (
        'import os, signal, torch\n'
        'from mmaffect import compat\n'
        'def half(checkpoint, path):\n'
        '    open(path, "wb").write(b"half")\n'
        '    os.kill(os.getpid(), signal.SIGKILL)\n'
        'torch.save = half\n'
        f'compat._save_checkpoint({{}}, {str(path)!r})\n'
    )
    assert subprocess.run([sys.executable, '-c', program]).returncode == -signal.SIGKILL
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2  # and what was begun, under another name


def test_a_runner_writes_through_it(tmp_path, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, 'fsync', lambda number: synced.append(number) or real(number))
    toy_runner(tmp_path, epochs=1, **checkpoints(save_best=None)).train()
    assert len(synced) == 1
    whole = io.BytesIO((tmp_path / 'epoch_1.pth').read_bytes())
    assert torch.load(whole, weights_only=True)['meta']['epoch'] == 1
