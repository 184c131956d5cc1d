"""A measurement of robustness that can be interrupted: what is done of every trial is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config
from torch import nn

from ..datasets.affect_dataset import AffectDataset
from ..errors import ConfigError
from ..inference.encoder import FrameEncoder
from ..registry import DATASETS
from ..utils.files import sha256, write_text
from ..utils.progress import Progress
from ..version import __version__
from .robustness import Condition, check_streams, corrupted_features, evaluate
from .run_settings import TEST, run_settings, settings_difference
from .running import require
from .size_check import is_affect_dataset
from .training import folder_lock

SETTINGS = 'settings.json'
# What a model and its frames are, of all that a config says.
RELEVANT = ('model.', 'test_dataloader.dataset.', 'test_dataloader: corpus.json')
# Corrupted frames are encoded anew, and no cached features are read.
UNREAD = 'test_dataloader.dataset.features.'


def read_dataset(cfg: Config, split: str | None = None) -> AffectDataset:
    """The dataset on which a config is tested, without the features that it may read.

    Args:
        cfg: the config.
        split: ``'val'`` or ``'test'``, instead of the config's.

    Raises:
        ConfigError: if it is not an :class:`AffectDataset`, or one of corrupted or of some windows only.
        CorpusError: as :class:`AffectDataset`.
    """
    require(cfg, 'test_dataloader')
    dataset = cfg.test_dataloader.get('dataset') or {}
    if not is_affect_dataset(dataset):
        raise ConfigError(f'test_dataloader.dataset.type = {dataset.get("type")!r}; expected an AffectDataset')
    for key in ('corruptions', 'indices'):
        if dataset.get(key):
            raise ConfigError(f'test_dataloader.dataset.{key} = {dataset[key]!r}; expected none: trials are whole')
    further = [
        name for name in dataset.get('features') or {} if name not in dataset.get('modalities', ('audio', 'visual'))
    ]
    if further:
        raise ConfigError(f'test_dataloader.dataset.features: {further[0]!r}; expected faces and sound only')
    return DATASETS.build({**dataset, 'split': split or dataset.split, 'features': None, 'random_phase': False})


def robustness_settings(
    models: Sequence[tuple[Config, str | Path]], split: str, seed: int, amp: bool = False
) -> dict[str, object]:
    """What a figure of a trial depends on, beside the trial, the corruption and its severity.

    Args:
        models: configs and checkpoints: the model, then others that encode for it.
        split: of the trials.
        seed: of the corruptions.
        amp: bfloat16 autocast.
    """
    # Of a corruption, a severity may mean something else in another version.
    found: dict[str, object] = {'mmaffect': __version__, 'seed': seed, 'amp': amp}
    for number, (cfg, checkpoint) in enumerate(models):
        before = '' if number == 0 else f'encoder {number}: '
        for key, value in run_settings(cfg, TEST).items():
            if key.startswith(RELEVANT) and not key.startswith(UNREAD):
                found[before + key] = value
        found[f'{before}checkpoint (SHA-256)'] = sha256(checkpoint)
    return found | {'test_dataloader.dataset.split': split}


def measure_robustness(
    model: nn.Module,
    dataset: AffectDataset,
    encoders: Mapping[str, FrameEncoder],
    trials: Sequence[str],
    conditions: Sequence[Condition],
    out_dir: str | Path,
    settings: Mapping[str, object],
    *,
    seed: int = 0,
    amp: bool = False,
) -> dict[str, np.ndarray]:
    """Evaluate a model on trials under conditions; what the folder has of the same settings is not done again.

    Args:
        model: in evaluation mode, on its device.
        dataset: that of its test, as :func:`read_dataset` gives it.
        encoders: by modality.
        trials: their names.
        conditions: as :func:`mmaffect.engine.robustness.conditions_of` gives them.
        out_dir: folder of ``trials/<trial>.json``; other trials, corruptions and severities in it are left alone.
        settings: as :func:`robustness_settings` gives them.
        seed: of the corruptions.
        amp: bfloat16 autocast.

    Returns:
        By ``Condition.key`` ``(T, k, 6)``, what :func:`mmaffect.engine.robustness.evaluate` says of every trial.

    Raises:
        ConfigError: if the folder has figures of other settings, or another process is at work in it.
        MMAffectError: as :func:`mmaffect.engine.robustness.corrupted_features` and
            :func:`mmaffect.engine.robustness.evaluate`.
    """
    check_streams(model, encoders)
    out_dir, keys = Path(out_dir), [condition.key for condition in conditions]
    with folder_lock(out_dir) as mine:
        if not mine:
            raise ConfigError(f'{out_dir}: another process is at work in it')
        _check_settings(out_dir / SETTINGS, json.loads(json.dumps(dict(settings))))
        kept = {trial: _read(_file(out_dir, trial)) for trial in trials}
        frames = {trial: dataset.corpus.info(trial).num_frames for trial in trials}
        done = sum(frames[trial] for trial in trials for key in keys if key in kept[trial])
        with Progress(sum(frames.values()) * len(keys), 'frames', done) as progress:
            for trial in trials:
                todo = [condition for condition in conditions if condition.key not in kept[trial]]
                for given in corrupted_features(encoders, dataset.corpus, [trial], todo, seed):
                    moments = evaluate(model, given, dataset.window, dataset.hop, dataset.stride, amp=amp)
                    kept[trial][given.condition.key] = moments.tolist()
                    write_text(_file(out_dir, trial), json.dumps(kept[trial]))
                    progress.update(frames[trial])
    return {key: np.array([kept[trial][key] for trial in trials], np.float64) for key in keys}


def _file(out_dir: Path, trial: str) -> Path:
    return out_dir / 'trials' / f'{trial}.json'


def _read(path: Path) -> dict[str, list]:
    """Empty if there is no such file, or it is damaged."""
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _check_settings(path: Path, settings: dict[str, object]) -> None:
    then = _read(path)
    if then and then != settings:
        raise ConfigError(
            f'{path.parent}: has figures of other settings ({settings_difference(then, settings)}); '
            'give another --out or delete the folder'
        )
    if not then:
        if any((path.parent / 'trials').glob('*.json')):
            raise ConfigError(
                f'{path.parent}: has figures of unknown settings; give another --out or delete the folder'
            )
        write_text(path, json.dumps(settings, indent=1))
