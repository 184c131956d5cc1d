import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS as ROOT
from torch import nn

from mmaffect.datasets import collate_windows
from mmaffect.datasets.features import FeatureWriter
from mmaffect.engine.running import load_config
from mmaffect.registry import DATASETS, MODELS
from tests.corpora import TRIALS, write_corpus

CONFIGS = Path(__file__).parents[2] / 'configs'


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ({'modle.neck.type': 'RJCA'}, "modle.neck.type: no such key; did you mean 'model'"),
        ({'model.neck.temprature': 0.2}, "model.neck.temprature: .*did you mean 'temperature'"),
        ({'model.neck.type': 'GJRCA'}, "model.neck.type = 'GJRCA'.*did you mean 'GRJCA'"),
        ({'model.visual.backbone.dept': 34}, "did you mean 'depth'"),
        ({'train_dataloader.batchsize': 3}, "did you mean 'batch_size'"),
        ({'train_dataloader.dataset.windw': 3}, "did you mean 'window'"),
        ({'train_dataloader.dataset.pipeline.0.siz': 3}, r"pipeline\.0\.siz.*did you mean 'size'"),
        ({'train_cfg.max_epoch': 3}, "did you mean 'max_epochs'"),
        ({'val_evaluator.type': 'CCMetric'}, "did you mean 'CCCMetric'"),
        ({'optim_wrapper.optimizer.learning_rate': 1}, 'no such argument of Adam'),
        ({'optim_wrapper.optimizer.type': 'Adm'}, "did you mean 'Adam'"),
        ({'param_scheduler.1.patiance': 1}, "did you mean 'patience'"),
        ({'custom_hooks.0.typ': 'x'}, 'custom_hooks.0.typ'),
    ],
)
def test_wrong_keys_are_named_with_the_nearest(options, text):
    with pytest.raises(ValueError, match=text):
        load_config(CONFIGS / 'grjca_affwild2.py', options=options)


def test_missing_argument(tmp_path):
    cfg = load_config(CONFIGS / 'grjca_affwild2.py')
    del cfg.model.neck['seq_len']
    cfg.dump(tmp_path / 'cut.py')
    with pytest.raises(ValueError, match=r'model\.neck\.seq_len: GRJCA needs this argument'):
        load_config(tmp_path / 'cut.py')


def test_files_that_are_no_config(tmp_path):
    with pytest.raises(ValueError, match='no such config file'):
        load_config(tmp_path / 'none.py')
    (tmp_path / 'bad.py').write_text('model = dict(')
    with pytest.raises(ValueError, match='SyntaxError'):
        load_config(tmp_path / 'bad.py')


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Another MMEngine project, with a backbone."""
    folder = tmp_path / 'mmother'
    folder.mkdir()
    (folder / '__init__.py').write_text('')
    (folder / 'registry.py').write_text(
        'from mmengine.registry import MODELS as ROOT, Registry\n'
        "MODELS = Registry('model', parent=ROOT, scope='mmother', locations=['mmother.models'])\n"
    )
    (folder / 'models.py').write_text(
        'from torch import nn\n'
        'from mmother.registry import MODELS\n'
        '@MODELS.register_module()\n'
        'class Other(nn.Module):\n'
        '    def __init__(self, depth: int, norm_cfg: dict) -> None:\n'
        '        super().__init__()\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield 'mmother'
    ROOT.children.pop('mmother', None)
    for name in [name for name in sys.modules if name.partition('.')[0] == 'mmother']:
        del sys.modules[name]


@pytest.mark.parametrize('how', [dict(type='mmother.Other'), dict(type='Other', _scope_='mmother')])
def test_a_node_of_another_project_is_checked_by_its_own_names(project, how):
    node = dict(type='MMBackbone', out_channels=4, backbone=dict(**how, depth=3, norm_cfg=dict(type='BN')))
    options = {'model.visual': dict(_delete_=True, type='Stream', backbone=node)}
    assert load_config(CONFIGS / 'grjca_affwild2.py', options=options).model.visual.backbone.out_channels == 4
    node['backbone']['dept'] = node['backbone'].pop('depth')
    with pytest.raises(ValueError, match=r"visual\.backbone\.backbone\.dept: .*did you mean 'depth'"):
        load_config(CONFIGS / 'grjca_affwild2.py', options=options)
    node['backbone']['type'] = how['type'].replace('Other', 'Othr')
    with pytest.raises(ValueError, match="did you mean 'Other'"):
        load_config(CONFIGS / 'grjca_affwild2.py', options=options)


def test_a_project_that_is_not_installed():
    with pytest.raises(ValueError, match='mmnone is not installed: pip install mmnone'):
        load_config(CONFIGS / 'grjca_affwild2.py', options={'model.visual.backbone.type': 'mmnone.ResNet'})


def test_our_names_come_before_those_of_mmengines_root():
    ROOT.register_module(name='GRJCA', module=nn.Linear)
    try:
        assert load_config(CONFIGS / 'grjca_affwild2.py').model.neck.num_iters == 2
    finally:
        ROOT._module_dict.pop('GRJCA')


def test_modules_of_the_user_are_imported(tmp_path, monkeypatch):
    """MMEngine itself imports those of configs in its other style."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'users_module.py').write_text('imported = True\n')
    shutil.copytree(CONFIGS / '_base_', tmp_path / 'configs/_base_')
    config = tmp_path / 'configs/mine.py'
    text = (CONFIGS / 'grjca_affwild2.py').read_text()
    config.write_text(f"{text}\ncustom_imports = dict(imports=['users_module'])\n")
    load_config(config)
    assert sys.modules.pop('users_module').imported
    for wrong in ("dict(imports=['users_missing_module'])", "dict(import_=['x'])"):
        config.write_text(f'{text}\ncustom_imports = {wrong}\n')
        with pytest.raises(ValueError, match=re.escape('mine.py: custom_imports: ')):
            load_config(config)


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (
            {'train_dataloader.dataset.window': 100},
            r'train_dataloader\.dataset\.window = 100, model\.neck\.seq_len = 300',
        ),
        ({'model.data_preprocessor.patch_rows': 96}, r'patch_rows = 107, model\.data_preprocessor\.patch_rows = 96'),
        ({'val_dataloader.dataset.patch_rows': 1001}, r'val_dataloader\.dataset\.patch_rows = 1001, .* = 107'),
        (
            {'model.data_preprocessor.crop_size': 44},
            r'pipeline\.0\.size = 40, model\.data_preprocessor\.crop_size = 44',
        ),
        ({'val_dataloader.dataset.modalities': ['audio']}, r"modalities = \['audio'\]: model\.visual needs 'visual'"),
        ({'train_dataloader.dataset.features.audio': 'a'}, r"features = \{'audio': 'a'\}, model\.audio\.backbone = \{"),
        (
            {'model.visual.backbone': None, 'model.visual.in_channels': 4},
            r'features = \{\}, model\.visual\.backbone = None',
        ),
        ({'val_dataloader.dataset.features.text': 'bert'}, r"streams of the model are \['audio', 'visual'\]"),
    ],
)
def test_model_and_data_that_do_not_fit(options, text):
    with pytest.raises(ValueError, match=text):
        load_config(CONFIGS / 'grjca_affwild2.py', options=options)


def test_a_fusion_within_another_does_not_fit():
    with pytest.raises(ValueError, match=r'dataset\.window = 100, model\.neck\.beside\.seq_len = 99: '):
        load_config(CONFIGS / 'comparison/precision_demo.py', options={'model.neck.beside.seq_len': 99})


def test_cached_features_in_the_place_of_backbones(tmp_path):
    corpus = write_corpus(tmp_path)
    for modality, width in (('visual', 7), ('audio', 5)):
        writer = FeatureWriter(corpus / 'features/mine' / modality, {})
        for trial, _, frames, _ in TRIALS:
            writer.write(trial, np.zeros((frames, width), np.float32))
    options = {'model.visual.temporal.in_channels': 7, 'model.audio.temporal.in_channels': 5}
    for name in ('grjca_affwild2', 'audio_vggish_affwild2', 'kuhnke_affwild2'):
        if name == 'kuhnke_affwild2':
            options = {'model.neck.audio_channels': 5, 'model.neck.visual_channels': 7, 'model.head.in_channels': 12}
        elif name == 'audio_vggish_affwild2':
            options = {'model.audio.temporal.in_channels': 5}
        cfg = load_config(CONFIGS / f'{name}.py', options=options, data_root=str(corpus), features='mine')
        model = MODELS.build(cfg.model)
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        batch = collate_windows([dataset[0], dataset[1]])
        assert torch.isfinite(model(**model.data_preprocessor(batch), mode='loss')['loss_ccc'])
        assert cfg.test_dataloader.dataset.features == cfg.train_dataloader.dataset.features
        assert not [key for key in model.state_dict() if 'backbone' in key]
    with pytest.raises(ValueError, match='features/none/audio: no such features'):
        load_config(CONFIGS / 'grjca_affwild2.py', data_root=str(corpus), features='none')


@pytest.mark.parametrize(
    ('tool', 'arguments', 'missing'),
    [
        ('train', ['--features', 'x'], 'model'),
        ('train', ['--amp'], 'optim_wrapper'),
        ('train', ['--auto-scale-lr'], 'auto_scale_lr'),
        ('train', [], 'model'),
        ('test', ['x.pth', '--split', 'test'], 'test_dataloader'),
    ],
)
def test_a_config_without_what_a_flag_changes(tmp_path, tool, arguments, missing):
    config = tmp_path / 'bare.py'
    config.write_text("default_scope = 'mmaffect'\n")
    command = [sys.executable, str(CONFIGS.parent / f'tools/{tool}.py'), str(config), *arguments]
    done = subprocess.run([*command, '--work-dir', str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f'error: {config}: has no {missing}\n'
