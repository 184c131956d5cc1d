"""From a config file to a Runner: what tools/train.py and tools/test.py share."""

import argparse
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from mmengine.dist import init_dist, is_distributed
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from torch import nn

from ..compat import (
    allow_runner_checkpoints,
    cpu_model_wrapper,
    import_custom_modules,
    init_cpu_process_group,
    keep_freed_memory,
    quiet_ranks,
    register_package,
    use_sync_batch_norm_everywhere,
    write_whole_checkpoints,
)
from ..datasets.affect_dataset import MODALITIES
from ..datasets.corpus import Corpus
from ..datasets.features import Features, corpus_folder
from ..errors import ConfigError, MMAffectError
from ..registry import MODELS
from .checkpoint import check_model
from .config_check import check_config, check_options
from .pretrained import match_weights
from .release import unwrapped
from .resume import open_checkpoint, use_safe_loading
from .runner import Runner
from .size_check import DATALOADERS, check_sizes, is_affect_dataset, leaf_datasets


def load_config(
    path: str | Path,
    *,
    options: Mapping[str, object] | None = None,
    data_root: str | None = None,
    work_dir: str | None = None,
    features: str | None = None,
    launcher: str = 'none',
) -> Config:
    """Read a config file, merge what the command line says, and check it.

    Args:
        path: config file.
        options: dotted keys and values of ``--cfg-options``.
        data_root: folder of the prepared corpus for every data loader, instead of the config's.
        work_dir: folder of logs and checkpoints; ``work_dirs/<config>`` if neither this nor the config names one.
        features: name of cached features that take the place of all backbones, as :func:`use_features`.
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.

    Raises:
        CorpusError: if there are no such features.
        ConfigError: if the file or a key does not exist or does not fit.
    """
    register_package()
    if not Path(path).is_file():
        raise ConfigError(f'{path}: no such config file')
    try:
        cfg = Config.fromfile(path)
    except (Exception, SystemExit) as error:  # a config is a program, and can fail in any way
        raise ConfigError(f'{path}: {type(error).__name__}: {error}') from None
    import_custom_modules(cfg.get('custom_imports'), cfg.filename)
    merge_options(cfg, options)
    if data_root is not None:
        for dataset in leaf_datasets(cfg).values():
            dataset.data_root = data_root
    if isinstance(loop := cfg.get('train_cfg'), Mapping) and 'type' not in loop and loop.get('by_epoch'):
        # By which MMEngine would take its own loop, whatever the scope.
        cfg.train_cfg = {'type': 'EpochBasedTrainLoop', **{key: loop[key] for key in loop if key != 'by_epoch'}}
    cfg.launcher = launcher
    cfg.work_dir = work_dir or cfg.get('work_dir') or str(Path('work_dirs', Path(path).stem))
    if features is not None:
        use_features(cfg, features)
    check_config(cfg)
    check_sizes(cfg)
    return cfg


def load_tool_config(args: argparse.Namespace) -> Config:
    """:func:`load_config` by the arguments of :func:`mmaffect.utils.cli.runner_arguments` and ``config``."""
    return load_config(
        args.config,
        options=args.cfg_options,
        data_root=args.data_root,
        work_dir=args.work_dir,
        features=args.features,
        launcher=args.launcher,
    )


def require(cfg: Config, *keys: str) -> None:
    """Raise :class:`ConfigError` for the first of the top-level keys that a config has not."""
    for key in keys:
        if not cfg.get(key):
            raise ConfigError(f'{cfg.filename or "config"}: has no {key}')


def merge_options(cfg: Config, options: Mapping[str, object] | None) -> None:
    """Merge dotted keys and values into a config, which is not checked yet.

    Raises:
        ConfigError: if a key cannot be merged.
    """
    check_options(cfg, options)
    try:
        cfg.merge_from_dict(dict(options or {}))
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise ConfigError(f'--cfg-options {" ".join(options)}: {error}') from None


def check_device(name: str) -> torch.device:
    """A device that can be used here.

    Raises:
        ConfigError: if this machine or this build of PyTorch has it not.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        known = ['cpu', *(f'cuda:{i}' for i in range(torch.cuda.device_count()))]
        raise ConfigError(f'device={name!r}: not available here; expected {" or ".join(known)}') from None
    return device


def data_loaders(cfg: Config, names: tuple[str, ...] = DATALOADERS) -> list[ConfigDict]:
    """Data loaders of a config, without those that are None, as for a training without validation."""
    return [cfg[name] for name in names if cfg.get(name) is not None]


def build_model(cfg: Config) -> nn.Module:
    """Build the model of a config, with the weights that its constructors draw.

    Raises:
        ConfigError: if the config has no model, or a value does not fit its constructor.
    """
    require(cfg, 'model')
    with DefaultScope.overwrite_default_scope('mmaffect'), _named(cfg):
        return MODELS.build(cfg.model)


def init_weights(model: nn.Module) -> None:
    """Give a model the weights that its ``init_cfg`` name, without MMEngine's list of every parameter in the log."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with DefaultScope.overwrite_default_scope('mmaffect'):
            model.init_weights()
    finally:
        logger.setLevel(level)


@contextmanager
def _named(cfg: Config) -> Iterator[None]:
    """Turn what constructors raise for a wrong value into one line with the config's name."""
    try:
        yield
    except (ValueError, TypeError, AssertionError, RuntimeError) as error:
        if isinstance(error, MMAffectError):
            raise
        raise ConfigError(f'{cfg.filename or "config"}: {error}') from error


def use_features(cfg: Config, name: str) -> None:
    """Put cached features in the place of a model's backbones.

    Args:
        cfg: the config.
        name: of the features, ``<data_root>/features/<name>/<modality>``, or the full path of a folder that holds
            ``visual`` and ``audio``.

    Raises:
        CorpusError: if there are none, for a modality of the model.
        ConfigError: if the config has no model or no data loader.
    """
    require(cfg, 'model')
    datasets = {path: one for path, one in leaf_datasets(cfg).items() if is_affect_dataset(one)}
    if not datasets:
        raise ConfigError(f'{cfg.filename or "config"}: has no data loader to read features')
    roots = {path: one.get('data_root') for path, one in datasets.items()}
    for path, root in roots.items():
        if not isinstance(root, (str, Path)):
            raise ConfigError(f'{path}.data_root = {root!r}: expected the folder of a corpus')
    root = next(iter(roots.values()))
    streams = {one: cfg.model[one] for one in MODALITIES if cfg.model.get(one) is not None}
    for modality, stream in streams.items():
        stream.pop('backbone', None)
        stream.type = 'Stream'
        stream.in_channels = Features(corpus_folder(root, 'features', f'{name}/{modality}')).channels()
    for dataset in datasets.values():
        further = {key: value for key, value in (dataset.get('features') or {}).items() if key not in MODALITIES}
        dataset.features = further | {modality: f'{name}/{modality}' for modality in streams}


def use_amp(cfg: Config) -> None:
    """Train in bfloat16 autocast.

    Raises:
        ConfigError: if the config has no ``optim_wrapper``.
    """
    require(cfg, 'optim_wrapper')
    cfg.optim_wrapper.type = 'AutocastOptimWrapper'


def use_randomness(cfg: Config, seed: int | None = None, deterministic: bool = False) -> None:
    """Set up ``--seed`` and ``--deterministic``.

    Args:
        cfg: the config.
        seed: of the run, 0 or more; ``None`` for the config's.
        deterministic: algorithms that give the same bits in every run, or none.

    Raises:
        ConfigError: if the seed is negative or too large for NumPy.
    """
    randomness = {'seed': None, **(cfg.get('randomness') or {})}
    if seed is not None:
        if not 0 <= seed < 2**32:
            raise ConfigError(f'--seed {seed}: expected 0 to {2**32 - 1}')
        randomness['seed'] = seed
    if deterministic:
        randomness['deterministic'] = True
    cfg.randomness = randomness


def start_ranks(cfg: Config) -> None:
    """Let ranks talk to each other before a Runner is built, which would begin it.

    Raises:
        ConfigError: if the launcher did not start this process.
    """
    if cfg.launcher == 'none' or is_distributed():
        return
    quiet_ranks()
    settings = (cfg.get('env_cfg') or {}).get('dist_cfg') or {}
    if torch.cuda.is_available():
        init_dist(cfg.launcher, **settings)
    else:
        init_cpu_process_group(cfg.launcher, settings.get('timeout'))


def build_runner(cfg: Config, loaders: tuple[str, ...] = DATALOADERS[:2]) -> Runner:
    """Build the Runner of a config, after a look at its data and its checkpoint.

    Args:
        cfg: the config.
        loaders: data loaders that will be used.

    Raises:
        CorpusError: if a corpus is missing or damaged.
        CheckpointError: if the checkpoint to start or to resume from is damaged or of another model.
        DownloadError: if it cannot be fetched.
        ConfigError: if a value does not fit its constructor.
    """
    allow_runner_checkpoints()
    use_safe_loading()
    write_whole_checkpoints()
    require(cfg, 'model', *loaders[:1])
    read = [one for one in leaf_datasets(cfg, loaders).values() if is_affect_dataset(one)]
    for root in {one.data_root for one in read if one.get('data_root')}:
        Corpus(root)
    state = open_checkpoint(cfg.load_from)['state_dict'] if cfg.get('load_from') else None
    start_ranks(cfg)
    if cfg.get('sync_bn'):
        use_sync_batch_norm_everywhere()
    if not torch.cuda.is_available():
        keep_freed_memory()
        if cfg.launcher != 'none':
            cfg.model_wrapper_cfg = cpu_model_wrapper()
    os.environ.setdefault('LOCAL_RANK', '0')
    if (cfg.get('randomness') or {}).get('deterministic'):
        # cuBLAS reads it when it is first used.
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    with _named(cfg):
        runner = Runner.from_cfg(cfg)
        if 'train_dataloader' in loaders:
            # Runner.train() would build them, and takes them over when they are there.
            runner.train_loop, runner.val_loop  # noqa: B018
            runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    if state is not None:
        # The Runner itself loads it when it runs, after the model has initialised its weights, and lists every name.
        model = unwrapped(runner.model)
        if cfg.get('resume'):
            check_model(model, state, cfg.load_from)
        else:
            match_weights(model, state, cfg.load_from).report(cfg.load_from, limit=2)
    return runner
