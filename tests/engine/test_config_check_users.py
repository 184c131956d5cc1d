"""Classes of users and of MMEngine take what they like; what is certainly wrong is still told."""

from pathlib import Path

import pytest
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModule
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from torch import nn

from mmaffect.engine.running import load_config
from mmaffect.engine.signature import signature_of
from mmaffect.engine.size_check import leaf_datasets
from mmaffect.engine.value_check import one_edit_away, unknown
from mmaffect.errors import ConfigError
from mmaffect.evaluation.metrics import CCCMetric
from mmaffect.registry import METRICS, MODELS
from tests.corpora import write_corpus

CONFIG = Path(__file__).parents[2] / 'configs/grjca_demo.py'


class KwNeck(BaseModule):
    def __init__(self, channels: int, init_cfg: dict | None = None, **kwargs: object) -> None:
        super().__init__(init_cfg)
        self.c = nn.Conv1d(channels, channels, 1, **kwargs)


class OwnNeck(BaseModule):
    def __init__(self, norm_cfg: dict, act: dict, block: dict | None = None) -> None:
        super().__init__()
        self.given = norm_cfg, act, block


class KwMetric(BaseMetric):
    def __init__(self, **options: object) -> None:
        super().__init__()
        self.options = options


class KwCCC(CCCMetric):
    def __init__(self, extra: int = 1, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.extra = extra


@pytest.fixture(scope='module', autouse=True)
def registered():
    for registry, kinds in ((MODELS, (KwNeck, OwnNeck)), (METRICS, (KwMetric, KwCCC))):
        for kind in kinds:
            registry.register_module(module=kind)
    yield
    for registry, kinds in ((MODELS, (KwNeck, OwnNeck)), (METRICS, (KwMetric, KwCCC))):
        for kind in kinds:
            registry.module_dict.pop(kind.__name__)


def given(**content):
    return dict(_delete_=True, **content)


def wrapped(kind='RepeatDataset', **arguments):
    leaf = dict(type='AffectDataset', data_root='x', split='train', stride=4, window=100)
    inner = dict(datasets=[leaf, dict(leaf)]) if kind == 'ConcatDataset' else dict(dataset=leaf)
    return {
        'train_dataloader.dataset': given(type=kind, **inner, **arguments),
        'train_dataloader.sampler': given(type='DefaultSampler', shuffle=True),
    }


FITTING = [
    {'model.neck': given(type='KwNeck', channels=4, padding=1, bias=False)},
    {'val_evaluator': [dict(type='KwMetric', anything=1, thresholds=[0.5])]},
    {'val_evaluator': [dict(type='KwCCC', resamples=10, extra=2)]},
    {'optim_wrapper.optimizer': given(type='ZeroRedundancyOptimizer', optimizer_type='AdamW', lr=1e-3)},
    {'custom_hooks': [dict(type='ProfilerHook', on_trace_ready=dict(type='log_trace', sort_by='self_cpu_time_total'))]},
    {'custom_hooks': [dict(type='ProfilerHook', on_trace_ready=dict(type='tb_trace', dir_name='x'))]},
    {'model.neck': given(type='OwnNeck', norm_cfg=dict(type='BN'), act=dict(type='gelu'))},
    {'model.neck': given(type='OwnNeck', norm_cfg=dict(type='Constant', value=3), act=dict(type='users_own.act'))},
    {'model.neck': given(type='OwnNeck', norm_cfg=dict(layers=dict(type='BN')), act=dict(type=3))},
    {'model.neck': given(type='OwnNeck', norm_cfg={}, act={}, block=dict(type=KwNeck, kernel=3))},
    {
        'strategy': dict(
            type='FSDPStrategy',
            model_wrapper=dict(
                type='MMFullyShardedDataParallel',
                auto_wrap_policy=dict(type='torch.distributed.fsdp.wrap.size_based_auto_wrap_policy'),
            ),
        )
    },
    {'optim_wrapper.type': 'AmpOptimWrapper', 'optim_wrapper.loss_scale': 512.0},
    {'optim_wrapper.type': 'AmpOptimWrapper', 'optim_wrapper.loss_scale': dict(init_scale=512.0)},
    {'optim_wrapper.type': 'AmpOptimWrapper', 'optim_wrapper.loss_scale': 'dynamic'},
    {'optim_wrapper.paramwise_cfg': dict(custom_keys={'visual.backbone': dict(lr_mult=0.1, decay_mult=0)})},
    {'optim_wrapper.paramwise_cfg': dict(custom_keys={'visual': dict(betas=(0.9, 0.99), weight_decay=0.1)})},
    {
        'optim_wrapper.constructor': 'DefaultOptimWrapperConstructor',
        'optim_wrapper.paramwise_cfg': dict(norm_decay_mult=0.0),
    },
    {'visualizer': given(type='Visualizer', vis_backends=dict(type='LocalVisBackend'))},
    wrapped(times=2),
    wrapped('ConcatDataset'),
    wrapped('ClassBalancedDataset', oversample_thr=0.1),
]


@pytest.mark.parametrize('options', FITTING, ids=[str(i) for i in range(len(FITTING))])
def test_what_fits_is_not_refused(options):
    assert load_config(CONFIG, options=options).work_dir


NEEDED = 'a Runner takes {0}_dataloader, {0}_cfg, {1} or none of them'
WRONG = [
    ({'model.neck': given(type='KwNeck', channels=4, initcfg=None)}, "model.neck.initcfg: no such .*'init_cfg'"),
    ({'model.neck': given(type='KwNeck')}, 'model.neck.channels: KwNeck needs this argument'),
    ({'model.neck': given(type='KwNeck', channels='4')}, "model.neck.channels = '4': expected an integer"),
    ({'val_evaluator': [dict(type='KwCCC', resample=9)]}, "val_evaluator.0.resample: .*did you mean 'resamples'"),
    (
        {'optim_wrapper.type': 'AmpOptimWrapper', 'optim_wrapper.loss_scale': 512},
        "optim_wrapper.loss_scale = 512: expected 'dynamic' or a number with a decimal point or a dict; "
        r'did you mean 512\.0\?',
    ),
    (
        {'optim_wrapper.type': 'AmpOptimWrapper', 'optim_wrapper.loss_scale': 'dynamc'},
        "optim_wrapper.loss_scale = 'dynamc': no such value; did you mean 'dynamic'",
    ),
    ({'train_dataloader.dataset': None}, 'train_dataloader.dataset = None: expected a dict'),
    (
        wrapped(times=2) | {'train_dataloader.sampler.type': 'WindowSampler'},
        "train_dataloader.sampler.type = 'WindowSampler': RepeatDataset .*did you mean 'DefaultSampler'",
    ),
    (
        {'optim_wrapper.paramwise_cfg': dict(custom_keys={'a.b': dict(lr_mul=0.1)})},
        r"optim_wrapper.paramwise_cfg.custom_keys.a\.b\.lr_mul: no such key; did you mean 'lr_mult'\?",
    ),
    (
        {'optim_wrapper.paramwise_cfg': dict(custom_keys={'a': dict(decay_mult='0')})},
        r"optim_wrapper.paramwise_cfg.custom_keys.a.decay_mult = '0': expected a number; did you mean 0\?",
    ),
    ({'optim_wrapper': given(type='OptimWrapper')}, 'optim_wrapper.optimizer: OptimWrapper needs this argument'),
    (
        {'optim_wrapper': given(optimzer=dict(type='Adam'))},
        "optim_wrapper.optimzer: no such key; did you mean 'optimizer'",
    ),
    (
        {'train_cfg': None},
        'train_cfg: missing beside train_dataloader and optim_wrapper; ' + NEEDED.format('train', 'optim_wrapper'),
    ),
    (
        {'val_cfg': None},
        'val_cfg: missing beside val_dataloader and val_evaluator; ' + NEEDED.format('val', 'val_evaluator'),
    ),
    ({'val_evaluator': 'CCCMetric'}, r"val_evaluator = 'CCCMetric': .*; did you mean dict\(type='CCCMetric'\)\?"),
    ({'val_evaluator': ['CCMetric']}, r"val_evaluator.0 = 'CCMetric': .*; did you mean dict\(type='CCCMetric'\)\?"),
    ({'model.neck': 'GJRCA'}, r"model.neck = 'GJRCA': expected a dict.*; did you mean dict\(type='GRJCA'\)\?"),
    (
        {'train_dataloader.sampler': 'DefaultSampler'},
        r"train_dataloader.sampler = .*did you mean dict\(type='DefaultSampler'\)\?",
    ),
    (
        {'visualizer': given(type='Visualizer', vis_backends='LocalVisBackend')},
        r"visualizer.vis_backends = 'LocalVisBackend': .*did you mean dict\(type='LocalVisBackend'\)",
    ),
    (
        {'visualizer': given(type='Visualizer', vis_backends=dict(type='LocalBackend'))},
        "visualizer.vis_backends.type = 'LocalBackend': .*did you mean 'LocalVisBackend'",
    ),
]


@pytest.mark.parametrize(('options', 'text'), WRONG, ids=[str(i) for i in range(len(WRONG))])
def test_what_does_not_fit_is_one_line(options, text):
    with pytest.raises(ConfigError, match=f'^{text}') as error:
        load_config(CONFIG, options=options)
    assert len(error.value.lines if hasattr(error.value, 'lines') else [error.value]) == 1


def test_an_unknown_model_names_the_nearest_models():
    with pytest.raises(ConfigError) as error:
        load_config(CONFIG, options={'model.neck.type': 'Zzz'})
    names = str(error.value).partition('the nearest are ')[2].split(', ')
    assert len(names) == 5
    assert all(name in MODELS.module_dict or name in MODELS.parent.module_dict for name in names)


def test_kwargs_are_followed_in_known_families_only():
    assert not signature_of(KwNeck).closed
    assert signature_of(KwNeck).needed == ['channels']
    assert 'prefix' in signature_of(KwMetric).arguments
    assert signature_of(KwCCC).arguments['resamples'].problem('3') is None
    assert signature_of(CCCMetric).arguments['resamples'].problem('3') is not None


@pytest.mark.parametrize(
    ('name', 'found'),
    [
        ('resample', True), ('resampless', True), ('resapmles', True), ('resamplas', True), ('samples', False),
        ('resamples', False), ('resamples2', False), ('sresampel', False),
    ],
)  # fmt: skip
def test_one_edit_away(name, found):
    assert one_edit_away(name, ['prefix', 'resamples', 'lr']) == ('resamples' if found else None)
    assert one_edit_away('l', ['lr']) is None


def test_few_names_are_all_told():
    assert unknown('zzz', ['b', 'a'], 'name') == 'no such name; there are a, b'
    assert unknown('zzz', [], 'name') == 'no such name; there are none'


def test_mmengine_takes_one_backend_without_a_list(tmp_path):
    shown = Visualizer(name='one', vis_backends=dict(type='LocalVisBackend'), save_dir=str(tmp_path))
    assert shown.get_backend('LocalVisBackend') is not None


def test_the_runner_wants_all_of_a_group(tmp_path):
    with pytest.raises(ValueError, match='train_dataloader, train_cfg, and optim_wrapper should be'):
        Runner(nn.Linear(1, 1), str(tmp_path), train_dataloader=dict(), optim_wrapper=dict())


@pytest.mark.parametrize(
    ('options', 'paths'),
    [
        (wrapped(times=2), ['train_dataloader.dataset.dataset']),
        (wrapped('ConcatDataset'), ['train_dataloader.dataset.datasets.0', 'train_dataloader.dataset.datasets.1']),
    ],
)
def test_wrapped_datasets_read_the_given_corpus(options, paths, tmp_path):
    corpus = write_corpus(tmp_path)
    cfg = load_config(CONFIG, options=options, data_root=str(corpus))
    found = leaf_datasets(cfg)
    assert [path for path in found if path.startswith('train')] == paths
    assert {one.data_root for one in found.values()} == {str(corpus)}
    assert list(leaf_datasets(cfg, ('val_dataloader',))) == ['val_dataloader.dataset']


def test_a_wrapped_dataset_has_to_fit_the_model():
    options = wrapped(times=2)
    options['train_dataloader.dataset']['dataset']['window'] = 60
    with pytest.raises(ConfigError, match=r'^train_dataloader\.dataset\.dataset\.window = 60, model\.neck\.seq_len'):
        load_config(CONFIG, options=options)
