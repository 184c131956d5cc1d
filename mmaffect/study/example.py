"""One trial of a study as an example: annotation, predictions and gates."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader, Subset

from ..datasets.collate import collate_windows
from ..datasets.corpus import Corpus
from ..engine.checkpoint import load_weights
from ..engine.running import build_model
from ..evaluation.functional import merge_windows
from ..registry import DATASETS
from ..structures import AFFECT
from ..utils.files import write_text
from .claims import REFERENCE
from .design import FUSIONS, StudySettings
from .extras import EXAMPLE, Example, example_text
from .material import Places, one_thread
from .measures import merge_shares
from .progress import finished_checkpoint
from .runs import predict_batch, run_config
from .table import NORMAL, StudyTable

ROWS = 500
"""At most so many frames are written; of a longer trial every second, third, ... one."""


def write_example(
    table: StudyTable, corpora: Mapping[float, str], places: Places, settings: StudySettings, folder: str | Path
) -> Path | None:
    """Write ``example.csv``: a validation trial at the highest w, as GRJCA and the first extension see it.

    Args:
        table: says what was run; of each fusion the lowest seed is taken.
        corpora: by share of decoupled time, prepared, with features.
        places: where the runs are.
        settings: of the study.
        folder: of the table.

    Returns:
        The file; ``None`` if none of these fusions was run there.

    Raises:
        CheckpointError: a checkpoint is damaged.
    """
    if not len(table):
        return None
    weak = max(table.weak)
    extensions = [name for name, fusion in FUSIONS.items() if fusion.group == 'extension']
    wanted = [name for name in (REFERENCE, *extensions[:1]) if name in table.fusions(weak)]
    checkpoints = {}
    for name in wanted:
        seeds = table.seeds(weak, name)
        checkpoint = finished_checkpoint(weak, name, seeds[0], corpora[weak], places, settings)
        if checkpoint is not None:
            checkpoints[name] = (seeds[0], checkpoint)
    if not checkpoints:
        return None
    corpus = Corpus(corpora[weak])
    trial = choose_trial(corpus, table.trials(weak))
    predicted, gates = {}, {}
    for name, (seed, checkpoint) in checkpoints.items():
        arguments = (weak, name, seed, corpora[weak], str(checkpoint.parent), settings)
        predicted[name], gates[name] = predict_trial(*arguments, checkpoint, trial)
    path = Path(folder, EXAMPLE)
    write_text(path, example_text(_thinned(corpus, trial, predicted, gates)))
    return path


def choose_trial(corpus: Corpus, trials: tuple[str, ...]) -> str:
    """The trial with the most different conditions; of several that with the most decoupled frames, then by name."""

    def place(name: str) -> tuple[int, int, str]:
        codes = np.asarray(corpus[name].conditions)
        decoupled = sum(int((codes == code).sum()) for code, word in enumerate(_words(corpus, name)) if word != NORMAL)
        return -len(np.unique(codes)), -decoupled, name

    return min(trials, key=place)


def _words(corpus: Corpus, trial: str) -> tuple[str, ...]:
    return corpus.info(trial).conditions or (NORMAL,)


def predict_trial(
    weak: float,
    fusion: str,
    seed: int,
    corpus: str,
    work_dir: str,
    settings: StudySettings,
    checkpoint: Path,
    trial: str,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What a run says of one validation trial; overlapping windows are averaged.

    Args:
        weak, fusion, seed, corpus, work_dir, settings: as of :func:`mmaffect.study.runs.run_config`.
        checkpoint: of the run.
        trial: its name.

    Returns:
        By target and by gate ``(T,)``; of a gate NaN where its modality is absent.

    Raises:
        CheckpointError: the checkpoint is missing, damaged or of another model.
    """
    cfg = run_config(weak, fusion, seed, corpus, work_dir, settings)
    model = build_model(cfg)
    load_weights(model, checkpoint, log=False)
    with DefaultScope.overwrite_default_scope('mmaffect'):
        dataset = DATASETS.build(cfg.val_dataloader.dataset)
    own = [index for index in range(len(dataset)) if dataset.get_data_info(index)['trial'] == trial]
    loader = DataLoader(Subset(dataset, own), cfg.val_dataloader.batch_size, collate_fn=collate_windows)
    with one_thread():
        windows = [window for batch in loader for window in predict_batch(model.eval(), batch)]
    merged = merge_windows(windows)[trial]
    shares = merge_shares(windows, {trial: len(merged.pred)}).get(trial, {})
    return dict(zip(model.head.targets, merged.pred.T, strict=True)), shares


def _thinned(corpus: Corpus, name: str, predicted: Mapping[str, Mapping], gates: Mapping[str, Mapping]) -> Example:
    trial, words = corpus[name], np.array(_words(corpus, name))
    every = slice(None, None, -(-len(trial.timestamps) // ROWS))
    targets = np.where(np.asarray(trial.valid)[:, None], trial.targets, np.nan)[every]
    conditions = np.asarray(trial.conditions)[every]

    def thin(found: Mapping[str, Mapping]) -> dict[str, dict[str, np.ndarray]]:
        return {fusion: {key: values[every] for key, values in own.items()} for fusion, own in found.items()}

    return Example(
        np.asarray(trial.timestamps)[every],
        tuple(words[conditions].tolist()),
        dict(zip(AFFECT, targets.T, strict=True)),
        thin(predicted),
        thin(gates),
    )
