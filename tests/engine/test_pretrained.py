import copy
import logging
from pathlib import Path

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModule, PretrainedInit
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader, Runner
from torch import nn

from mmaffect.engine.pretrained import Pretrained, match_weights
from mmaffect.engine.resume import use_safe_loading
from mmaffect.errors import CheckpointError, DownloadError
from mmaffect.registry import MODELS, WEIGHT_INITIALIZERS
from tests.corpora import write_corpus

ROOT = Path(__file__).parents[2]
SMALL = dict(
    type='AffectEstimator',
    visual=dict(
        type='Stream',
        backbone=dict(type='IResNet', units=[1, 1, 1, 1], channels=[2, 2, 2, 2], out_channels=4),
        batch_norm=True,
    ),
    head=dict(type='AffectHead', in_channels=4, hidden=4, dropout=0.0, loss=dict(type='CCCLoss')),
)


class Layers(BaseModule):
    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.first, self.second = nn.Linear(3, 2), nn.Linear(2, 1)


@pytest.fixture
def log(monkeypatch):
    """Records of MMEngine's current logger."""
    logger, records = MMLogger.get_current_instance(), []
    handler = logging.Handler()
    handler.emit = records.append
    logger.addHandler(handler)
    yield lambda level=logging.INFO: '\n'.join(one.getMessage() for one in records if one.levelno >= level)
    logger.removeHandler(handler)


@pytest.fixture
def restore_loaders(monkeypatch):
    monkeypatch.setattr(CheckpointLoader, '_schemes', dict(CheckpointLoader._schemes))


def save(model, path, prefix=''):
    torch.save({'state_dict': {prefix + key: value for key, value in model.state_dict().items()}}, path)
    return str(path)


def test_a_part_of_a_file(tmp_path, log):
    source, target = Layers(), Layers()
    path = save(source, tmp_path / 'a.pth', 'visual.backbone.')
    for prefix in ('visual.backbone', 'visual.backbone.'):
        Pretrained(path, prefix=prefix)(target)
        assert all(torch.equal(value, source.state_dict()[key]) for key, value in target.state_dict().items())
    assert '4 weights fit the model' in log()
    assert log(logging.WARNING) == ''


def test_a_prefix_is_a_whole_name(tmp_path):
    path = save(Layers(), tmp_path / 'a.pth', 'visual2.')
    with pytest.raises(CheckpointError, match=r"no weight begins with 'visual\.' \(visual2\.first\.weight"):
        Pretrained(path, prefix='visual')(Layers())


def test_what_does_not_fit_is_listed(tmp_path, log):
    torch.save({'first.weight': torch.ones(2, 3), 'logits.weight': torch.zeros(8, 2)}, tmp_path / 'a.pth')
    target = Layers()
    Pretrained(str(tmp_path / 'a.pth'))(target)
    assert torch.equal(target.first.weight, torch.ones(2, 3))
    assert '3 weights are missing in the file:' in log(logging.WARNING)
    assert 'second (2): second.weight, second.bias' in log(logging.WARNING)
    assert '1 weights are not in the model:\n  logits (1): logits.weight' in log(logging.WARNING)


def test_another_model(tmp_path):
    path = save(nn.Conv1d(1, 1, 1), tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=r'none of its 2 weights \(weight, bias\) fits the model \(first\.weight'):
        Pretrained(path)(Layers())
    path = save(nn.ModuleDict({'first': nn.Linear(4, 2)}), tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=r'first\.weight is \(2, 4\), the model has \(2, 3\)'):
        Pretrained(path)(Layers())
    with pytest.raises(DownloadError, match='no such file'):
        Pretrained(str(tmp_path / 'none.pth'))(Layers())
    (tmp_path / 'page.pth').write_text('<html>')
    with pytest.raises(CheckpointError, match='an HTML page'):
        Pretrained(str(tmp_path / 'page.pth'))(Layers())


def test_names_of_a_parallel_model(tmp_path):
    state = {f'module.{key}': value for key, value in Layers().state_dict().items()}
    assert list(match_weights(Layers(), state, 'a.pth').weights) == list(Layers().state_dict())


def test_ours_is_built_under_our_scope():
    assert WEIGHT_INITIALIZERS.get('Pretrained') is Pretrained
    config = dict(type='Pretrained', checkpoint='a.pth', prefix='b', map_location='cpu')
    assert isinstance(WEIGHT_INITIALIZERS.build(config), Pretrained)


@pytest.mark.usefixtures('restore_loaders')
def test_backbone_of_an_estimator(tmp_path, monkeypatch):
    source = MODELS.build(SMALL)
    path = save(source, tmp_path / 'a.pth')
    init = dict(type='Pretrained', checkpoint=path, prefix='visual.backbone.')
    config = {**SMALL, 'visual': {**SMALL['visual'], 'backbone': {**SMALL['visual']['backbone'], 'init_cfg': init}}}
    monkeypatch.setattr(PretrainedInit, '__call__', lambda *args: pytest.fail("MMEngine's initialiser was called"))

    def wanted(model):
        return all(
            torch.equal(value, source.visual.backbone.state_dict()[key])
            for key, value in model.visual.backbone.state_dict().items()
        )

    model = MODELS.build(config)
    assert not wanted(model)
    with DefaultScope.overwrite_default_scope('mmaffect'):
        model.init_weights()
    assert wanted(model)

    runner = Runner(config, str(tmp_path), default_scope='mmaffect', experiment_name='pretrained')
    runner._init_model_weights()
    assert wanted(runner.model)


@pytest.mark.usefixtures('restore_loaders')
def test_everything_that_mmengine_opens_is_checked(tmp_path):
    from safetensors.torch import save_file

    use_safe_loading()
    save_file({'w': torch.ones(2)}, tmp_path / 'a.safetensors')
    assert torch.equal(
        CheckpointLoader.load_checkpoint(str(tmp_path / 'a.safetensors'))['state_dict']['w'], torch.ones(2)
    )
    torch.save({'w': torch.tensor(float('nan'))}, tmp_path / 'nan.pth')
    with pytest.raises(CheckpointError, match='not finite'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'nan.pth'))
    with pytest.raises(CheckpointError, match='not finite'):
        CheckpointLoader.load_checkpoint((tmp_path / 'nan.pth').as_uri())


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    """Config of the demo on a small corpus, with a learning rate of 0."""
    from mmaffect.engine.running import load_config

    root = tmp_path_factory.mktemp('load_from')
    windows = {
        f'{part}_dataloader.dataset.{key}': value
        for part in ('train', 'val', 'test')
        for key, value in (('window', 20), ('hop', 10), ('indices', 2))
    }
    return load_config(
        ROOT / 'configs/grjca_demo.py',
        options={'model.neck.seq_len': 20, 'train_cfg.max_epochs': 1, 'optim_wrapper.optimizer.lr': 0.0, **windows},
        data_root=str(write_corpus(root / 'corpus')),
        work_dir=str(root / 'work'),
    )


@pytest.mark.usefixtures('restore_loaders')
def test_load_from_survives_the_training(demo, tmp_path):
    from mmaffect.engine.running import build_runner

    model = MODELS.build(demo.model)
    state = {key: torch.full_like(value, 0.01) for key, value in model.visual.named_parameters(prefix='visual')}
    torch.save({'state_dict': {**state, 'logits.weight': torch.zeros(2)}}, tmp_path / 'a.pth')
    cfg = copy.deepcopy(demo)
    cfg.load_from = (tmp_path / 'a.pth').as_uri()
    runner = build_runner(cfg)
    trained = dict(runner.train().named_parameters())
    log = next(Path(runner.work_dir).glob('*/*.log')).read_text()
    assert f'a.pth: {len(state)} weights fit the model' in log
    assert '  neck.layers (12): neck.layers.0.W_ja, neck.layers.0.W_jv, ...\n' in log
    assert 'not in the model:\n  logits (1): logits.weight' in log
    assert 'neck.layers.1.W_hv' in log
    assert all(torch.equal(trained[key], value) for key, value in state.items())
    assert not torch.equal(trained['head.fc2.weight'], torch.full_like(trained['head.fc2.weight'], 0.01))


@pytest.mark.usefixtures('restore_loaders')
def test_load_from_another_model(demo, tmp_path):
    from mmaffect.engine.running import build_runner

    cfg = copy.deepcopy(demo)
    cfg.experiment_name = 'another'
    cfg.load_from = save(Layers(), tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=r'a\.pth: none of its 4 weights'):
        build_runner(cfg)
    torch.save({'head.fc2.bias': torch.zeros(7)}, tmp_path / 'a.pth')
    cfg.experiment_name = 'other_shape'
    with pytest.raises(CheckpointError, match=r'head\.fc2\.bias is \(7,\), the model has \(2,\)'):
        build_runner(cfg)
