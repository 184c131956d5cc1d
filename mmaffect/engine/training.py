"""Trainings that are part of a larger one: finished ones are kept, interrupted ones continue."""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import count
from pathlib import Path
from typing import TypeVar

import numpy as np
from filelock import FileLock, Timeout
from mmengine.config import Config
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.logging import MMLogger
from mmengine.runner import EpochBasedTrainLoop

from ..datasets.corpus import Corpus
from ..datasets.features import INDEX, Features, corpus_folder, feature_files
from ..errors import ConfigError
from ..utils.files import write_text
from .checkpoint import load_weights
from .resume import prepare_resume
from .running import build_runner, data_loaders, require

LOG = 'output.log'
RESULT = 'result.json'
# Digest of what the checkpoints of the folder were trained with; it is there from the first epoch on.
STARTED = 'config.sha256'
# MMEngine's log and figures of runs of one name in one second would be those of one run.
_numbers = count()
T = TypeVar('T')


def train_or_keep(cfg: Config) -> dict:
    """Train a config and keep what its validation said; a finished run of the same config and data is not repeated.

    Output goes to ``<work_dir>/output.log``. A run that was interrupted continues from its last checkpoint; one of
    another config or of other data is not continued, and its checkpoints are deleted but for the best weights.

    Args:
        cfg: config with its seed and work dir. Under a launcher, all ranks call this.

    Returns:
        ``seed``, ``parameters``, ``seconds`` of an epoch, ``corpus``, ``split``, ``synthetic``; ``history``: by name of
        the figure, its value after every epoch that was validated; ``epochs``: their numbers; ``best_checkpoint``:
        name of the file with the best weights in the work dir, or ``None``.

    Raises:
        MMAffectError: as :func:`mmaffect.engine.running.build_runner`.
    """
    digest = run_digest(cfg)
    found = shared(lambda: _kept(cfg, digest))
    if found is not None:
        return found
    cfg = _named_copy(cfg)
    with output_to(Path(cfg.work_dir, LOG)):
        prepare_resume(cfg, 'auto' if Path(cfg.work_dir, 'last_checkpoint').is_file() else None)
        runner = build_runner(cfg)
        runner.train()
    scalars = runner.message_hub.log_scalars
    if 'train/time' not in scalars:
        raise ConfigError(f'{cfg.filename}: train_cfg.max_epochs = {cfg.train_cfg.max_epochs}; expected at least 1')
    history = {
        key.removeprefix('val/'): [float(value) for value in scalar.data[0]]
        for key, scalar in scalars.items()
        if key.startswith('val/') and 'CCC' in key
    }
    best = runner.message_hub.runtime_info.get('best_ckpt')
    metainfo = runner.val_dataloader.dataset.metainfo
    found = {
        'config': digest,
        'seed': runner.seed,
        'parameters': sum(parameter.numel() for parameter in runner.model.parameters()),
        'seconds': float(np.mean(scalars['train/time'].data[0])) * len(runner.train_dataloader),
        'history': history,
        'epochs': _validated(runner.train_loop),
        'best_checkpoint': best and Path(best).name,
        **{key: metainfo[key] for key in ('corpus', 'split', 'synthetic')},
    }
    if is_main_process():
        write_text(Path(cfg.work_dir, RESULT), json.dumps(found))
    return shared(lambda: found)


def finished(cfg: Config, digest: str | None = None) -> dict | None:
    """What :func:`train_or_keep` returned for a config and its data, if that run is finished.

    Args:
        cfg: the config.
        digest: its :func:`run_digest`, if it is at hand.
    """
    try:
        found = json.loads(Path(cfg.work_dir, RESULT).read_text())
        return found if found['config'] == (digest or run_digest(cfg)) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def predict_trials(cfg: Config, checkpoint: str | Path, out_dir: str | Path) -> None:
    """Predict the test trials and write ``<trial>.csv`` of each, as ``tools/test.py --split test --out`` does.

    Args:
        cfg: config of the model. Under a launcher, all ranks call this.
        checkpoint: its weights.
        out_dir: folder, made if needed.

    Raises:
        CheckpointError: if the checkpoint is missing, damaged or of another model.
        MMAffectError: as :func:`mmaffect.engine.running.build_runner`.
    """
    require(cfg, 'test_dataloader', 'test_cfg')
    cfg = _named_copy(cfg)
    cfg.test_dataloader.dataset.split = 'test'
    cfg.test_evaluator = [{'type': 'TraceWriter', 'out_dir': str(out_dir), 'plot': False}]
    cfg.load_from, cfg.resume = None, False
    with output_to(Path(cfg.work_dir, LOG)):
        runner = build_runner(cfg, loaders=('test_dataloader',))
        load_weights(getattr(runner.model, 'module', runner.model), checkpoint)
        runner.test()


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


def run_digest(cfg: Config) -> str:
    """SHA-256 of a config and of the indexes of its corpus and features, whatever its work dir and launcher."""
    plain = Config(cfg.to_dict())
    plain.work_dir, plain.launcher = '', 'none'
    return hashlib.sha256('\n'.join([plain.pretty_text, *_indexes(cfg)]).encode()).hexdigest()


@contextmanager
def output_to(path: Path) -> Iterator[None]:
    """Append what is printed and logged to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'a', encoding='utf-8') as log:
        stdout, stderr = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = log
        try:
            _new_logger()
            yield
        finally:
            sys.stdout, sys.stderr = stdout, stderr
            _new_logger()


def _new_logger() -> None:
    # MMEngine's current logger writes to what was stdout when it was made, be that closed now.
    MMLogger.get_instance(f'output_{next(_numbers)}')


@contextmanager
def folder_lock(folder: str | Path, wait: bool = False) -> Iterator[bool]:
    """Have a folder for this process and its ranks until the end of the block, or until the process ends in any way.

    Args:
        folder: made if needed.
        wait: wait for another process that has it.

    Returns:
        Whether this one has it.

    Raises:
        ConfigError: if its disk has no file locks.
    """
    folder = Path(folder)
    lock = FileLock(folder / '.lock')

    def acquire() -> bool:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            return False
        except NotImplementedError:
            raise ConfigError(f'{folder}: no file locks on this disk; give another work dir') from None
        return True

    try:
        yield shared(acquire)
    finally:
        lock.release()


def shared(function: Callable[[], T]) -> T:
    """What a function returns on rank 0, where alone it is called, on all ranks."""
    found = [function() if is_main_process() else None]
    broadcast_object_list(found)
    return found[0]


def _validated(loop: EpochBasedTrainLoop) -> list[int]:
    """Epochs after which a training was validated; MMEngine keeps figures without them."""
    return [
        epoch
        for epoch in range(loop.val_begin, loop.epoch + 1)
        if epoch % loop.val_interval == 0 or epoch == loop.max_epochs
    ]


def _named_copy(cfg: Config) -> Config:
    cfg = deepcopy(cfg)
    cfg.experiment_name = f'{cfg.get("experiment_name") or Path(cfg.filename or "run").stem}_{next(_numbers)}'
    return cfg


def _kept(cfg: Config, digest: str) -> dict | None:
    """The finished run; if there is none, its folder is ready for it."""
    if (found := finished(cfg, digest)) is not None:
        return found
    folder = Path(cfg.work_dir)
    (folder / RESULT).unlink(missing_ok=True)
    started = folder / STARTED
    if not started.is_file() or started.read_text() != digest:
        # A resume would take these for earlier checkpoints of the same run.
        for stale in (folder / 'last_checkpoint', *folder.glob('epoch_*.pth'), *folder.glob('iter_*.pth')):
            stale.unlink(missing_ok=True)
        write_text(started, digest)
    return None


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
