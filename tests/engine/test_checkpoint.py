import pickle
import zipfile

import pytest
import torch
from mmengine.logging import HistoryBuffer
from torch import nn

from mmaffect.engine.checkpoint import load_weights, read_checkpoint
from mmaffect.errors import CheckpointError
from mmaffect.utils.files import sha256


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / 'model.pth'
    torch.save({'state_dict': nn.Linear(3, 2).state_dict(), 'meta': {'epoch': 1}}, path)
    return path


def test_round_trip(saved):
    model = nn.Linear(3, 2)
    assert load_weights(model, saved)['meta'] == {'epoch': 1}
    assert torch.equal(model.weight, torch.load(saved)['state_dict']['weight'])


def test_log_of_a_runner_is_read(tmp_path):
    torch.save({'state_dict': {'w': torch.zeros(1)}, 'log': HistoryBuffer([1.0, 4.0], [1, 1])}, tmp_path / 'a.pth')
    log = read_checkpoint(tmp_path / 'a.pth')['log']
    assert (log.mean(), log.statistics('max')) == (2.5, 4.0)


def test_expected_hash(saved):
    assert read_checkpoint(saved, expected_sha256=sha256(saved))
    data = bytearray(saved.read_bytes())
    data[len(data) // 2] ^= 1
    expected = sha256(saved)
    saved.write_bytes(data)
    with pytest.raises(CheckpointError, match='SHA-256 is'):
        read_checkpoint(saved, expected_sha256=expected)


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code of the checkpoint ran')",))


class Reaching:
    def __reduce__(self):
        return (getattr, (HistoryBuffer, '__init__'))


def write_compressed(path):
    torch.save({'state_dict': nn.Linear(3, 2).state_dict()}, path)
    with zipfile.ZipFile(path) as archive:
        parts = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts:
            archive.writestr(name, data)


BROKEN = {
    'empty': (lambda p: p.write_bytes(b''), '0 bytes'),
    'html': (lambda p: p.write_text('<!doctype html><html>'), 'an HTML page'),
    'lfs': (lambda p: p.write_text('version https://git-lfs.github.com/spec/v1'), 'a git-lfs pointer'),
    'text': (lambda p: p.write_text('hello'), 'not a checkpoint'),
    'pickle': (lambda p: p.write_bytes(pickle.dumps(Evil())), 'can run code'),
    'evil': (lambda p: torch.save({'state_dict': {'w': Evil()}}, p), 'not loaded'),
    'getattr': (lambda p: torch.save({'state_dict': {}, 'log': Reaching()}, p), 'holds objects other than weights'),
    'module': (lambda p: torch.save(nn.Linear(1, 1), p), 'not loaded'),
    'list': (lambda p: torch.save([1, 2], p), 'holds a list'),
    'nothing': (lambda p: torch.save({'state_dict': {}}, p), 'no weights'),
    'number': (lambda p: torch.save({'state_dict': {'w': 3}}, p), 'w is a int'),
    'nan': (lambda p: torch.save({'w': torch.tensor([float('nan')])}, p), 'w has values that are not finite'),
    'expanded': (lambda p: torch.save({'w': torch.zeros(1).expand(10**6, 10**6)}, p), 'larger than its data'),
    'compressed': (write_compressed, 'compressed records'),
}


@pytest.mark.parametrize('kind', BROKEN)
def test_broken_and_hostile_files(tmp_path, kind):
    write, text = BROKEN[kind]
    path = tmp_path / 'bad.pth'
    write(path)
    with pytest.raises(CheckpointError, match=text) as caught:
        read_checkpoint(path)
    assert str(path) in str(caught.value)
    assert 'weights_only' not in str(caught.value)


@pytest.mark.parametrize('share', [0.1, 0.5, 0.9, 0.99])
def test_truncated(saved, share):
    data = saved.read_bytes()
    saved.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(CheckpointError, match='truncated or damaged'):
        read_checkpoint(saved)


def test_missing_and_too_large(saved, tmp_path):
    with pytest.raises(CheckpointError, match='no such file'):
        read_checkpoint(tmp_path / 'none.pth')
    with pytest.raises(CheckpointError, match='expected 1 to 10'):
        read_checkpoint(saved, max_bytes=10)


def test_another_model_is_listed(saved):
    with pytest.raises(CheckpointError, match=r'2 missing \(0\.weight, 0\.bias\); 2 unexpected'):
        load_weights(nn.Sequential(nn.Linear(3, 2)), saved)
    with pytest.raises(CheckpointError, match=r'weight is \(2, 3\), the model has \(2, 4\)'):
        load_weights(nn.Linear(4, 2), saved)


def test_safetensors(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / 'model.safetensors'
    source, model = nn.Linear(3, 2), nn.Linear(3, 2)
    save_file(source.state_dict(), path)
    load_weights(model, path)
    assert torch.equal(model.weight, source.weight)
    data = path.read_bytes()
    path.write_bytes(data[:-4])
    with pytest.raises(CheckpointError, match='damaged'):
        load_weights(model, path)


def test_a_runner_does_not_run_the_config_of_a_checkpoint(tmp_path):
    from mmaffect.engine.hooks import CheckpointGuardHook

    checkpoint = {'meta': {'config': f"open({str(tmp_path / 'ran')!r}, 'w')", 'epoch': 3}, 'state_dict': {}}
    CheckpointGuardHook().after_load_checkpoint(None, checkpoint)
    assert checkpoint == {'meta': {'epoch': 3}, 'state_dict': {}}
