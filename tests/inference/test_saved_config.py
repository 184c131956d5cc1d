"""Checkpoints that bring their config along."""

import pytest
import torch

from mmaffect.errors import CheckpointError, ConfigError
from mmaffect.inference.loading import load_estimator
from mmaffect.inference.saved_config import config_of_checkpoint, parse_assignments
from tests.toy_estimators import toy_model

MODEL = "model = dict(type='AffectEstimator')\n"


def save(path, text, **meta):
    model = toy_model('visual')
    meta = {'cfg': text, 'dataset_meta': {'synthetic': True, 'face_size': 48}, **meta}
    torch.save({'state_dict': model.state_dict(), 'meta': meta}, path)
    return path


def test_a_checkpoint_alone(tmp_path):
    model = toy_model('visual')
    text = model.cfg.pretty_text + "\ntrain_cfg = dict(type='NoLoopOfOurs')\nload_from = None\n"
    path = save(tmp_path / 'best.pth', text, experiment_name='toy_20260102_030405')
    loaded = load_estimator(path)
    assert (loaded.name, loaded.weights, len(loaded.weights_sha256), loaded.synthetic) == ('toy', str(path), 64, True)
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], value)
    assert loaded.model.cfg.test_dataloader.dataset.window == 20
    assert not loaded.model.training
    assert load_estimator(weights=path).name == 'toy'
    with pytest.raises(ConfigError, match='is a checkpoint; expected no weights='):
        load_estimator(path, path)
    with pytest.raises(ConfigError, match="device='cuda:7': not available here"):
        load_estimator(path, device='cuda:7')


def test_values():
    text = "a = [1, -2.5, True, None, ('x',), {1}]\nb = dict(c={'d e': dict()})\na = dict(f='''x\ny''')\n"
    assert parse_assignments(text, 'x') == {'a': {'f': 'x\ny'}, 'b': {'c': {'d e': {}}}}


@pytest.mark.parametrize(
    'text',
    [
        'import os',
        "a = open('x')",
        "a = __import__('os').system('true')",
        "a = dict(b=dict(c=eval('1')))",
        "a = dict([('b', 1)])",
        'a = dict(**{})',
        'a = [x for x in ()]',
        "a = f'{1}'",
        'a = b = 1',
        'a.b = 1',
        'a = c',
        'a = {**{}}',
        'a = {[]: 1}',
        'a = (lambda: 1)()',
        'a = 1 + 1',
        'a: int = 1',
        'a = -' * 2,
        'a = ' + '(' * 300 + ')' * 300,
        'a = ' + '-' * 100_000 + '1',
        'a = "\0"',
        f'a = "{"x" * (1 << 20)}"',
    ],
)
def test_what_is_no_value_is_refused_and_not_run(text):
    with pytest.raises(CheckpointError, match=r'best\.pth'):
        parse_assignments(text, 'best.pth')


@pytest.mark.parametrize(
    ('text', 'found'),
    [
        ("model = dict(type='os.system')\n", "type 'os.system' of its config is not known here"),
        ("model = dict(type='antigravity')\n", "type 'antigravity'"),
        ("model = dict(type='AffectEstimator', visual=[dict(type='subprocess.Popen')])\n", "'subprocess.Popen'"),
        ("model = dict(type='mmdet.RetinaNet')\n", "'mmdet.RetinaNet'"),
        ('model = dict(type=1)\n', 'type 1'),
        ("model = dict(type='AffectEstimator', _scope_='this')\n", 'asks for another project'),
        ('', 'its config has no model'),
        ('model = 3\n', 'its config has no model'),
    ],
)
def test_types_that_would_be_imported(text, found):
    with pytest.raises(CheckpointError, match=found):
        config_of_checkpoint({'meta': {'cfg': f'{text}test_dataloader = dict(dataset=dict())'}}, 'best.pth')


@pytest.mark.parametrize('checkpoint', [{}, {'meta': None}, {'meta': {}}, {'meta': {'cfg': 3}}])
def test_no_config(checkpoint):
    with pytest.raises(CheckpointError, match='holds no config; name the model'):
        config_of_checkpoint(checkpoint, 'best.pth')


def test_models_that_are_named(tmp_path):
    with pytest.raises(ConfigError, match="model 'grjca_demoo' does not exist; did you mean grjca_demo"):
        load_estimator('grjca_demoo')
    with pytest.raises(ConfigError, match=r'^work_dirs/gone\.pth: no such checkpoint$'):
        load_estimator('work_dirs/gone.pth')
    with pytest.raises(ConfigError, match='grjca_affwild2: no weights are published'):
        load_estimator('grjca_affwild2')
    with pytest.raises(ConfigError, match=r'grjca_demo\.py says nothing of weights'):
        load_estimator('configs/grjca_demo.py')
    with pytest.raises(ConfigError, match='a config says nothing of weights'):
        load_estimator(toy_model('visual').cfg)
    path = save(tmp_path / 'other.pth', MODEL)
    with pytest.raises(CheckpointError, match='a checkpoint of another model'):
        load_estimator('visual_demo', path)


def test_what_is_no_model():
    with pytest.raises(ConfigError, match='model is a int; expected a name, a path, a config or a model'):
        load_estimator(3)
    for device in ('cuda:7', 'toaster'):
        with pytest.raises(ConfigError, match=f"device='{device}': not available here"):
            load_estimator(toy_model('visual'), device=device)


def test_published_weights():
    loaded = load_estimator(device='cpu')
    assert (loaded.name, loaded.synthetic) == ('grjca_demo', True)
    assert loaded.weights.startswith('grjca_demo')
    assert not loaded.model.training
