"""Trainings that are part of a larger one: finished ones are kept, interrupted ones continue."""

import errno
import json
import sys
from collections.abc import Callable, Iterator, Mapping
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

from ..datasets.corpus import Corpus
from ..datasets.features import Features, corpus_folder
from ..errors import ConfigError, MMAffectError
from ..registry import LOOPS
from ..utils.files import write_text
from .checkpoint import load_weights
from .figure_check import known_figures
from .loops import EpochBasedTrainLoop
from .release import unwrapped
from .resume import prepare_resume
from .run_settings import run_settings, settings_difference, settings_digest
from .running import build_runner, data_loaders, require

LOG = 'output.log'
RESULT = 'result.json'
# What the checkpoints of the folder were trained with; it is there from the first epoch on.
SETTINGS = 'settings.json'
SELECTED_BY = 'CCC/mean'
# Seconds after which ranks that wait for a folder hear from each other.
POLL = 5.0
# MMEngine's log and figures of runs of one name in one second would be those of one run.
_numbers = count()
T = TypeVar('T')


def train_or_keep(cfg: Config, wait: bool = True, tell: Callable[[str], None] | None = None) -> dict | None:
    """Train a config and keep what its validation said; a finished run of the same config and data is not repeated.

    Output goes to ``<work_dir>/output.log``. A run that was interrupted continues from its last checkpoint. An
    unfinished one of another config or of other data is not continued, and its checkpoints are deleted but for the
    best weights. A finished one is never deleted.

    Args:
        cfg: config with its seed and work dir. Under a launcher, all ranks call this.
        wait: wait for another process that trains it.
        tell: called with a line if there is something to train.

    Returns:
        ``seed``, ``parameters``, ``seconds`` of an epoch (``None`` if they were not logged), ``corpus``, ``split``,
        ``synthetic``; ``history``: by name of the figure, its value after every epoch that was validated; ``epochs``:
        their numbers; ``best_checkpoint``: name of the file with the best weights in the work dir, or ``None``.
        ``None`` if another process trains it.

    Raises:
        ConfigError: if the work dir has the finished run of another config, or checkpoints of another tool.
        MMAffectError: as :func:`mmaffect.engine.running.build_runner`.
    """
    settings = run_settings(cfg)
    with folder_lock(cfg.work_dir, wait) as mine:
        if not mine:
            return None
        found, lines = shared(lambda: _kept(Path(cfg.work_dir), settings))
        if found is not None:
            return found
        for line in lines if tell else ():
            tell(line)
        return _train(cfg, settings_digest(settings), lines)


def _train(cfg: Config, digest: str, lines: list[str]) -> dict:
    cfg = _named_copy(cfg)
    with output_to(Path(cfg.work_dir, LOG)):
        if is_main_process():
            print(*lines, sep='\n')
        prepare_resume(cfg, 'auto' if Path(cfg.work_dir, 'last_checkpoint').is_file() else None)
        runner = build_runner(cfg)
        runner.train()
    scalars = runner.message_hub.log_scalars
    history = {
        key.removeprefix('val/'): [float(value) for value in scalar.data[0]]
        for key, scalar in scalars.items()
        if key.startswith('val/') and 'CCC' in key
    }
    if SELECTED_BY not in history:
        raise ConfigError(f'{cfg.filename}: its validation gave no {SELECTED_BY}; found {", ".join(history) or "none"}')
    best = runner.message_hub.runtime_info.get('best_ckpt')
    metainfo = runner.val_dataloader.dataset.metainfo
    times = scalars['train/time'].data[0] if 'train/time' in scalars else ()
    found = {
        'config': digest,
        'seed': runner.seed,
        'parameters': sum(parameter.numel() for parameter in runner.model.parameters()),
        'seconds': float(np.mean(times)) * len(runner.train_dataloader) if len(times) else None,
        'history': history,
        'epochs': _validated(runner.train_loop),
        'best_checkpoint': best and Path(best).name,
        **{key: metainfo[key] for key in ('corpus', 'split', 'synthetic')},
    }
    if is_main_process():
        write_text(Path(cfg.work_dir, RESULT), json.dumps(found))
    return shared(lambda: found)


def finished(cfg: Config, settings: Mapping[str, object] | None = None) -> dict | None:
    """What :func:`train_or_keep` returned for a config and its data, if that run is finished.

    Args:
        cfg: the config.
        settings: its :func:`mmaffect.engine.run_settings.run_settings`, if they are at hand.
    """
    found = _read_json(Path(cfg.work_dir, RESULT))
    digest = settings_digest(run_settings(cfg) if settings is None else settings)
    return found if found.get('config') == digest else None


def finished_otherwise(cfg: Config, settings: Mapping[str, object] | None = None) -> str | None:
    """How a run that is finished in the work dir of a config differs from it; ``None`` if there is no such run."""
    return _difference(Path(cfg.work_dir), run_settings(cfg) if settings is None else settings)


def check_work_dir(cfg: Config) -> None:
    """Raise ConfigError if the work dir of a config has the finished run of another one."""
    settings = run_settings(cfg)
    shared(lambda: _refuse_other(Path(cfg.work_dir), settings))


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
        load_weights(unwrapped(runner.model), checkpoint)
        runner.test()


def check_data(cfg: Config) -> None:
    """Open what a config reads and look for what its result needs, before anything is trained.

    Raises:
        ConfigError: if it has no validation, its loop is not ours, or it is never validated by the mean CCC.
        CorpusError: if its corpus or features are missing.
    """
    if cfg.get('val_dataloader') is None:
        raise ConfigError(f'{cfg.filename}: has no validation to compare')
    _check_loop(cfg)
    figures = known_figures(cfg)
    if figures is not None and SELECTED_BY not in figures:
        raise ConfigError(
            f'{cfg.filename}: val_evaluator gives no {SELECTED_BY!r}, by which epochs are compared; '
            f'it gives {", ".join(sorted(figures)) or "nothing"}'
        )
    for loader in data_loaders(cfg, ('train_dataloader', 'val_dataloader')):
        root = loader.dataset.data_root
        Corpus(root)
        for name in (loader.dataset.get('features') or {}).values():
            Features(corpus_folder(root, 'features', name))


def _check_loop(cfg: Config) -> None:
    require(cfg, 'train_cfg')
    loop = cfg.train_cfg.get('type')
    kind = LOOPS.get(loop) if isinstance(loop, str) else loop
    if not (isinstance(kind, type) and issubclass(kind, EpochBasedTrainLoop)):
        raise ConfigError(f"{cfg.filename}: train_cfg.type = {loop!r}; expected 'EpochBasedTrainLoop' of mmaffect")
    epochs, begin = cfg.train_cfg.get('max_epochs'), cfg.train_cfg.get('val_begin', 1)
    if not isinstance(epochs, int) or epochs < max(1, begin):
        raise ConfigError(
            f'{cfg.filename}: train_cfg.max_epochs = {epochs!r}; expected at least {max(1, begin)}, '
            'else it is never validated'
        )


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
    # Newer versions take a disk without locks for one with a file that a killed process leaves behind for ever.
    lock = FileLock(folder / '.lock', fallback_to_soft=False)

    def acquire() -> bool:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=POLL if wait else 0)
        except Timeout:
            return False
        except (NotImplementedError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
                raise
            raise ConfigError(f'{folder}: no file locks on this disk; give another work dir') from None
        return True

    try:
        # Not one long wait: ranks that hear nothing from the first one for long take it for dead.
        while not (mine := shared(acquire)) and wait:
            pass
        yield mine
    finally:
        lock.release()


def shared(function: Callable[[], T]) -> T:
    """What a function returns on rank 0, where alone it is called, on all ranks; an error that has a line likewise."""
    found: list = [None, None]
    if is_main_process():
        try:
            found[0] = function()
        except (MMAffectError, OSError) as error:
            found[1] = error
    broadcast_object_list(found)
    if found[1] is not None:
        raise found[1]
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


def _kept(folder: Path, settings: dict[str, object]) -> tuple[dict | None, list[str]]:
    """The finished run; if there is none, its folder is ready for it, and there are lines to tell."""
    _refuse_other(folder, settings)
    if found := _read_json(folder / RESULT):
        return found, []
    then = _read_json(folder / SETTINGS)
    stale = [folder / 'last_checkpoint', *folder.glob('epoch_*.pth'), *folder.glob('iter_*.pth')]
    stale = [path for path in stale if path.is_file()]
    lines = [f'training, log in {folder / LOG}']
    if stale and not then:
        raise ConfigError(
            f'{folder}: has {stale[-1].name} of another tool; give another --work-dir or delete the folder'
        )
    if then != settings:
        if stale:
            lines.insert(0, f'begun anew, {folder} has an unfinished run with {settings_difference(then, settings)}')
        # A resume would take these for earlier checkpoints of the same run.
        for path in stale:
            path.unlink(missing_ok=True)
        write_text(folder / SETTINGS, json.dumps(settings, indent=1))
    return None, lines


def _refuse_other(folder: Path, settings: Mapping[str, object]) -> None:
    if how := _difference(folder, settings):
        raise ConfigError(
            f'{folder}: has the finished run of another config ({how}); give another --work-dir or delete the folder'
        )


def _difference(folder: Path, settings: Mapping[str, object]) -> str | None:
    """How the finished run of a folder differs from settings; ``None`` if it does not, or there is none."""
    found = _read_json(folder / RESULT)
    if not found or found.get('config') == settings_digest(settings):
        return None
    then = _read_json(folder / SETTINGS)
    return settings_difference(then, settings) if then else 'its settings are not known'


def _read_json(path: Path) -> dict:
    """Empty if there is no such file, or it is damaged."""
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
