"""The folds of a config, trained by any number of processes."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path

import numpy as np
from mmengine.config import Config

from ..datasets.corpus import Corpus
from ..datasets.folds import NUM_FOLDS, fold_name, shared_labels, split_folds
from ..errors import ConfigError, CorpusError
from ..utils.files import write_text
from .comparison import best_and_last, best_index
from .config_check import check_config
from .cross_validation_report import fold_line
from .training import (
    RESULT,
    check_data,
    check_work_dir,
    finished,
    finished_otherwise,
    folder_lock,
    shared,
    train_or_keep,
)

SEED = 'seed.txt'


def fold_configs(cfg: Config, folds: Sequence[int], targets: Sequence[str] | None = None) -> dict[int, list[Config]]:
    """Configs of the models of each fold: one, or one a target.

    Args:
        cfg: config as :func:`mmaffect.engine.running.load_config` returns it; its work dir is that of all folds.
        folds: 0 to 5.
        targets: train a model for each of these; ``None``: one for what the config predicts.

    Returns:
        By fold, configs with work dirs ``<work dir>/fold_<k>`` or ``<work dir>/fold_<k>/<target>``.

    Raises:
        ConfigError: if the config has no validation, its datasets know no folds, or its model has no head.
        CorpusError: if its corpus or features are missing, or a fold has no trials to train or to validate on.
    """
    check_data(cfg)
    if targets is not None and not (cfg.get('model') or {}).get('head'):
        raise ConfigError(f'--targets {" ".join(targets)}: the model of {cfg.filename} has no head to set them')
    for fold in folds:
        describe_fold(Corpus(cfg.train_dataloader.dataset.data_root), fold)
    found: dict[int, list[Config]] = {}
    for fold in folds:
        for target in [None] if targets is None else targets:
            one = deepcopy(cfg)
            one.train_dataloader.dataset.fold = one.val_dataloader.dataset.fold = fold
            one.work_dir = str(Path(cfg.work_dir, f'fold_{fold}', target or ''))
            if target is not None:
                one.model.head.targets = [target]
            check_config(one)
            found.setdefault(fold, []).append(one)
    return found


def describe_fold(corpus: Corpus, fold: int) -> dict:
    """What a fold is made of, and whom its training and its validation share.

    Returns:
        ``name``, numbers of trials ``train`` and ``val``, of official validation trials ``left_out``, of all of these
        whose people are ``known``; ``shared_people`` and ``shared_videos`` with a trial of each side.

    Raises:
        ConfigError: if there is no such fold.
        CorpusError: if it has no trials to train or to validate on.
    """
    official = corpus.split('val')
    train, val = split_folds(corpus.split('train'), official, fold, corpus.people)
    for trials, which in ((train, 'train'), (val, 'validate')):
        if not trials:
            raise CorpusError(
                f'{corpus.root}: fold {fold} has no trials to {which} on; '
                f'{len(corpus.split("train"))} training and {len(official)} validation trials are too few, '
                'or of too few people, for this fold'
            )
    return {
        'fold': fold,
        'name': fold_name(fold),
        'train': len(train),
        'val': len(val),
        'known': sum(bool(corpus.info(trial).subject) for trial in (*corpus.split('train'), *official)),
        'left_out': len(corpus.split('train')) + len(official) - len(train) - len(val),
        'shared_people': shared_labels(train, val, corpus.people),
        'shared_videos': shared_labels(train, val, corpus.videos),
    }


def begun_folds(work_dir: str | Path) -> list[int]:
    """Folds of a work dir that have the result of a model."""
    return [fold for fold in range(NUM_FOLDS) if any(Path(work_dir, f'fold_{fold}').rglob(RESULT))]


def use_one_seed(work_dir: str | Path, folds: Mapping[int, Sequence[Config]]) -> None:
    """Give folds without a seed one that is drawn once for all calls on their work dir.

    Args:
        work_dir: of all folds.
        folds: as :func:`fold_configs` returns them. Under a launcher, all ranks call this.

    Raises:
        ConfigError: if the seed that was drawn before cannot be read.
    """
    cfgs = [cfg for cfgs in folds.values() for cfg in cfgs]
    if (cfgs[0].get('randomness') or {}).get('seed') is not None:
        return
    path = Path(work_dir, SEED)

    def draw() -> int:
        if not path.is_file():
            write_text(path, f'{secrets.randbelow(2**31)}\n')
        try:
            return int(path.read_text())
        except ValueError:
            raise ConfigError(f'{path}: expected the seed that was drawn; give one with --seed') from None

    # Other processes begin at the same time.
    with folder_lock(work_dir, wait=True):
        seed = shared(draw)
    for cfg in cfgs:
        cfg.randomness = {**(cfg.get('randomness') or {}), 'seed': seed}


def collect_folds(
    corpus: Corpus, folds: Mapping[int, Sequence[Config]], tell: Callable[[str], None] = print
) -> dict[int, dict]:
    """Finished folds; a line is told about each that is finished with another config.

    Args:
        corpus: that they are of.
        folds: as :func:`fold_configs` returns them. Under a launcher, all ranks call this.
        tell: called with the line.

    Returns:
        :func:`fold_row` of each finished fold, in the order of ``folds``.
    """
    done: dict[int, dict] = {}
    for fold, cfgs in folds.items():
        runs = shared(lambda cfgs=cfgs: [finished(cfg) for cfg in cfgs])
        if None not in runs:
            done[fold] = fold_row(corpus, fold, runs)
            continue
        for cfg in cfgs:
            if how := shared(lambda cfg=cfg: finished_otherwise(cfg)):
                tell(f'{fold_name(fold)}: finished, but with another config ({how}): {cfg.work_dir}')
    return done


def train_folds(
    corpus: Corpus, folds: Mapping[int, Sequence[Config]], tell: Callable[[str], None] = print, wait: bool = False
) -> dict[int, dict]:
    """Train the folds that are not finished, one after another; those that another process has are left to it.

    Args:
        corpus: that they are of.
        folds: as :func:`fold_configs` returns them. Under a launcher, all ranks call this.
        tell: called with a line about each fold.
        wait: wait for other processes at the end.

    Returns:
        :func:`fold_row` of each finished fold, in the order of ``folds``.

    Raises:
        ConfigError: if a fold is finished with another config.
        MMAffectError: as :func:`mmaffect.engine.running.build_runner`.
    """
    for cfg in [cfg for cfgs in folds.values() for cfg in cfgs]:
        check_work_dir(cfg)
    done: dict[int, dict] = {}
    seconds: list[float] = []

    def add(rows: Mapping[int, dict]) -> None:
        for fold, row in rows.items():
            done[fold] = row
            left = len(folds) - len(done)
            rest = f', about {_duration(np.mean(seconds) * left)} left' if left and seconds else ''
            tell(f'{fold_line(row)} ({len(done)} of {len(folds)} folds{rest})')

    add(collect_folds(corpus, folds))
    # Twice, since what another process has may be free, and not finished, when the others are done.
    for last in (False, True):
        for fold in [fold for fold in folds if fold not in done]:
            start, begun, busy = time.monotonic(), [], False
            for cfg in folds[fold]:
                told = partial(_tell_and_note, fold, tell, begun)
                if train_or_keep(cfg, wait=False, tell=told) is None:
                    busy = True
                    then = ('; waiting for it' if wait else '') if last else ', left for later'
                    tell(f'{fold_name(fold)}: another process trains it{then} ({cfg.work_dir})')
                    if last and wait:
                        train_or_keep(cfg, tell=told)
            if sum(line.startswith('training') for line in begun) == len(folds[fold]) and not busy:
                seconds.append(time.monotonic() - start)
            add(collect_folds(corpus, {fold: folds[fold]}))
    return {fold: done[fold] for fold in folds if fold in done}


def _tell_and_note(fold: int, tell: Callable[[str], None], begun: list[str], line: str) -> None:
    begun.append(line)
    tell(f'{fold_name(fold)}: {line}')


def fold_figures(runs: Sequence[Mapping]) -> dict[str, float]:
    """CCC of a fold at the best and after the last epoch of its models; ``.../mean`` is over the targets of all.

    Args:
        runs: of its models, as :func:`train_or_keep` returns them.
    """
    figures = {key: value for run in runs for key, value in best_and_last(run).items() if not key.endswith('/mean')}
    means = {
        f'{when}/CCC/mean': float(np.mean([value for key, value in figures.items() if key.startswith(when)]))
        for when in ('best', 'last')
    }
    return figures | means


def fold_row(corpus: Corpus, fold: int, runs: Sequence[Mapping]) -> dict:
    """A finished fold for :mod:`mmaffect.engine.cross_validation_report` and ``cross_validation.json``.

    Args:
        corpus: that it was trained on.
        fold: 0 to 5.
        runs: of its models, as :func:`train_or_keep` returns them.
    """
    first = runs[0]
    return {
        **describe_fold(corpus, fold),
        **{key: first[key] for key in ('corpus', 'synthetic', 'seed')},
        'epochs': [run['epochs'][best_index(run)] for run in runs],
        'figures': fold_figures(runs),
        'runs': list(runs),
    }


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f'{seconds:.0f} s'
    return f'{seconds / 60:.0f} min' if seconds < 7200 else f'{seconds / 3600:.1f} h'
