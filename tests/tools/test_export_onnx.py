"""The tools of tools/deployment, and the example of docs/deployment.md on what they write."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mmaffect.apis import get_model, get_model_info, init_model
from mmaffect.datasets import AffectDataset, CorpusWriter, collate_windows
from mmaffect.engine.checkpoint import read_checkpoint
from mmaffect.errors import CheckpointError
from mmaffect.media.log_mel import get_front_end, log_mel
from mmaffect.utils.files import sha256

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(run_here):
    return lambda tool, *args: run_here(ROOT / f'tools/deployment/{tool}.py', *args)


def write_recording(root, frames=170):
    """A corpus of one trial, with the arrays that it was made of."""
    g = np.random.default_rng(0)
    faces = g.integers(0, 256, (frames, 48, 48, 3), dtype=np.uint8)
    seen = g.random(frames) > 0.2
    faces[~seen] = 0
    # The sound ends 2 seconds before the picture.
    time = np.arange(round((frames / 25 - 2) * 44100)) / 44100
    samples = (0.3 * np.sin(2 * np.pi * (200 + 300 * time) * time) + g.normal(0, 0.02, len(time))).astype(np.float32)
    front_end = get_front_end('paper')
    writer = CorpusWriter(root, name='toy', front_end=front_end, face_size=48, synthetic=True)
    for trial, split in (('a', 'train'), ('b', 'val')):
        writer.write_trial(
            trial,
            video=f'{trial}.mp4',
            split=split,
            faces=faces,
            logmel=log_mel(samples, front_end),
            waveform=None,
            timestamps=np.arange(frames) / 25,
            targets=np.zeros((frames, 2)),
            valid=np.ones(frames, bool),
            face_present=seen,
        )
    writer.finish(['a', 'b'])
    return faces, samples


def predict(model, root):
    """What the estimator predicts for the trial, overlapping windows averaged."""
    pipeline = [dict(type='CenterFaceCrop', size=40), dict(type='PackAffectInputs')]
    dataset = AffectDataset(root, 'val', window=100, hop=50, pipeline=pipeline)
    frames = dataset.corpus.info('b').num_frames
    total, number = np.zeros((frames, 2)), np.zeros((frames, 1))
    for index in range(len(dataset)):
        with torch.no_grad():
            batch = model.data_preprocessor(collate_windows([dataset[index]]))
            predicted = model(**batch, mode='predict')[0].pred_affect.numpy()
        start = dataset.get_data_info(index)['start']
        total[start : start + 100] += predicted
        number[start : start + 100] += 1
    return total / number


def test_the_demo_model_in_numpy(run, tmp_path, monkeypatch):
    """From the zoo to ONNX files, and from raw arrays to a trace by nothing but what docs/deployment.md shows."""
    status, out, err = run('export_onnx', 'grjca_demo', '--out', tmp_path / 'onnx')
    assert (status, err) == (0, '')
    assert 'perceived expression' in out
    about = json.loads((tmp_path / 'onnx/metadata.json').read_text())
    weights = get_model_info('grjca_demo').weights
    assert (about['model'], about['weights_sha256']) == ('grjca_demo', weights.sha256)
    assert about['weights'] == Path(weights.url).name
    assert about['synthetic'] is True
    assert list(about['files']) == ['model.onnx', 'visual_encoder.onnx', 'audio_encoder.onnx', 'fusion.onnx']
    for name, file in about['files'].items():
        assert file['largest_difference_to_pytorch'] <= 1e-4
        assert f'{name}: {file["bytes"] / 1e6:.1f} MB, takes ' in out

    faces, samples = write_recording(tmp_path / 'corpus')
    expected = predict(get_model('grjca_demo', pretrained=True).eval(), tmp_path / 'corpus')
    text = (ROOT / 'docs/deployment.md').read_text(encoding='utf-8')
    code = re.search('```python\n(.*?)```', text, re.DOTALL)[1]
    assert 'torch' not in code
    assert 'mmaffect' not in code
    code, call = code.split('affect = trace(')
    assert call == 'faces, samples)\n'
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    found = names['trace'](faces, samples)
    # A value of the log-mel may be rounded to the next float16.
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert np.ptp(expected, axis=0).min() > 0.05


def test_export_mistakes(run, tmp_path):
    for arguments, message in (
        (['configs/grjca_demo.py'], 'error: configs/grjca_demo.py says nothing of weights; give those of a checkpoint'),
        (['grjca_demo', '--opset', '7'], 'error: opset=7; expected at least 18'),
        (['grjca_demo', '--face-size', '39'], 'error: face_size=39; expected at least crop_size=40'),
    ):
        status, _, err = run('export_onnx', *arguments, '--out', tmp_path / 'onnx')
        assert (status, err.splitlines()[-1]) == (1, message)
    assert not (tmp_path / 'onnx').exists() or list((tmp_path / 'onnx').iterdir()) == []


@pytest.fixture
def checkpoint(tmp_path):
    """What a Runner writes: weights, optimizer, and much else."""
    path = tmp_path / 'best.pth'
    meta = {
        'epoch': 3,
        'iter': 12,
        'seed': 7,
        'cfg': 'secret = 1',
        'dataset_meta': {'corpus': 'toy', 'synthetic': True, 'targets': ('valence', 'arousal'), 'audio_mean': -23.5},
    }
    state = get_model('grjca_demo', pretrained=True).state_dict()
    torch.save({'state_dict': state, 'meta': meta, 'optimizer': {'state': {0: torch.zeros(1000)}}}, path)
    return path, state


def test_publish_model(run, tmp_path, checkpoint):
    path, state = checkpoint
    status, out, err = run('publish_model', path, tmp_path / 'zoo/small')
    assert (status, err) == (0, '')
    (published,) = (tmp_path / 'zoo').iterdir()
    digits = sha256(published)
    assert published.name == f'small-{digits[:8]}.safetensors'
    assert out.splitlines() == [
        f'Weights: {published}',
        f'Weights Size: {published.stat().st_size}',
        f'Weights SHA-256: {digits}',
    ]
    found = read_checkpoint(published)
    assert {key: found['meta'][key] for key in ('epoch', 'iter', 'seed')} == {'epoch': 3, 'iter': 12, 'seed': 7}
    assert found['meta']['dataset_meta']['targets'] == ['valence', 'arousal']
    assert b'secret' not in published.read_bytes()
    assert found['state_dict'].keys() == state.keys()
    assert all(torch.equal(value, state[key]) for key, value in found['state_dict'].items())
    # Published again, from the checkpoint or from itself, it is the same file.
    run('publish_model', path, tmp_path / 'again/small.safetensors')
    run('publish_model', published, tmp_path / 'again' / published.name)
    assert [one.name for one in (tmp_path / 'again').iterdir()] == [published.name]
    model = init_model('grjca_demo', published)
    assert model.dataset_meta == found['meta']['dataset_meta']


def test_publish_mistakes(run, tmp_path, checkpoint):
    path, _ = checkpoint
    status, _, err = run('publish_model', path, tmp_path / 'small.pth')
    assert (status, err) == (1, f'error: {tmp_path}/small.pth: written as safetensors; give it a name without .pth\n')
    status, _, err = run('publish_model', tmp_path / 'none.pth', tmp_path / 'small')
    assert (status, err) == (1, f'error: {tmp_path}/none.pth: no such file\n')
    assert [one.name for one in tmp_path.iterdir()] == ['best.pth']


@pytest.mark.parametrize('text', ['{', '[1]', '[' * 100_000, '"text"'])
def test_a_header_that_is_not_ours(tmp_path, text):
    save_file({'w': torch.zeros(2)}, tmp_path / 'a.safetensors', metadata={'mmaffect': text})
    with pytest.raises(CheckpointError, match=r'a\.safetensors: damaged'):
        read_checkpoint(tmp_path / 'a.safetensors')
    save_file({'w': torch.zeros(2)}, tmp_path / 'b.safetensors', metadata={'format': 'pt'})
    assert read_checkpoint(tmp_path / 'b.safetensors').keys() == {'state_dict'}
