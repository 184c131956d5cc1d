"""Robustness of a study's models to corruption at test time; what is done of a trial is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from mmengine.config import Config
from torch import nn

from ..datasets.corpus import Corpus
from ..datasets.corruptions import SEVERITIES
from ..engine.checkpoint import load_weights
from ..engine.robustness import (
    CLEAN,
    Condition,
    conditions_of,
    corrupted_features,
    evaluate,
    frame_encoders,
    known_corruptions,
)
from ..engine.robustness_report import pooled_ccc
from ..engine.robustness_run import read_dataset, robustness_settings
from ..engine.run_settings import settings_digest
from ..engine.running import build_model, load_config
from ..engine.training import folder_lock
from ..errors import ConfigError
from ..inference.encoder import FrameEncoder
from ..structures import AFFECT
from ..utils.files import write_text
from ..utils.processes import run_in_processes
from ..utils.progress import Progress
from .design import FUSIONS, StudySettings
from .extras import ROBUSTNESS, robustness_text
from .material import ENCODERS, Places, encoder_config, one_thread
from .progress import finished_checkpoint
from .runs import run_config
from .table import StudyTable

COUPLED = 0.0
"""Share of decoupled time of the trials that are corrupted: nothing else is wrong with them."""
MAIN = ('audio', 'visual', 'concat', 'ca', 'jca_released', 'rjca_m2', 'grjca', 'lfan', 'precision')
SEEDS = 3
"""So many runs of each fusion, those of the lowest seeds."""
CORRUPTION_SEED = 0


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes:
        weak, fusion, seed: its run.
        checkpoint: file of its weights.
        digest: of all that its figures depend on, beside trial and condition.
    """

    weak: float
    fusion: str
    seed: int
    checkpoint: str
    digest: str


def write_robustness(
    table: StudyTable,
    corpora: Mapping[float, str],
    places: Places,
    settings: StudySettings,
    folder: str | Path,
    jobs: int,
    *,
    fusions: Sequence[str] = MAIN,
    seeds: int = SEEDS,
    severities: Sequence[int] = SEVERITIES,
    corruptions: Sequence[str] | None = None,
) -> Path | None:
    """Write ``robustness.csv``: models trained at w = 0 and at the highest w, on corrupted trials of w = 0.

    Args:
        table: says what was run, and on which trials it was measured.
        corpora: by share of decoupled time, prepared.
        places: where encoders and runs are; figures of each trial are kept in its ``robustness``.
        settings: of the study.
        folder: of the table.
        jobs: processes at once, one thread each.
        fusions: names; those that were not run are left out.
        seeds: so many of each fusion, the lowest.
        severities: of every corruption.
        corruptions: names; ``None``: all.

    Returns:
        The file; ``None`` if nothing was run at w = 0 or none of the fusions was run.

    Raises:
        ConfigError: a corruption or a severity is not known, or another process is at work here.
        MMAffectError: the first that cannot be measured.
    """
    conditions = conditions_of(list(known_corruptions()) if corruptions is None else corruptions, severities)
    if COUPLED not in table.weak:
        return None
    encoders = tuple((one, str(places.encoder(one) / f'epoch_{settings.encoder_epochs}.pth')) for one in ENCODERS)
    corpus = corpora[COUPLED]
    models = trained_models(table, corpora, places, settings, encoders, fusions, seeds)
    if not models:
        return None
    trials, kept_in = table.trials(COUPLED), places.work_dir / 'robustness'
    keys = [condition.key for condition in conditions]
    with folder_lock(kept_in) as mine:
        if not mine:
            raise ConfigError(f'{kept_in}: another process is at work in it')
        tasks = [
            (corpus, trial, encoders, tuple(models), tuple(conditions), str(kept_in / f'{trial}.json'), settings)
            for trial in trials
            if not _complete(_read(kept_in / f'{trial}.json'), models, keys)
        ]
        outcomes = run_in_processes(measure_trial, tasks, jobs, preload=(__name__,))
        with closing(outcomes), Progress(len(trials), 'trials', len(trials) - len(tasks)) as progress:
            for _, outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
                progress.update()
        kept = [_read(kept_in / f'{trial}.json') for trial in trials]
    values: dict[tuple[float, str, int], dict[tuple[str, int], dict[str, float]]] = {}
    for model in models:
        moments = {key: np.array([found[model.digest][key] for found in kept], np.float64) for key in keys}
        ccc = pooled_ccc(moments, AFFECT)
        values[model.weak, model.fusion, model.seed] = {
            (condition.corruption or condition.key, condition.severity): ccc[condition.key] for condition in conditions
        }
    path = Path(folder, ROBUSTNESS)
    write_text(path, robustness_text(values))
    return path


def check_fusions(names: Sequence[str]) -> tuple[str, ...]:
    """Raise :class:`ConfigError` for a fusion that is not known or that is given twice."""
    for name in names:
        if name not in FUSIONS or list(names).count(name) > 1:
            raise ConfigError(f'fusion {name!r}; expected one of {", ".join(FUSIONS)}, each once')
    return tuple(names)


def trained_models(
    table: StudyTable,
    corpora: Mapping[float, str],
    places: Places,
    settings: StudySettings,
    encoders: Sequence[tuple[str, str]],
    fusions: Sequence[str] = MAIN,
    seeds: int = SEEDS,
) -> list[Trained]:
    """Models trained at w = 0 and at the highest w: share by share, in the order of tables, seed by seed.

    Arguments as of :func:`write_robustness`; ``encoders`` are modalities and checkpoints.
    """
    found = []
    corpus = corpora[COUPLED]
    sources = [(load_config(encoder_config(one), data_root=corpus), checkpoint) for one, checkpoint in encoders]
    for weak in sorted({COUPLED, max(table.weak)}):
        for fusion in (name for name in FUSIONS if name in fusions and name in table.fusions(weak)):
            for seed in table.seeds(weak, fusion)[:seeds]:
                checkpoint = finished_checkpoint(weak, fusion, seed, corpora[weak], places, settings)
                if checkpoint is not None:
                    cfg = run_config(weak, fusion, seed, corpus, str(checkpoint.parent), settings)
                    said = robustness_settings([(cfg, checkpoint), *sources], 'val', CORRUPTION_SEED)
                    found.append(Trained(weak, fusion, seed, str(checkpoint), settings_digest(said)))
    return found


def measure_trial(
    corpus: str,
    trial: str,
    encoders: tuple[tuple[str, str], ...],
    models: Sequence[Trained],
    conditions: Sequence[Condition],
    file: str,
    settings: StudySettings,
) -> None:
    """Evaluate models on a trial under conditions; what the file has is not done again.

    Args:
        corpus: prepared corpus of the trial.
        trial: its name.
        encoders: modalities and checkpoints.
        models: what is evaluated, all on the same features.
        conditions: as :func:`mmaffect.engine.robustness.conditions_of` gives them, first that nothing was done.
        file: JSON, by digest of the model and by key of the condition ``(2, 6)``
            :class:`mmaffect.evaluation.functional.Moments`, written at the end.
        settings: of the study.

    Raises:
        MMAffectError: as :func:`mmaffect.engine.robustness.corrupted_features` and
            :func:`mmaffect.engine.robustness.evaluate`.
    """
    kept = _read(Path(file))
    for model in models:
        kept.setdefault(model.digest, {})
    with one_thread():
        features = corrupted_features(
            _encoders(corpus, encoders), _corpus(corpus), [trial], conditions, CORRUPTION_SEED
        )
        clean: Mapping[str, object] = {}
        for given in features:
            if given.condition == CLEAN:
                clean = given.features
            for model in models:
                figures = kept[model.digest]
                if given.condition.key in figures:
                    continue
                network, window, hop, stride = _model(model, corpus, settings)
                # Nothing that this model takes was changed.
                if all(given.features[name] is clean.get(name) for name in network.streams) and CLEAN.key in figures:
                    figures[given.condition.key] = figures[CLEAN.key]
                else:
                    figures[given.condition.key] = evaluate(network, given, window, hop, stride).tolist()
    write_text(file, json.dumps(kept))


@cache
def _corpus(root: str) -> Corpus:
    return Corpus(root)


@cache
def _encoders(corpus: str, encoders: tuple[tuple[str, str], ...]) -> dict[str, FrameEncoder]:
    models = [_loaded(load_config(encoder_config(one), data_root=corpus), path) for one, path in encoders]
    return frame_encoders(models, _corpus(corpus))


@cache
def _model(trained: Trained, corpus: str, settings: StudySettings) -> tuple[nn.Module, int, int, int]:
    """A model in evaluation mode, and window, hop and stride of its validation."""
    work_dir = str(Path(trained.checkpoint).parent)
    cfg = run_config(trained.weak, trained.fusion, trained.seed, corpus, work_dir, settings)
    dataset = read_dataset(cfg)
    return _loaded(cfg, trained.checkpoint), dataset.window, dataset.hop, dataset.stride


def _loaded(cfg: Config, checkpoint: str) -> nn.Module:
    model = build_model(cfg)
    load_weights(model, checkpoint, log=False)
    model.cfg = cfg
    return model.eval()


def _complete(kept: Mapping[str, Mapping], models: Sequence[Trained], keys: Sequence[str]) -> bool:
    return all(key in kept.get(model.digest, ()) for model in models for key in keys)


def _read(path: Path) -> dict[str, dict]:
    """Empty if there is no such file, or it is damaged."""
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return {key: one for key, one in found.items() if isinstance(one, dict)} if isinstance(found, dict) else {}
