"""Which checkpoint a run continues from."""

import shutil

import pytest
import torch
from mmengine.config import Config

from mmaffect.engine import resume
from mmaffect.engine.resume import latest_checkpoint, open_checkpoint, prepare_resume
from mmaffect.errors import CheckpointError, DownloadError
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
