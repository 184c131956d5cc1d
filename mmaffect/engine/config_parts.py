"""What stands at which place of a Runner's config: of which registry, and dicts without a type."""

import inspect
import logging
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

import torch
from mmengine.runner import FlexibleRunner, Runner
from mmengine.runner.priority import Priority
from torch.utils.data import DataLoader

from .signature import Argument, Signature, plain_signature, signature_of

# Read by the Runner from the whole config.
FURTHER_KEYS = {
    'activation_checkpointing': Any,
    'compile': Any,
    'custom_imports': dict | None,
    'efficient_conv_bn_eval': Any,
    'find_unused_parameters': bool,
    'model_wrapper_cfg': dict | None,
    'runner_type': str,
    'sync_bn': Literal['torch', 'mmcv'] | None,
}
DEFAULT_HOOKS = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')
PRIORITY = int | Literal[tuple(text for one in Priority for text in (one.name, one.name.lower()))]
# The Runner takes all of a group or none.
GROUPS = (
    ('train_dataloader', 'train_cfg', 'optim_wrapper'),
    ('val_dataloader', 'val_cfg', 'val_evaluator'),
    ('test_dataloader', 'test_cfg', 'test_evaluator'),
)
LOADER_EXTRAS = ('collate_fn', 'worker_init_fn', 'num_batch_per_epoch', 'disable_subprocess_warning')


class Part(NamedTuple):
    """What is built at a place of a config.

    Attributes:
        pattern: of its path.
        kind: name of the registry.
        default: type that is built if the config names none.
        given: arguments that the builder hands over.
        extra: annotations of arguments that the builder takes out before.
    """

    pattern: str
    kind: str
    default: str | None = None
    given: tuple[str, ...] = ()
    extra: Mapping[str, object] = {}


PARTS = (
    Part(r'model|data_preprocessor', 'model'),
    Part(r'train_cfg', 'loop', 'EpochBasedTrainLoop', ('runner', 'dataloader'), {'by_epoch': bool}),
    Part(r'val_cfg', 'loop', 'ValLoop', ('runner', 'dataloader', 'evaluator')),
    Part(r'test_cfg', 'loop', 'TestLoop', ('runner', 'dataloader', 'evaluator')),
    Part(
        r'optim_wrapper',
        'optim_wrapper',
        'OptimWrapper',
        extra={'optimizer': dict | torch.optim.Optimizer, 'constructor': str, 'paramwise_cfg': dict | None},
    ),
    Part(r'optim_wrapper(\.\w+)?\.optimizer', 'optimizer', given=('params',)),
    Part(
        r'param_scheduler(\.\d+|\.\w+(\.\d+)?)?',
        'parameter scheduler',
        given=('optimizer', 'param_name'),
        extra={'convert_to_iter_based': bool},
    ),
    Part(r'(val|test)_evaluator(\.metrics)?(\.\d+)?', 'metric'),
    Part(r'(default|custom)_hooks\.\w+', 'hook', extra={'priority': PRIORITY}),
    Part(r'log_processor', 'log_processor', 'LogProcessor'),
    Part(r'visualizer', 'visualizer', given=('name', 'save_dir')),
    Part(r'visualizer\.vis_backends(\.\d+)?', 'vis_backend', given=('save_dir',)),
    Part(r'strategy', 'strategy', given=('work_dir', 'experiment_name')),
    Part(r'model_wrapper_cfg', 'model_wrapper', given=('module', 'device_ids')),
    Part(r'\w+_dataloader(\.datasets?(\.\d+)?)+', 'dataset'),
    Part(r'\w+_dataloader\.sampler', 'data sampler', given=('dataset', 'seed')),
    Part(r'\w+_dataloader\.batch_sampler', 'data sampler', given=('sampler', 'batch_size')),
    Part(
        r'\w+_dataloader\.(collate_fn|worker_init_fn)', 'function', given=('worker_id', 'num_workers', 'rank', 'seed')
    ),
    Part(r'\w+_dataloader\..*\.pipeline\.\d+', 'transform'),
    Part(r'\w+_dataloader\..*\.corruptions\.\d+', 'corruption'),
    Part(r'.*\.init_cfg(\.\d+)?', 'weight initializer', extra={'override': dict | list | None}),
    Part(r'.*\.init_cfg(\.\d+)?\.override(\.\d+)?', 'weight initializer', extra={'name': str}),
)


def part_at(path: str) -> Part | None:
    """The part whose place this is."""
    return next((one for one in PARTS if re.fullmatch(one.pattern, path)), None)


def default_type(part: Part, node: Mapping) -> str | None:
    """Type that is built from a dict that names none."""
    if part.pattern == 'train_cfg' and not node.get('by_epoch', True):
        return 'IterBasedTrainLoop'
    if part.kind == 'metric' and 'metrics' in node:
        return 'Evaluator'
    if part.pattern == 'optim_wrapper' and 'optimizer' not in node:
        return None
    return part.default


@cache
def runner_keys() -> Signature:
    """Top-level keys of a config that are read."""
    choices = {
        'work_dir': str | None,
        'default_hooks': dict[str, dict | None] | None,
        'launcher': Literal['none', 'pytorch', 'slurm', 'mpi'],
        'log_level': int | Literal[tuple(logging._nameToLevel)],
        'default_scope': str | None,
    }
    known = [signature_of(runner).arguments for runner in (FlexibleRunner, Runner)]
    # None is needed here: a tool says itself what it misses.
    arguments = {name: one._replace(needed=False) for group in known for name, one in group.items() if name != 'cfg'}
    return Signature(arguments | plain_signature(FURTHER_KEYS | choices).arguments)


@cache
def plain_parts() -> dict[str, Signature]:
    """Dicts that have no type, by path."""
    scaled = ('bias_lr', 'bias_decay', 'norm_decay', 'flat_decay', 'dwconv_decay', 'dcn_offset_lr')
    return {
        'env_cfg': plain_signature(
            {'cudnn_benchmark': bool, 'mp_cfg': dict, 'dist_cfg': dict, 'resource_limit': int},
        ),
        'env_cfg.mp_cfg': plain_signature(
            {'mp_start_method': Literal['fork', 'spawn', 'forkserver'], 'opencv_num_threads': int}
        ),
        'env_cfg.dist_cfg': plain_signature(
            {'backend': str, 'init_backend': Literal['torch', 'smddp', 'deepspeed'], 'timeout': float | None},
            inspect.signature(torch.distributed.init_process_group).parameters,
        ),
        'randomness': plain_signature({'seed': int | None, 'diff_rank_seed': bool, 'deterministic': bool}),
        'auto_scale_lr': plain_signature({'enable': bool, 'base_batch_size': int}),
        'optim_wrapper.paramwise_cfg': plain_signature(
            {f'{one}_mult': float | None for one in scaled} | {'custom_keys': dict[str, dict], 'bypass_duplicate': bool}
        ),
    }


def group_signature(optimizer: Signature) -> Signature:
    """Keys of an entry of ``paramwise_cfg.custom_keys``: those that are left are settings of the optimizer."""
    own = plain_signature({'lr_mult': float, 'decay_mult': float, 'name': str}).arguments
    settings = {name: one._replace(needed=False) for name, one in optimizer.arguments.items()}
    return Signature(settings | own, optimizer.closed)


def clip_signature(node: Mapping) -> Signature:
    """Arguments of ``optim_wrapper.clip_grad``."""
    clip = torch.nn.utils.clip_grad_value_ if node.get('type') == 'value' else torch.nn.utils.clip_grad_norm_
    return Signature(signature_of(clip).arguments | {'type': Argument(Literal['norm', 'value'])})


@cache
def loader_signature() -> Signature:
    """Arguments of a data loader."""
    arguments = signature_of(DataLoader).arguments
    arguments |= plain_signature({}, LOADER_EXTRAS, ('batch_sampler',)).arguments
    arguments |= {name: Argument(dict, needed=True) for name in ('dataset', 'sampler')}
    return Signature(arguments)
