"""Runs of a study: one share of decoupled time, one fusion, one seed."""

import gc
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn
from torch.utils.data import DataLoader

from ..datasets.collate import collate_windows
from ..engine.checkpoint import load_weights
from ..engine.run_settings import run_digest
from ..engine.running import build_model, load_config, use_randomness
from ..engine.training import check_data, train_or_keep
from ..errors import CorpusError
from ..evaluation.functional import merge_windows
from ..inference.windows import run_windows
from ..registry import DATASETS
from ..utils.files import write_text
from .design import FUSIONS, StudySettings
from .material import last_epoch, one_thread
from .measures import gate_records, merge_shares, moments_by_condition

RECORD = 'record.json'


def run_epochs(fusion: str, settings: StudySettings) -> int:
    """Epochs that a fusion is trained for."""
    return settings.epochs * FUSIONS[fusion].budget


def run_config(weak: float, fusion: str, seed: int, corpus: str, work_dir: str, settings: StudySettings) -> Config:
    """Config of a run: that of its fusion, validated and saved after the last epoch only.

    Args:
        weak: share of decoupled time.
        fusion: name.
        seed: of the run.
        corpus: prepared corpus with features.
        work_dir: of the run.
        settings: of the study.

    Raises:
        ConfigError: the config cannot be read, or an option does not fit.
    """
    epochs = run_epochs(fusion, settings)
    options = {
        'train_dataloader.batch_size': settings.batch_size,
        'val_dataloader.batch_size': settings.batch_size,
        'train_cfg.val_begin': epochs,
        'default_hooks.checkpoint.interval': epochs,
        'default_hooks.checkpoint.max_keep_ckpts': 1,
        'default_hooks.checkpoint.save_best': None,
        # A line an epoch.
        'default_hooks.logger.interval': 10**6,
        'visualizer.vis_backends': [],
        **last_epoch(epochs),
        **FUSIONS[fusion].options,
    }
    cfg = load_config(FUSIONS[fusion].path, options=options, data_root=corpus, work_dir=work_dir)
    use_randomness(cfg, seed)
    # Runs of one seed begin with the same weights and see the same windows at every share.
    cfg.experiment_name = f'{fusion}_w{weak:.1f}'
    return cfg


def read_record(cfg: Config) -> dict | None:
    """What :func:`train_run` wrote for this very config and its data; ``None``: nothing."""
    try:
        record = json.loads(Path(cfg.work_dir, RECORD).read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get('config') == run_digest(cfg) else None


def train_run(weak: float, fusion: str, seed: int, corpus: str, work_dir: str, settings: StudySettings) -> dict:
    """Train and measure a run; one that is finished is kept.

    Arguments as of :func:`run_config`.

    Returns:
        The record of the run, as it is written to ``record.json``: ``weak``, ``fusion``, ``seed``, ``parameters``,
        ``epochs``, ``seconds`` of training, ``config`` (digest of its settings and data), ``trials`` as
        :func:`mmaffect.study.measures.moments_by_condition` and ``gates`` as
        :func:`mmaffect.study.measures.gate_records` gives them, of the validation windows and the last epoch's weights.

    Raises:
        ConfigError: the work dir has the finished run of another config.
        MMAffectError: as :func:`mmaffect.engine.training.train_or_keep`.
    """
    _spare_the_collector()
    cfg = run_config(weak, fusion, seed, corpus, work_dir, settings)
    epochs = run_epochs(fusion, settings)
    if found := read_record(cfg):
        return found
    check_data(cfg)
    with one_thread():
        trained = train_or_keep(cfg)
        measured = measure(cfg, Path(work_dir, f'epoch_{epochs}.pth'))
    record = {
        'weak': weak,
        'fusion': fusion,
        'seed': seed,
        'parameters': trained['parameters'],
        'epochs': epochs,
        'seconds': round((trained['seconds'] or 0.0) * epochs, 1),
        'config': trained['config'],
        **measured,
    }
    write_text(Path(work_dir, RECORD), json.dumps(record))
    return record


def measure(cfg: Config, checkpoint: Path) -> dict[str, list[dict]]:
    """Predict the validation windows and measure predictions and gates.

    Args:
        cfg: of the model and its validation.
        checkpoint: its weights.

    Returns:
        ``trials`` and ``gates`` of a record.

    Raises:
        CheckpointError: the checkpoint is missing, damaged or of another model.
        CorpusError: the corpus does not tell its conditions.
    """
    model = build_model(cfg)
    load_weights(model, checkpoint, log=False)
    with DefaultScope.overwrite_default_scope('mmaffect'):
        dataset = DATASETS.build(cfg.val_dataloader.dataset)
    words = dataset.metainfo.get('conditions')
    if not words:
        raise CorpusError(f'{cfg.val_dataloader.dataset.data_root}: tells no conditions of its frames')
    loader = DataLoader(dataset, cfg.val_dataloader.batch_size, collate_fn=collate_windows)
    windows = [window for batch in loader for window in predict_batch(model.eval(), batch)]
    merged = merge_windows(windows)
    conditions = {trial: np.array(words)[found.condition] for trial, found in merged.items()}
    shares = merge_shares(windows, {trial: len(found.pred) for trial, found in merged.items()})
    return {'trials': moments_by_condition(merged, words), 'gates': gate_records(shares, conditions)}


def predict_batch(model: nn.Module, batch: dict) -> Iterator[dict]:
    """Predict windows, and ask the gates of the fusion.

    Args:
        model: an :class:`mmaffect.models.AffectEstimator` in eval mode, on the CPU.
        batch: as :func:`mmaffect.datasets.collate.collate_windows` makes it.

    Yields:
        Of each window what :func:`mmaffect.evaluation.functional.merge_windows` and
        :func:`mmaffect.study.measures.merge_shares` take.
    """
    prepared = model.data_preprocessor(batch)
    inputs = prepared['inputs']
    masks = {name: inputs[f'{name}_mask'].numpy() for name in model.streams}
    with torch.inference_mode():
        values = {name: features.numpy() for name, features in model.embed(inputs).items()}
    affect, shares = run_windows(model, values, masks)
    # A gate says nothing of frames that do not have its modality.
    shares = {name: np.where(masks[name.split('/')[0]], share, np.nan) for name, share in shares.items()}
    for i, sample in enumerate(prepared['data_samples']):
        real = len(sample.valid)
        yield {
            'trial': sample.trial,
            'start': sample.start,
            'stride': sample.stride,
            'pred': affect[i, :real],
            'affect': sample.gt_affect.numpy(),
            'valid': sample.valid.numpy(),
            'condition': sample.condition.numpy(),
            'shares': {name: share[i, :real] for name, share in shares.items()},
        }


@cache
def _spare_the_collector() -> None:
    """MMEngine collects garbage for every dataset: what was imported until now is none."""
    gc.collect()
    gc.freeze()
