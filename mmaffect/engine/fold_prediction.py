"""What the models of a cross-validation predict for the test trials, and the submission that it makes."""

import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config

from ..datasets.corpus import Corpus
from ..datasets.features import TrialArrays, corpus_folder
from ..errors import CheckpointError, ConfigError, CorpusError
from ..evaluation.predictions import read_predictions
from ..evaluation.sample_file import Sample
from ..registry import HOOKS
from ..structures import AFFECT
from ..utils.files import sha256, write_text
from .run_settings import TEST, run_digest
from .training import SELECTED_BY, folder_lock, predict_trials, shared

SUBMISSION = 'submission'
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
        CorpusError: if the corpus has no test trials, or not those of the sample, or if features of one are missing.
    """
    cfg = cfgs[0]
    targets = [target for one in cfgs for target in one.model.get('head', {}).get('targets', AFFECT)]
    if sorted(targets) != sorted(AFFECT):
        raise ConfigError(f'--predict: a submission holds {" and ".join(AFFECT)}, the models predict {targets}')
    save_best, rule = _selection(cfg)
    if save_best != SELECTED_BY or rule != 'greater':
        raise ConfigError(
            f'{cfg.filename}: default_hooks.checkpoint.save_best = {save_best!r}, rule = {rule!r}; '
            f"to predict with the best epoch it must be {SELECTED_BY!r}, 'greater'"
        )
    if not cfg.get('test_dataloader'):
        raise ConfigError(f'{cfg.filename}: has no test_dataloader')
    corpus = Corpus(cfg.test_dataloader.dataset.data_root)
    trials = corpus.split('test')
    if not trials:
        raise CorpusError(f'{corpus.root}: has no test trials to predict')
    if unknown := [trial for trial in sample.rows if trial not in trials] if sample else []:
        raise CorpusError(f'{corpus.root}: has no test trial {unknown[0]!r}, one of {len(unknown)} of the sample')
    dataset = cfg.test_dataloader.dataset
    for name in (dataset.get('features') or {}).values():
        arrays = TrialArrays(corpus_folder(corpus.root, 'features', name), max_open=1)
        for trial in trials:
            arrays.of(trial, corpus.info(trial).num_frames)
    return trials


def _selection(cfg: Config) -> tuple[object, object]:
    """By which figure and rule the best weights are kept, also where the hook's defaults say it."""
    # MMEngine's Runner adds one that is not named.
    hook = (cfg.get('default_hooks') or {}).get('checkpoint', {'type': 'CheckpointHook'})
    if hook is None:
        return None, None
    kind = HOOKS.get(hook['type']) if isinstance(hook.get('type'), str) else hook.get('type')
    known = inspect.signature(kind).parameters if kind else {}
    default = {key: known[key].default for key in ('save_best', 'rule') if key in known}
    return hook.get('save_best', default.get('save_best')), hook.get('rule', default.get('rule')) or 'greater'


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


def used_checkpoints(cfgs: Sequence[Config], runs: Sequence[Mapping], work_dir: str | Path) -> list[dict[str, str]]:
    """Files of the best weights of a fold's models.

    Args:
        cfgs: of its models.
        runs: as :func:`mmaffect.engine.training.train_or_keep` returned them.
        work_dir: of all folds.

    Returns:
        Of each ``name`` in the work dir and ``sha256``.
    """
    paths = [Path(cfg.work_dir, run['best_checkpoint']) for cfg, run in zip(cfgs, runs, strict=True)]
    return [{'name': path.relative_to(work_dir).as_posix(), 'sha256': sha256(path)} for path in paths]


def drop_submission(work_dir: str | Path, always: bool = False) -> bool:
    """Delete a submission and its folder of trials.

    Args:
        work_dir: of all folds.
        always: also one that was made from the weights that are there.

    Returns:
        Whether there was one.
    """
    work_dir = Path(work_dir)
    found = [work_dir / f'{SUBMISSION}.txt', work_dir / f'{SUBMISSION}.json', *(work_dir / SUBMISSION).glob('*.txt')]
    found = [path for path in found if path.is_file()]
    if not found or not (always or _outdated(work_dir)):
        return False
    for path in found:
        path.unlink()
    return True


def _outdated(work_dir: Path) -> bool:
    try:
        made_from = json.loads((work_dir / f'{SUBMISSION}.json').read_text(encoding='utf-8'))['checkpoints']
        return any(sha256(work_dir / one['name']) != one['sha256'] for one in made_from)
    except (OSError, ValueError, KeyError, TypeError):
        return True


def _predict(cfg: Config, checkpoint: str, trials: Sequence[str]) -> None:
    out = Path(cfg.work_dir, PREDICTIONS)
    note = out / 'made_by.json'
    weights = Path(cfg.work_dir, checkpoint)

    def made_by() -> dict:
        if not weights.is_file():
            raise CheckpointError(f'{weights}: missing; its fold is finished and names it as its best weights')
        checksum = sha256(weights)
        return {'config': run_digest(cfg, TEST), 'checkpoint': checkpoint, 'sha256': checksum, 'trials': list(trials)}

    wanted = shared(made_by)
    if shared(lambda: _note(note) == wanted):
        return
    shared(lambda: _clear(out))
    predict_trials(cfg, weights, out)
    shared(lambda: write_text(note, json.dumps(wanted)))


def _note(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return None


def _clear(folder: Path) -> None:
    for path in (folder / 'made_by.json', *folder.glob('*.csv')):
        path.unlink(missing_ok=True)


def _read(cfgs: Sequence[Config], trials: Sequence[str]) -> dict[str, np.ndarray]:
    curves: dict[str, dict[str, np.ndarray]] = {}
    for cfg in cfgs:
        curves |= read_predictions(Path(cfg.work_dir, PREDICTIONS))
    return {trial: np.hstack([curves[target][trial] for target in AFFECT]) for trial in trials}
