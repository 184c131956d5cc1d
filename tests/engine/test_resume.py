"""Which checkpoint a run continues from."""

import shutil

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook

from mmaffect.engine import resume
from mmaffect.engine.resume import latest_checkpoint, open_checkpoint, prepare_resume
from mmaffect.errors import CheckpointError, ConfigError, DownloadError
from tests.toy_run import toy_runner


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('run') / 'work'
    toy_runner(work_dir, epochs=3).train()
    return work_dir


@pytest.fixture
def work_dir(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / 'moved')


def test_last_checkpoint_is_relative_so_that_the_folder_can_move(work_dir):
    assert (work_dir / 'last_checkpoint').read_text() == 'epoch_3.pth'
    assert latest_checkpoint(work_dir) == work_dir / 'epoch_3.pth'


def test_the_full_path_that_mmengine_writes_is_read_too_also_after_a_move(work_dir):
    (work_dir / 'last_checkpoint').write_text(str(work_dir / 'epoch_2.pth'))
    assert latest_checkpoint(work_dir) == work_dir / 'epoch_2.pth'
    (work_dir / 'last_checkpoint').write_text('/gone/for/ever/epoch_2.pth')
    assert latest_checkpoint(work_dir) == work_dir / 'epoch_2.pth'


@pytest.mark.parametrize('damage', ['cut', 'empty', 'missing', 'flipped'])
def test_a_damaged_last_checkpoint_falls_back_to_the_one_before_it(work_dir, damage, monkeypatch):
    last = work_dir / 'epoch_3.pth'
    data = bytearray(last.read_bytes())
    if damage == 'missing':
        last.unlink()
    elif damage == 'flipped':
        data[len(data) // 2] ^= 1
        last.write_bytes(data)
    else:
        last.write_bytes(data[: len(data) // 2] if damage == 'cut' else b'')
    warnings = []
    monkeypatch.setattr(resume, '_warn', warnings.append)
    assert latest_checkpoint(work_dir) == work_dir / 'epoch_2.pth'
    assert len(warnings) == 1
    assert 'epoch_3.pth' in warnings[0]
    assert 'before it' in warnings[0]
    runner = toy_runner(work_dir, resume=True, epochs=3)
    runner.train()
    assert runner.train_loop.epoch == 3
    assert latest_checkpoint(work_dir) == last


def test_only_damaged_checkpoints_are_an_error_that_names_the_last(work_dir):
    for path in work_dir.glob('*.pth'):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r'epoch_3\.pth'):
        latest_checkpoint(work_dir)


def test_the_best_weights_are_no_checkpoint_to_continue_from(work_dir):
    for path in work_dir.glob('epoch_*.pth'):
        path.unlink()
    with pytest.raises(DownloadError, match='no such file'):
        latest_checkpoint(work_dir)


def test_without_checkpoints_training_begins_anew(tmp_path):
    cfg = Config({'work_dir': str(tmp_path / 'none')})
    prepare_resume(cfg, 'auto')
    assert (cfg.resume, cfg.load_from) == (False, None)


def test_no_resume_leaves_the_config_alone():
    cfg = Config({'work_dir': 'x', 'load_from': 'weights.pth'})
    prepare_resume(cfg, None)
    assert cfg.load_from == 'weights.pth'


def test_a_checkpoint_is_read_once_until_it_changes(work_dir, monkeypatch):
    read = []
    real = resume.read_checkpoint
    monkeypatch.setattr(resume, 'read_checkpoint', lambda path: read.append(path) or real(path))
    path = work_dir / 'epoch_3.pth'
    first = open_checkpoint(path)
    assert open_checkpoint(path) is first
    assert len(read) == 1
    assert resume._load_from_anywhere(str(path)) is first
    torch.save({'state_dict': {'a': torch.ones(1)}}, path)
    assert open_checkpoint(path)['state_dict'].keys() == {'a'}
    assert len(read) == 2


def config(work_dir, **more):
    return Config({'work_dir': str(work_dir), **more})


def test_resume_of_a_config_is_that_of_the_flag(work_dir):
    cfg = config(work_dir, resume=True)
    prepare_resume(cfg, None)
    assert (cfg.resume, cfg.load_from) == (True, str(work_dir / 'epoch_3.pth'))


def test_the_seed_is_that_of_the_run(work_dir):
    cfg = config(work_dir, randomness=dict(seed=77, deterministic=True))
    prepare_resume(cfg, 'auto')
    assert cfg.randomness == dict(seed=5, deterministic=True)
    prepare_resume(cfg, 'auto', seed=5)
    with pytest.raises(ConfigError, match=r'--seed 77: .*epoch_3\.pth is of a run with seed 5'):
        prepare_resume(cfg, 'auto', seed=77)


def test_a_run_without_a_given_seed_goes_on_with_the_one_it_drew(tmp_path):
    toy_runner(tmp_path, epochs=1, randomness={'seed': None}).train()
    runner = toy_runner(tmp_path, resume=True, epochs=2, randomness={'seed': None})
    assert runner.train_loop.dataloader.sampler.seed == open_checkpoint(tmp_path / 'epoch_1.pth')['meta']['seed']


@pytest.mark.parametrize('which', ['best', 'plain'])
def test_weights_alone_are_no_run_to_continue(work_dir, which):
    path = next(work_dir.glob('best_*.pth'))
    if which == 'plain':
        path = work_dir / 'plain.pth'
        torch.save({'state_dict': {'a': torch.ones(1)}}, path)
    with pytest.raises(CheckpointError, match='holds weights only; begin a run with them by'):
        prepare_resume(config(work_dir), str(path))


def test_a_run_can_go_on_in_another_folder_again_and_again(tmp_path):
    hooks = [{'type': 'RevertToBestHook'}]
    a, b = tmp_path / 'a', tmp_path / 'b'
    toy_runner(a, epochs=2, figures=[0.5, 0.1], hooks=hooks).train()
    before = sorted(path.name for path in a.iterdir())
    toy_runner(b, resume=a / 'epoch_2.pth', epochs=3, figures=[0.2], hooks=hooks).train()
    toy_runner(b, resume=True, epochs=4, figures=[0.3], hooks=hooks).train()
    assert sorted(path.name for path in b.glob('*.pth')) == ['best_CCC_mean_epoch_1.pth', 'epoch_3.pth', 'epoch_4.pth']
    assert sorted(path.name for path in a.iterdir()) == before


def test_files_of_others_in_another_folder_are_left_alone(tmp_path):
    a, b = tmp_path / 'a', tmp_path / 'b'
    toy_runner(a, epochs=3).train()
    b.mkdir()
    for name in ('epoch_1.pth', 'epoch_2.pth', 'iter_16.pth'):
        (b / name).write_bytes(b'mine')
    toy_runner(b, resume=a / 'epoch_3.pth', epochs=4).train()
    assert (b / 'epoch_1.pth').read_bytes() == (b / 'iter_16.pth').read_bytes() == b'mine'


class Stop(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        raise KeyboardInterrupt


def test_a_run_that_begins_anew_is_not_resumed_from_an_earlier_one(work_dir):
    with pytest.raises(KeyboardInterrupt):
        toy_runner(work_dir, epochs=2, hooks=[Stop()]).train()
    assert latest_checkpoint(work_dir) is None


def test_a_damaged_checkpoint_does_not_fall_back_to_an_earlier_run(work_dir):
    toy_runner(work_dir, epochs=1).train()
    (work_dir / 'epoch_1.pth').write_bytes(b'')
    with pytest.raises(CheckpointError, match=r'epoch_1\.pth'):
        latest_checkpoint(work_dir)


def test_a_run_that_goes_back_forgets_the_branch_that_it_leaves(work_dir):
    with pytest.raises(KeyboardInterrupt):
        toy_runner(work_dir, resume=work_dir / 'epoch_2.pth', epochs=3, hooks=[Stop()]).train()
    assert latest_checkpoint(work_dir) == work_dir / 'epoch_2.pth'
