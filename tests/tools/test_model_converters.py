"""The converters from the command line."""

import pickle
import shutil
from pathlib import Path

import pytest
import torch

from mmaffect.engine.checkpoint import load_weights, read_checkpoint
from mmaffect.registry import MODELS
from mmaffect.utils.files import sha256
from tests.conversion import source_states as sources

TOOLS = Path(__file__).parents[2] / 'tools/model_converters'
NAMES = {
    'face_evolve_ir50': 'face.evoLVe IR-50',
    'i3d': 'I3D (rgb)',
    'kuhnke': "Kuhnke's TSAV",
    'lfan_ir50': "the LFAN authors' IR-50",
    'released_grjca': 'a released GRJCA',
    'released_lfan': 'a released LFAN of video and logmel',
    'torchvggish': 'torchvggish VGGish',
    'torchvision_r2plus1d': 'torchvision R(2+1)D-18',
    'torchvision_resnet18': 'torchvision ResNet-18',
}
TARGET = ['--target', 'valence']


@pytest.fixture
def run(run_here):
    return lambda tool, *args: run_here(TOOLS / f'{tool}_to_mmaffect.py', *args)


@pytest.fixture(scope='module')
def resnet18():
    return sources.filled(sources.resnet18())


@pytest.fixture(autouse=True)
def _no_large_files_left(tmp_path):
    yield
    shutil.rmtree(tmp_path)


def audio_resnet(prefix, path):
    pretrained = dict(type='Pretrained', checkpoint=str(path), prefix=prefix)
    return MODELS.build(dict(type='AudioResNet', init_cfg=pretrained))


def test_every_tool_is_in_the_list():
    assert sorted(path.stem.removesuffix('_to_mmaffect') for path in TOOLS.glob('*.py')) == list(NAMES)


@pytest.mark.parametrize('legacy', [False, True])
def test_converts_a_file(run, tmp_path, resnet18, legacy):
    src, dst = tmp_path / 'resnet18-f37072fd.pth', tmp_path / 'out/resnet18.pth'
    state = {f'module.{key}': torch.nn.Parameter(v) if 'conv' in key else v for key, v in resnet18.items()}
    torch.save(state, src, _use_new_zipfile_serialization=not legacy)
    status, out, err = run('torchvision_resnet18', src, dst)
    assert (status, err) == (0, '')
    assert out.splitlines()[-4:] == [
        'torchvision ResNet-18: converted 120 tensors (11.18 M values)',
        'dropped 2: fc.weight, fc.bias',
        'conv1.weight: the sum of its 3 channels',
        f'written to {dst}',
    ]
    checkpoint = read_checkpoint(dst)
    assert checkpoint['meta'] == {
        'source': 'torchvision ResNet-18',
        'sha256': sha256(src),
        'dropped': ['fc.weight', 'fc.bias'],
        'absent': [],
        'notes': ['conv1.weight: the sum of its 3 channels'],
    }
    assert all(key.startswith('audio.backbone.') for key in checkpoint['state_dict'])
    assert not any(isinstance(value, torch.nn.Parameter) for value in checkpoint['state_dict'].values())
    assert [path.name for path in dst.parent.iterdir()] == ['resnet18.pth']

    for prefix in ('audio.backbone.', 'audio.backbone'):
        model = audio_resnet(prefix, dst)
        model.init_weights()
        assert torch.equal(model.layer2[1].bn2.running_var, resnet18['layer2.1.bn2.running_var'])
        assert torch.equal(model.conv1.weight, resnet18['conv1.weight'].sum(1, keepdim=True))


def test_without_prefix(run, tmp_path, resnet18):
    from safetensors.torch import save_file

    save_file(resnet18, tmp_path / 'resnet18.safetensors')
    assert run('torchvision_resnet18', tmp_path / 'resnet18.safetensors', tmp_path / 'out.pth', '--prefix', '')[0] == 0
    model = MODELS.build(dict(type='AudioResNet'))
    load_weights(model, tmp_path / 'out.pth')
    assert torch.equal(model.layer4[0].conv1.weight, resnet18['layer4.0.conv1.weight'])


def test_converts_a_whole_model(run, tmp_path):
    unnamed = {'one': ('visual', 3), 'two': ('audio', 3)}
    shapes = sources.grjca(video=(8, 6), logmel=(4,), seq_len=20, gates=unnamed, hidden=5, fusion='x.')
    state = {
        key: torch.zeros(shape, dtype=torch.long if key.endswith('num_batches_tracked') else torch.half)
        for key, shape in shapes.items()
    }
    src, dst = tmp_path / 'model_state_dict0.6.pth', tmp_path / 'out.pth'
    torch.save(state, src)
    status, _, err = run('released_grjca', src, dst, *TARGET)
    assert (status, err.count('\n'), dst.exists()) == (1, 1, False)
    assert f'error: {src}: not a released GRJCA, or its gates have other names: x.one (3, 6), x.two (3, 4)' in err
    gates = ['--gate', 'gate.visual=x.one', '--gate', 'gate.audio=x.two', '--drop', 'x.text_gating_fc_layer']
    status, out, err = run('released_grjca', src, dst, *TARGET, *gates)
    assert (status, err) == (0, '')
    assert 'neck.gate.audio from x.two' in out
    assert 'x.vregressor.3.bias' in out
    state_dict = torch.load(dst, mmap=True)['state_dict']
    assert state_dict['neck.attention.layers.1.keys.0.weight'].shape == (20, 20)
    assert state_dict['data_preprocessor.audio_std'] == 1


@pytest.mark.parametrize('tool', NAMES)
def test_other_weights(run, tmp_path, tool):
    src, dst = tmp_path / 'src.pth', tmp_path / 'dst.pth'
    torch.save({'state_dict': torch.nn.Linear(3, 2).state_dict()}, src)
    status, out, err = run(tool, src, dst, *(TARGET if tool.startswith('released') else []))
    assert status == 1
    assert err.startswith(f'error: {src}: not {NAMES[tool]}; weights: ')
    assert ' missing (' in err
    assert err.count('\n') == 1
    assert 'written' not in out
    assert [path.name for path in tmp_path.iterdir()] == ['src.pth']


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code of the checkpoint ran')",))


def save(path, state, **kwargs):
    torch.save(state, path, **kwargs)


BAD = {
    'page': (lambda p, s: p.write_text('<!doctype html><html>'), 'an HTML page'),
    'pickle': (lambda p, s: p.write_bytes(pickle.dumps(Evil())), 'a plain pickle'),
    'code': (lambda p, s: save(p, s | {'x': Evil()}), 'holds objects other than weights'),
    'old code': (lambda p, s: save(p, {'x': Evil()}, _use_new_zipfile_serialization=False), 'other than weights'),
    'cut': (lambda p, s: (save(p, s), p.write_bytes(p.read_bytes()[:-99])), 'truncated or damaged'),
    'nan': (lambda p, s: save(p, s | {'fc.bias': torch.tensor([float('nan')])}), 'fc.bias has values'),
    'empty': (lambda p, s: save(p, s | {'bn1.bias': torch.zeros(0)}), 'bn1.bias is empty'),
    'scalar': (lambda p, s: save(p, s | {'conv1.weight': torch.tensor(1.0)}), r'conv1.weight is (), expected (64, 1,'),
    'missing': (lambda p, s: save(p, {k: v for k, v in s.items() if k != 'bn1.bias'}), '1 missing (bn1.bias)'),
    'extra': (lambda p, s: save(p, s | {'a\n\x1b[2Jb': torch.zeros(1)}), r"1 unexpected ('a\n\x1b[2Jb')"),
    'shape': (lambda p, s: save(p, s | {'bn1.bias': torch.zeros(3)}), 'bn1.bias is (3,), expected (64,)'),
}


@pytest.mark.parametrize('kind', BAD)
def test_bad_files(run, tmp_path, resnet18, kind):
    write, text = BAD[kind]
    src, dst = tmp_path / 'src.pth', tmp_path / 'dst.pth'
    write(src, resnet18)
    status, _, err = run('torchvision_resnet18', src, dst)
    assert status == 1
    assert text in err
    assert err.count('\n') == 1
    assert err.startswith(f'error: {src}: ')
    assert [path.name for path in tmp_path.iterdir()] == ['src.pth']


def test_bad_arguments(run, tmp_path, resnet18):
    src = tmp_path / 'src.pth'
    torch.save(resnet18, src)
    before = sha256(src)
    assert run('i3d', tmp_path / 'none.pth', tmp_path / 'dst.pth')[2] == f'error: {tmp_path}/none.pth: no such file\n'
    assert 'is the source itself' in run('torchvision_resnet18', src, src)[2]
    assert 'ends in .pth' in run('torchvision_resnet18', src, tmp_path / 'dst.safetensors')[2]
    assert run('torchvision_resnet18', src, tmp_path)[0] == 1
    assert run('released_lfan', src, tmp_path / 'dst.pth')[0] == 2  # no --target
    assert run('released_grjca', src, tmp_path / 'dst.pth', *TARGET, '--gate', 'x')[0] == 2
    assert sha256(src) == before
    assert [path.name for path in tmp_path.iterdir()] == ['src.pth']
