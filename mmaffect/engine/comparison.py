"""Several configs, each trained with several seeds."""

import hashlib
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config

from ..datasets.corpus import Corpus
from ..datasets.features import INDEX, Features, corpus_folder, feature_files
from ..errors import ConfigError
from ..utils.files import write_text
from .running import build_runner, data_loaders, load_config, prepare_resume


def train_once(
    config: str,
    seed: int,
    work_dir: str,
    data_root: str | None = None,
    features: str | None = None,
    options: Mapping[str, object] | None = None,
) -> dict:
    """Train a config with a seed and keep what its validation said; a finished run of the same config is not repeated.

    Output goes to ``<work_dir>/output.log``. A run that was interrupted continues from its last checkpoint.

    Args:
        config: config file.
        seed: of the run.
        work_dir: folder of its logs and checkpoints, and of ``result.json``.
        data_root: corpus, instead of the config's.
        features: cached features in the place of the backbones.
        options: ``--cfg-options``.

    Returns:
        ``seed``, ``parameters``, ``seconds`` of an epoch, ``corpus``, ``split``, ``synthetic``, and ``history``: by
        name of the figure, its value after every epoch that was validated.

    Raises:
        MMAffectError: as :func:`mmaffect.engine.running.build_runner`.
    """
    cfg = load_config(config, options=options, data_root=data_root, work_dir=work_dir, features=features)
    check_data(cfg)
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
    except (OSError, ValueError, KeyError, TypeError):
        pass
    started = folder / 'config.sha256'
    same = started.is_file() and started.read_text() == digest
    if not same:
        (folder / 'last_checkpoint').unlink(missing_ok=True)
        write_text(started, digest)
    with open(folder / 'output.log', 'a') as log:
        stdout, stderr = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = log
        try:
            prepare_resume(cfg, 'auto')
            runner = build_runner(cfg)
            runner.train()
        finally:
            sys.stdout, sys.stderr = stdout, stderr
    scalars = runner.message_hub.log_scalars
    if 'train/time' not in scalars:
        raise ConfigError(f'{config}: train_cfg.max_epochs = {cfg.train_cfg.max_epochs}; expected at least 1')
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


def check_data(cfg: Config) -> None:
    """Open what a config reads, before anything is trained.

    Raises:
        ConfigError: if it has no validation.
        CorpusError: if its corpus or features are missing.
    """
    if cfg.get('val_dataloader') is None:
        raise ConfigError(f'{cfg.filename}: has no validation to compare')
    for loader in data_loaders(cfg, ('train_dataloader', 'val_dataloader')):
        root = loader.dataset.data_root
        Corpus(root)
        for name in (loader.dataset.get('features') or {}).values():
            Features(corpus_folder(root, 'features', name))


def _indexes(cfg: Config) -> list[str]:
    """Texts that change with the data of a config: the indexes of its corpus and of its features."""
    found = []
    for loader in data_loaders(cfg, ('train_dataloader', 'val_dataloader')):
        root = loader.dataset.data_root
        found.append(Path(root, 'corpus.json').read_text(encoding='utf-8'))
        for name in (loader.dataset.get('features') or {}).values():
            folder = corpus_folder(root, 'features', name)
            if (folder / INDEX).is_file():
                found.append((folder / INDEX).read_text(encoding='utf-8'))
            else:  # of others
                found += [f'{path} {path.stat()[6:9]}' for path in sorted(feature_files(folder))]
    return found


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
        means = np.array(history['CCC/mean'])
        best = -1 if np.isnan(means).all() else int(np.nanargmax(means))
        for key, numbers in history.items():
            if key.startswith('CCC/'):
                values.setdefault(f'best/{key}', []).append(numbers[best])
                values.setdefault(f'last/{key}', []).append(numbers[-1])
    return {
        key: (float(np.mean(found)), float(np.std(found, ddof=1)) if len(found) > 1 else float('nan'))
        for key, found in values.items()
    }


def comparison_table(runs: Mapping[str, Sequence[dict]]) -> str:
    """Markdown table, one row a config.

    Args:
        runs: by name of the config, as :func:`train_once` returns them; configs may predict different targets.
    """
    rows = {name: summarise(found) for name, found in runs.items()}
    targets = list(dict.fromkeys(key[9:] for row in rows.values() for key in row if key.startswith('best/CCC/')))
    lines = [
        f'| config | {" | ".join(targets)} | mean after the last epoch | runs | parameters | seconds an epoch |',
        f'|---|{"---|" * (len(targets) + 4)}',
    ]
    for name, found in runs.items():
        cells = [_spread(rows[name].get(f'best/CCC/{target}')) for target in targets]
        cells += [_spread(rows[name]['last/CCC/mean']), str(len(found)), f'{found[0]["parameters"]:,}']
        seconds = sum(run['seconds'] for run in found) / len(found)
        lines.append(f'| {name} | {" | ".join(cells)} | {seconds:.2f} |')
    return '\n'.join(lines)


def _spread(value: tuple[float, float] | None) -> str:
    """``0.512 ± 0.013``, without the second of a single run."""
    if value is None:
        return '–'
    return f'{value[0]:.3f}' if math.isnan(value[1]) else f'{value[0]:.3f} ± {value[1]:.3f}'
