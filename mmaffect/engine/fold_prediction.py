"""What the models of a cross-validation predict for the test trials, and the submission that it makes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config

from ..datasets.corpus import Corpus
from ..errors import ConfigError, CorpusError
from ..evaluation.predictions import read_predictions
from ..evaluation.sample_file import Sample
from ..structures import AFFECT
from ..utils.files import write_text
from .training import folder_lock, predict_trials, run_digest, shared

SELECTED_BY = 'CCC/mean'
PREDICTIONS = 'predictions'


def best_folds(figures: Mapping[int, Mapping[str, float]], count: int | None = None) -> list[int]:
    """Folds with the highest mean CCC at the best epoch first; those without one are left out.

    Args:
        figures: by fold, as :func:`mmaffect.engine.cross_validation.fold_figures` returns them.
        count: only so many; ``None``: all.

    Raises:
        ConfigError: if there are fewer.
    """
    scores = {fold: row['best/CCC/mean'] for fold, row in figures.items() if np.isfinite(row['best/CCC/mean'])}
    if not scores or len(scores) < (count or 1):
        raise ConfigError(f'--best-folds {count or 1}: only {len(scores)} of {len(figures)} folds have a CCC')
    return sorted(scores, key=lambda fold: (-scores[fold], fold))[:count]


def check_prediction(cfgs: Sequence[Config], sample: Sample | None = None) -> list[str]:
    """Make sure that the models of a fold can predict a submission, before they are trained.

    Args:
        cfgs: of the models.
        sample: rows of the submission.

    Returns:
        The test trials.

    Raises:
        ConfigError: if they do not predict valence and arousal, there is no data loader for the test trials, or the
            best weights are not kept by their mean CCC.
        CorpusError: if the corpus has no test trials, or not those of the sample.
    """
    cfg = cfgs[0]
    targets = [target for one in cfgs for target in one.model.get('head', {}).get('targets', AFFECT)]
    if sorted(targets) != sorted(AFFECT):
        raise ConfigError(f'--predict: a submission holds {" and ".join(AFFECT)}, the models predict {targets}')
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    if hook.get('save_best') != SELECTED_BY or hook.get('rule', 'greater') != 'greater':
        raise ConfigError(
            f'{cfg.filename}: default_hooks.checkpoint.save_best = {hook.get("save_best")!r}; '
            f'to predict with the best epoch it must be {SELECTED_BY!r}'
        )
    if not cfg.get('test_dataloader'):
        raise ConfigError(f'{cfg.filename}: has no test_dataloader')
    corpus = Corpus(cfg.test_dataloader.dataset.data_root)
    trials = corpus.split('test')
    if not trials:
        raise CorpusError(f'{corpus.root}: has no test trials to predict')
    if unknown := [trial for trial in sample.rows if trial not in trials] if sample else []:
        raise CorpusError(f'{corpus.root}: has no test trial {unknown[0]!r}, one of {len(unknown)} of the sample')
    return trials


def predict_fold(cfgs: Sequence[Config], runs: Sequence[Mapping], trials: Sequence[str]) -> dict[str, np.ndarray]:
    """Predict the test trials with the best weights of a fold's models; what was predicted with them before is read.

    Args:
        cfgs: of its models. Under a launcher, all ranks call this.
        runs: as :func:`mmaffect.engine.training.train_or_keep` returned them.
        trials: test trials.

    Returns:
        By trial, ``(T, 2)`` float64, valence and arousal.

    Raises:
        CheckpointError: if a checkpoint is missing, damaged or of another model.
        CorpusError: if predictions that were written are damaged.
    """
    for cfg, run in zip(cfgs, runs, strict=True):
        with folder_lock(cfg.work_dir, wait=True):
            _predict(cfg, run['best_checkpoint'], trials)
    return shared(lambda: _read(cfgs, trials))


def _predict(cfg: Config, checkpoint: str, trials: Sequence[str]) -> None:
    out = Path(cfg.work_dir, PREDICTIONS)
    note = out / 'made_by.json'
    made_by = {'config': run_digest(cfg), 'checkpoint': checkpoint, 'trials': list(trials)}
    if shared(lambda: note.is_file() and json.loads(note.read_text()) == made_by):
        return
    shared(lambda: _clear(out))
    predict_trials(cfg, Path(cfg.work_dir, checkpoint), out)
    shared(lambda: write_text(note, json.dumps(made_by)))


def _clear(folder: Path) -> None:
    for path in (folder / 'made_by.json', *folder.glob('*.csv')):
        path.unlink(missing_ok=True)


def _read(cfgs: Sequence[Config], trials: Sequence[str]) -> dict[str, np.ndarray]:
    curves: dict[str, dict[str, np.ndarray]] = {}
    for cfg in cfgs:
        curves |= read_predictions(Path(cfg.work_dir, PREDICTIONS))
    return {trial: np.hstack([curves[target][trial] for target in AFFECT]) for trial in trials}
