"""Every kind of mistake is one line with the path of the key and the nearest valid name or value."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmaffect.engine.figure_check import figure_problems, known_figures
from mmaffect.engine.running import load_config
from mmaffect.errors import ConfigError
from mmaffect.evaluation.metrics import CCCMetric
from mmaffect.models.necks import GRJCA

CONFIGS = Path(__file__).parents[2] / 'configs'
ALL = sorted(str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)
PIPELINE = 'train_dataloader.dataset.pipeline'


@pytest.fixture(scope='module')
def dumped(tmp_path_factory):
    """The paper's config as one file, with schedulers and hooks of MMEngine."""
    cfg = load_config(CONFIGS / 'grjca_affwild2.py')
    warm_up = dict(type='LinearLR', start_factor=0.01, end=5)
    cfg.param_scheduler = [warm_up, dict(type='ReduceOnPlateauLR', monitor='CCC/mean', rule='greater', patience=5)]
    cfg.custom_hooks = [
        dict(type='CorpusStatisticsHook'),
        dict(type='mmengine.EarlyStoppingHook', monitor='CCC/mean', patience=50),
    ]
    path = tmp_path_factory.mktemp('config') / 'mine.py'
    cfg.dump(path)
    return path


def error_of(path, options=None, **arguments):
    with pytest.raises(ConfigError) as error:
        load_config(path, options=options, **arguments)
    text = str(error.value)
    assert '\n' not in text
    assert len(text) < 250
    return text


# Kind of mistake: option, its value, beginning of the error (up to the value), what it names as valid.
VALUES = {
    'string for a number': ('optim_wrapper.optimizer.lr', '1e-4', 'expected a number', '0.0001'),
    'number for a string': ('train_dataloader.dataset.front_end', 3, 'expected a string', "'3'"),
    'bool for an integer': ('model.neck.num_iters', True, 'expected an integer', 'the default is 2'),
    'bool for a number': ('model.neck.temperature', True, 'expected a number', 'the default is 0.1'),
    'string for a bool': ('model.visual.batch_norm', 'false', 'expected True or False', 'False'),
    'number for a bool': ('train_dataloader.dataset.lazy_init', 1, 'expected True or False', 'True'),
    'fraction for an integer': ('train_dataloader.batch_size', 12.5, 'expected an integer', 'the default is 1'),
    'float for an integer': ('model.neck.seq_len', 300.0, 'expected an integer', '300'),
    'list for a scalar': ('model.neck.seq_len', [300], 'expected an integer', '300'),
    'scalar for a list': ('model.visual.temporal.channels', 512, 'expected a list', '[512]'),
    'string for a list': ('train_dataloader.dataset.modalities', 'audio', 'expected a list', "['audio']"),
    'list for a dict': ('model.neck', [1], 'expected a dict', 'a dict'),
    'dict for a scalar': ('model.head.hidden', dict(size=3), 'expected an integer', 'None'),
    'none where it is not allowed': ('model.neck.temperature', None, 'expected a number', 'the default is 0.1'),
    'tuple of another length': ('optim_wrapper.optimizer.betas', [0.9], 'expected a list of 2', '(0.9, 0.999)'),
    'wrong choice': ('train_dataloader.dataset.align', 'center', 'no such value', "'centre'"),
    'wrong choice of the loss': ('model.head.loss.reduction', 'windows', 'no such value', "'window'"),
    'wrong rule of a scheduler': ('param_scheduler.1.rule', 'greter', 'no such value', "'greater'"),
    'wrong rule of a hook': ('default_hooks.checkpoint.rule', 'lesser', 'no such value', "'less'"),
    'wrong start method': ('env_cfg.mp_cfg.mp_start_method', 'forks', 'no such value', "'fork'"),
    'wrong level of the log': ('log_level', 'INFOS', 'no such value', "'INFO'"),
    'wrong priority': ('custom_hooks.0.priority', 'VERYLOW', 'no such value', "'VERY_LOW'"),
    'string for a seed': ('randomness.seed', '7', 'expected an integer', '7'),
    'string for a switch': ('auto_scale_lr.enable', 'yes', 'expected True or False', 'True or False'),
    'string for resume': ('resume', 'true', 'expected True or False', 'True'),
    'string for a dict': ('train_cfg', 'EpochBasedTrainLoop', 'expected a dict', 'dict'),
    'wrong figure to save by': (
        'default_hooks.checkpoint.save_best', 'CCC/maen', 'no such figure of the validation', "'CCC/mean'",
    ),
    'wrong figure of a scheduler': (
        'param_scheduler.1.monitor', 'CCC/valance', 'no such figure of the validation', "'CCC/valence'",
    ),
    'wrong model': ('model.neck.type', 'GJRCA', 'no such name', "'GRJCA'"),
    'wrong optimizer': ('optim_wrapper.optimizer.type', 'AdmW', 'no such optimizer', "'AdamW'"),
    'wrong wrapper': ('optim_wrapper.type', 'OptimWraper', 'no such optim_wrapper', "'OptimWrapper'"),
    'wrong constructor': (
        'optim_wrapper.constructor', 'DefaultOptimWrapConstructor', 'no such optimizer wrapper constructor',
        "'DefaultOptimWrapperConstructor'",
    ),
    'wrong scheduler': ('param_scheduler.0.type', 'LinerLR', 'no such parameter scheduler', "'LinearLR'"),
    'wrong hook': ('custom_hooks.0.type', 'CorpusStatisticHook', 'no such hook', "'CorpusStatisticsHook'"),
    'wrong loop': ('train_cfg.type', 'EpochTrainLoop', 'no such loop', "'EpochBasedTrainLoop'"),
    'wrong metric': ('val_evaluator.type', 'CCMetric', 'no such metric', "'CCCMetric'"),
    'wrong sampler': ('train_dataloader.sampler.type', 'WindowsSampler', 'no such data sampler', "'WindowSampler'"),
    'wrong dataset': ('train_dataloader.dataset.type', 'AfectDataset', 'no such dataset', "'AffectDataset'"),
    'wrong transform': (f'{PIPELINE}.0.type', 'RandomFaceCorp', 'no such transform', "'RandomFaceCrop'"),
    'wrong collate function': (
        'train_dataloader.collate_fn.type', 'colate_windows', 'no such function', "'collate_windows'",
    ),
    'name of another kind': ('train_dataloader.dataset.type', 'GRJCA', 'no such dataset', 'AffectDataset'),
    'number for a type': ('model.neck.type', 3, 'expected the name of a class', 'class'),
}  # fmt: skip


@pytest.mark.parametrize('kind', VALUES)
def test_wrong_values(kind, dumped):
    key, value, expected, nearest = VALUES[kind]
    given = dict(_delete_=True, **value) if isinstance(value, dict) else value
    text = error_of(dumped, {key: given})
    beginning, _, rest = text.partition(': ')
    assert beginning.startswith(f'{key} = ') or beginning == 'model.head.hidden = {'
    assert expected in text
    assert nearest in rest


# Kind of mistake: wrong key, what it is by the error, nearest name.
KEYS = {
    'argument of a model': ('model.neck.temprature', 'argument of GRJCA', 'temperature'),
    'argument of an optimizer': ('optim_wrapper.optimizer.wieght_decay', 'argument of Adam', 'weight_decay'),
    'argument of a wrapper': ('optim_wrapper.acumulative_counts', 'argument of OptimWrapper', 'accumulative_counts'),
    'argument of gradient clipping': ('optim_wrapper.clip_grad.maxnorm', 'key', 'max_norm'),
    'key of paramwise_cfg': ('optim_wrapper.paramwise_cfg.bias_lr_mul', 'key', 'bias_lr_mult'),
    'argument of a scheduler': ('param_scheduler.1.patiance', 'argument of ReduceOnPlateauLR', 'patience'),
    'argument of a hook': ('default_hooks.logger.intervall', 'argument of LoggerHook', 'interval'),
    'name of a default hook': ('default_hooks.runtime_inf', 'key', 'runtime_info'),
    'argument of a metric': ('val_evaluator.resample', 'argument of CCCMetric', 'resamples'),
    'argument of a data loader': ('train_dataloader.batchsize', 'argument', 'batch_size'),
    'argument of a sampler': ('train_dataloader.sampler.shufle', 'argument of WindowSampler', 'shuffle'),
    'argument of a dataset': ('val_dataloader.dataset.windw', 'argument of AffectDataset', 'window'),
    'argument of a transform': (f'{PIPELINE}.0.siz', 'argument of RandomFaceCrop', 'size'),
    'argument of a loop': ('train_cfg.max_epoch', 'argument of EpochBasedTrainLoop', 'max_epochs'),
    'key of env_cfg': ('env_cfg.cudnn_bench', 'key', 'cudnn_benchmark'),
    'key of mp_cfg': ('env_cfg.mp_cfg.opencv_threads', 'key', 'opencv_num_threads'),
    'key of dist_cfg': ('env_cfg.dist_cfg.time_out', 'key', 'timeout'),
    'key of randomness': ('randomness.sed', 'key', 'seed'),
    'key of auto_scale_lr': ('auto_scale_lr.base_batchsize', 'key', 'base_batch_size'),
    'argument of the log processor': ('log_processor.windowsize', 'argument of LogProcessor', 'window_size'),
}


@pytest.mark.parametrize('kind', KEYS)
def test_wrong_keys(kind, dumped):
    key, what, nearest = KEYS[kind]
    name = key.rpartition('.')[2]
    options = {key: {} if name == 'runtime_inf' else 1}
    if name == 'runtime_inf':
        options = {key: dict(type='RuntimeInfoHook')}
    if nearest == 'max_norm':
        options['optim_wrapper.clip_grad.max_norm'] = 1.0
    assert error_of(dumped, options) == f'{key}: no such {what}; did you mean {nearest!r}?'


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ({'optim_warpper.type': 'x'}, "--cfg-options optim_warpper.type: no such key; did you mean 'optim_wrapper'?"),
        ({'custom_hooks.9.type': 'x'}, "custom_hooks.9.type: custom_hooks has no entry '9'; there are 0 to 1"),
        ({'param_scheduler.first.end': 3}, "param_scheduler has no entry 'first'; there are 0 to 1"),
        ({f'{PIPELINE}.7.size': 3}, f"{PIPELINE} has no entry '7'; there are 0 to 2"),
        ({'model.neck.seq_len.frames': 3}, 'model.neck.seq_len.frames: model.neck.seq_len = 300 has no keys'),
    ],
)
def test_options_that_lead_nowhere(options, text, dumped):
    line = error_of(dumped, options)
    assert line.startswith('--cfg-options ')
    assert text in line


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (
            {'model.neck': dict(_delete_=True, audio_channels=128, visual_channels=256, seq_len=300, combine='sum')},
            'model.neck: expected dict(type=...); did you mean type=',
        ),
        (
            {'model.neck': dict(_delete_=True, tpye='GRJCA', seq_len=300)},
            "model.neck.tpye: no such key; did you mean 'type'?",
        ),
        (
            {'train_dataloader.sampler': dict(_delete_=True, reshuffle=True)},
            "train_dataloader.sampler: expected dict(type=...); did you mean type='WindowSampler'?",
        ),
        (
            {'val_evaluator': dict(_delete_=True, resamples=10)},
            "val_evaluator: expected dict(type=...); did you mean type='CCCMetric'?",
        ),
        (
            {'model.visual.backbone.init_cfg': dict(type='Pretraind', checkpoint='x')},
            "model.visual.backbone.init_cfg.type = 'Pretraind': no such weight initializer; did you mean 'Pretrained'?",
        ),
        (
            {'model.visual.backbone.init_cfg': dict(type='Pretrained', chekpoint='x')},
            "model.visual.backbone.init_cfg.chekpoint: no such argument of Pretrained; did you mean 'checkpoint'?",
        ),
        (
            {'model.head.init_cfg': [dict(type='Xavier', layer='Linear', gian=1.0)]},
            "model.head.init_cfg.0.gian: no such argument of Xavier; did you mean 'gain'?",
        ),
        (
            {'model.head': dict(_delete_=True, type='AffectHead', targets=['valence'])},
            'model.head.in_channels: AffectHead needs this argument',
        ),
        ({'train_dataloader.dataset': dict(_delete_=True, type='AffectDataset')}, 'train_dataloader.dataset.data_root'),
        ({'train_cfg': dict(_delete_=True, type='EpochBasedTrainLoop')}, 'train_cfg.max_epochs: EpochBasedTrainLoop'),
        ({'param_scheduler': [dict(type='StepLR')]}, 'param_scheduler.0.step_size: StepLR needs this argument'),
        ({'train_dataloader': dict(_delete_=True, dataset=dict(type='AffectDataset', data_root='x', split='train'))},
         'train_dataloader.sampler: train_dataloader needs this argument'),
    ],
)  # fmt: skip
def test_dicts_that_are_not_whole(options, text, dumped):
    assert error_of(dumped, options).startswith(text)


@pytest.mark.parametrize(
    'name', ['optim_warpper', 'val_evalutor', 'param_schedular', 'custom_hook', 'modle', 'val_cgf']
)
def test_a_misspelt_key_of_a_file(name, dumped, tmp_path):
    right = dict(
        optim_warpper='optim_wrapper', val_evalutor='val_evaluator', param_schedular='param_scheduler',
        custom_hook='custom_hooks', modle='model', val_cgf='val_cfg',
    )[name]  # fmt: skip
    cfg = Config.fromfile(dumped)
    cfg[name] = cfg.pop(right)
    cfg.dump(tmp_path / 'wrong.py')
    assert error_of(tmp_path / 'wrong.py') == f'{name}: no such key; did you mean {right!r}?'


def test_fragments_of_a_file_may_have_any_other_name(dumped, tmp_path):
    names = ['models', 'my_optim_wrapper', 'train_pipeline', 'released_preprocessor', 'test_dataset', 'hooks', 'cfg_2']
    text = dumped.read_text() + '\n'.join(['', *(f'{name} = dict(size=3)' for name in names)])
    (tmp_path / 'fragments.py').write_text(text)
    assert load_config(tmp_path / 'fragments.py').hooks == dict(size=3)


def test_a_launcher_that_does_not_exist(dumped):
    assert error_of(dumped, launcher='slrum') == "launcher = 'slrum': no such value; did you mean 'slurm'?"


def test_all_problems_are_known(dumped):
    options = {'model.neck.temprature': 1, 'model.neck.num_iters': '2', 'randomness.sed': 3}
    with pytest.raises(ConfigError) as error:
        load_config(dumped, options=options)
    assert str(error.value) == error.value.lines[0]
    assert [line.partition(':')[0] for line in error.value.lines] == [
        "model.neck.num_iters = '2'", 'model.neck.temprature', 'randomness.sed',
    ]  # fmt: skip


@pytest.mark.parametrize(
    'options',
    [
        {'optim_wrapper.clip_grad': dict(max_norm=1)},
        {'optim_wrapper.clip_grad': dict(type='value', clip_value=0.1)},
        {'optim_wrapper.optimizer': dict(_delete_=True, type='SGD', lr=1, momentum=0.9, nesterov=True)},
        {'optim_wrapper.optimizer.betas': [0.9, 0.99]},
        {'optim_wrapper.paramwise_cfg': dict(custom_keys={'visual.backbone': dict(lr_mult=0)}, norm_decay_mult=0)},
        {'optim_wrapper': dict(_delete_=True, optimizer=dict(type='Adam'))},
        {'optim_wrapper': dict(_delete_=True, constructor='DefaultOptimWrapperConstructor',
                               one=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1)))},
        {'train_cfg': dict(_delete_=True, by_epoch=True, max_epochs=3)},
        {'train_cfg': dict(_delete_=True, by_epoch=False, max_iters=1e3)},
        {'val_cfg': dict(_delete_=True)},
        {'val_cfg': None, 'val_dataloader': None, 'val_evaluator': None, 'param_scheduler': None},
        {'custom_hooks.0.priority': 'low', 'custom_hooks.1.priority': 30},
        {'default_hooks.timer': None},
        {'default_hooks.mine': dict(type='EMAHook', momentum=1e-4)},
        {'default_hooks.checkpoint': dict(_delete_=True, type='mmengine.CheckpointHook', save_best='auto')},
        {'val_evaluator': [dict(type='CCCMetric', prefix='val')], 'default_hooks.checkpoint.save_best': 'val/CCC/mean',
         'param_scheduler': None, 'custom_hooks': []},
        {'val_evaluator': dict(_delete_=True, metrics=[dict(type='CCCMetric'), dict(type='TraceWriter', out_dir='x')])},
        {'val_evaluator': [dict(type='CCCMetric'), dict(type='DumpResults', out_file_path='x.pkl')],
         'default_hooks.checkpoint.save_best': 'accuracy'},
        {'model.head.init_cfg': dict(type='Normal', layer=['Linear'], std=1, override=dict(name='fc2'))},
        {'model.head.init_cfg': dict(type='Normal', layer='Linear', override=dict(type='Constant', name='fc2', val=0))},
        {'env_cfg.dist_cfg.timeout': 1800},
        {'log_level': 10},
        {'compile': True, 'find_unused_parameters': True, 'sync_bn': 'torch'},
        {'load_from': Path('x.pth'), 'randomness.deterministic': True},
        {'visualizer.vis_backends': [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]},
        {'train_dataloader.dataset': dict(
            _delete_=True, type='RepeatDataset', times=2,
            dataset=dict(type='AffectDataset', data_root='x', split='train')),
         'train_dataloader.sampler': dict(_delete_=True, type='DefaultSampler')},
        {'model.neck.type': GRJCA},
        {'param_scheduler.0.end': 5.0},
        {'strategy': dict(type='FSDPStrategy', model_wrapper=dict(auto_wrap_policy=None))},
    ],
    ids=lambda options: next(iter(options)),
)  # fmt: skip
def test_what_runs_is_not_refused(options, dumped):
    assert load_config(dumped, options=options).work_dir


@pytest.mark.parametrize('path', ALL)
def test_every_config_of_the_repository(path):
    assert load_config(CONFIGS / path).model.type == 'AffectEstimator'


@pytest.mark.parametrize('targets', [('valence', 'arousal'), ('arousal',)])
@pytest.mark.parametrize('prefix', [None, 'val'])
def test_the_known_figures_are_those_of_the_metric(targets, prefix):
    metric = CCCMetric(resamples=2, collect_device='cpu', prefix=prefix)
    g = torch.Generator().manual_seed(0)
    sample = dict(trial='a', start=0, stride=1, targets=targets, valid=torch.ones(9, dtype=torch.bool))
    sample.update(pred_affect=torch.rand(9, len(targets), generator=g), gt_affect=torch.rand(9, 2, generator=g))
    metric.process({}, [sample])
    cfg = dict(
        model=dict(type='AffectEstimator', head=dict(type='AffectHead', targets=list(targets))),
        val_evaluator=dict(type='CCCMetric', prefix=prefix),
    )
    assert known_figures(cfg) == set(metric.evaluate(1))


@pytest.mark.parametrize('prefix', [None, 'val'])
def test_figures_of_conditions_are_known_where_they_are_asked_for(prefix):
    start = 'val/' if prefix else ''
    name = f'{start}CCC_by_condition/decoupled/arousal'
    model = dict(type='AffectEstimator', head=dict(type='AffectHead'))
    evaluator = dict(type='CCCMetric', prefix=prefix)
    hook = {'monitor': name}
    plain = known_figures(dict(model=model, val_evaluator=evaluator))
    problem = next(figure_problems('hook', hook, 'mmaffect', plain))
    assert problem.startswith(f'hook.monitor = {name!r}: no such figure')
    split = known_figures(dict(model=model, val_evaluator=dict(evaluator, by_condition=True)))
    assert [*figure_problems('hook', hook, 'mmaffect', split)] == []
    wrong = {'monitor': f'{start}CCC_by_condition/decoupled/anger'}
    assert len([*figure_problems('hook', wrong, 'mmaffect', split)]) == 1


def test_figures_of_others_are_not_judged():
    head = dict(type='AffectHead')
    model = dict(type='AffectEstimator', head=head)
    assert known_figures(dict(model=model, val_evaluator=dict(type='CCCMetric'))) is not None
    assert known_figures(dict(model=model, val_evaluator=[dict(type='CCCMetric'), dict(type='Theirs')])) is None
    assert known_figures(dict(model=dict(type='Theirs', head=head), val_evaluator=dict(type='CCCMetric'))) is None
    assert known_figures(dict(model=model)) is None
    assert known_figures(dict(model=dict(type='AffectEstimator', head=dict(head, targets=3)), val_evaluator=[])) is None
