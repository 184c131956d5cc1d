"""Several configs, each trained with several seeds."""

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config

from ..datasets.features import INDEX, corpus_folder
from ..errors import ConfigError
from ..utils.files import write_text
from .running import build_runner, data_loaders, load_config, prepare_resume


def train_once(
    config: str, seed: int, work_dir: str, data_root: str | None, options: Mapping[str, object] | None
) -> dict:
    """Train a config with a seed and keep what its validation said; a finished run of the same config is not repeated.

    Output goes to ``<work_dir>/output.log``. A run that was interrupted continues from its last checkpoint.

    Args:
        config: config file.
        seed: of the run.
        work_dir: folder of its logs and checkpoints, and of ``result.json``.
        data_root: corpus, instead of the config's.
        options: ``--cfg-options``.

    Returns:
        ``seed``, ``parameters``, ``seconds`` of an epoch, ``corpus``, ``split``, ``synthetic``, and ``history``: by
        name of the figure, its value after every epoch that was validated.

    Raises:
        MMAffectError: as :func:`mmaffect.engine.running.build_runner`.
    """
    cfg = load_config(config, options=options, data_root=data_root, work_dir=work_dir)
    if cfg.val_dataloader is None:
        raise ConfigError(f'{config}: has no validation to compare')
    cfg.randomness.seed = seed
    # What the folder was trained with; a checkpoint of another config or corpus must not be continued.
    digest = hashlib.sha256('\n'.join([cfg.pretty_text, *_indexes(cfg)]).encode()).hexdigest()
    folder = Path(work_dir)
    result = folder / 'result.json'
    try:
        found = json.loads(result.read_text())
        if found['config'] == digest:
            return found
        result.unlink()
    except (OSError, ValueError, KeyError):
        pass
    started = folder / 'config.sha256'
    same = started.is_file() and started.read_text() == digest
    if not same:
        (folder / 'last_checkpoint').unlink(missing_ok=True)
        write_text(started, digest)
    prepare_resume(cfg, 'auto')
    with open(folder / 'output.log', 'a') as log:
        stdout, stderr = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = log
        try:
            runner = build_runner(cfg)
            runner.train()
        finally:
            sys.stdout, sys.stderr = stdout, stderr
    scalars = runner.message_hub.log_scalars
    history = {
        key.removeprefix('val/'): [float(value) for value in scalar.data[0]]
        for key, scalar in scalars.items()
        if key.startswith('val/') and 'CCC' in key
    }
    metainfo = runner.val_dataloader.dataset.metainfo
    found = {
        'config': digest,
        'seed': seed,
        'parameters': sum(parameter.numel() for parameter in runner.model.parameters()),
        'seconds': float(np.mean(scalars['train/time'].data[0])) * len(runner.train_dataloader),
        'history': history,
        **{key: metainfo[key] for key in ('corpus', 'split', 'synthetic')},
    }
    write_text(result, json.dumps(found))
    return found


def _indexes(cfg: Config) -> list[str]:
    """Texts that change with the data of a config: the indexes of its corpus and of its features."""
    paths = []
    for loader in data_loaders(cfg, ('train_dataloader', 'val_dataloader')):
        root = loader.dataset.data_root
        features = (loader.dataset.get('features') or {}).values()
        paths += [Path(root, 'corpus.json'), *(corpus_folder(root, 'features', name) / INDEX for name in features)]
    return [path.read_text(encoding='utf-8') for path in paths if path.is_file()]


def summarise(runs: Sequence[dict]) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation (n - 1) over the runs of a config.

    Args:
        runs: as :func:`train_once` returns them.

    Returns:
        ``best/<figure>``: at the epoch with the highest ``CCC/mean``, chosen on the trials that it is measured on; and
        ``last/<figure>``: after the last epoch, which nothing was chosen by.
    """
    values: dict[str, list[float]] = {}
    for run in runs:
        history = run['history']
        best = int(np.nanargmax(history['CCC/mean']))
        for key, numbers in history.items():
            if key.startswith('CCC/'):
                values.setdefault(f'best/{key}', []).append(numbers[best])
                values.setdefault(f'last/{key}', []).append(numbers[-1])
    return {
        key: (float(np.mean(found)), float(np.std(found, ddof=1)) if len(found) > 1 else float('nan'))
        for key, found in values.items()
    }


def config_name(path: str) -> str:
    """Name of a config in tables and folders.

    Examples:
        >>> config_name('configs/comparison/rjca_demo.py')
        'rjca_demo'
    """
    return os.path.splitext(os.path.basename(path))[0]
