"""Per-frame features of frozen backbones, written into a corpus."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from torch import nn
from torch.utils.data import DataLoader

from ..datasets.affect_dataset import MODALITIES, AffectDataset
from ..datasets.collate import collate_windows
from ..datasets.corpus import SPLITS, Corpus
from ..datasets.features import FeatureWriter, corpus_folder
from ..errors import CheckpointError, ConfigError
from ..utils.progress import Progress
from .checkpoint import read_checkpoint
from .pretrained import match_weights

# Arguments of a dataset that say which frames are read, not what they look like.
UNRELATED = {'data_root', 'split', 'fold', 'hop', 'stride', 'random_phase', 'modalities', 'indices', 'features', 'type'}


def load_backbones(model: nn.Module, path: str | Path) -> None:
    """Load a checkpoint that holds all backbones of a model: of the whole model, or as a converter writes it.

    Args:
        model: the model; weights that the file has not are left alone.
        path: the checkpoint.

    Raises:
        CheckpointError: if the file is damaged, or a weight of a backbone is missing or of another shape.
    """
    match = match_weights(model, read_checkpoint(path)['state_dict'], path)
    missing = [key for key in match.missing if '.backbone.' in key]
    if missing:
        raise CheckpointError(f'{path}: {len(missing)} weights of the backbones are not in it ({missing[0]}, ...)')
    model.load_state_dict(match.weights, strict=False)
    if 'data_preprocessor.audio_mean' in match.weights:
        # A trained model normalises as its training did.
        model.data_preprocessor.audio_from_corpus = False


def settings_digest(cfg: Config, amp: bool) -> str:
    """What the features of a frame depend on beside the weights: model, dataset, corpus and precision."""
    dataset = cfg.val_dataloader.dataset
    index = Path(dataset.data_root, 'corpus.json').read_text(encoding='utf-8')
    parts = [cfg.model.to_dict(), {key: value for key, value in dataset.items() if key not in UNRELATED}, amp, index]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def extract_features(
    model: nn.Module,
    dataset: Mapping[str, object],
    name: str,
    source: Mapping[str, object],
    *,
    batch_size: int = 4,
    workers: int = 0,
    amp: bool = False,
) -> list[Path]:
    """Write what the backbones of a model say of every frame of a corpus; trials that are there are kept.

    Args:
        model: an :class:`mmaffect.models.AffectEstimator` with its weights, on its device.
        dataset: config of an :class:`AffectDataset` on the corpus; which of its frames it reads does not matter.
        name: of the set of features.
        source: what the weights are, stored with the features.
        batch_size: windows at once.
        workers: processes that read.
        amp: bfloat16 autocast.

    Returns:
        The folder of each modality, ``<corpus>/features/<name>/<modality>``.

    Raises:
        ConfigError: if the model has no backbone.
        CorpusError: if the folder holds features of another source, or features are not finite.
    """
    streams = {one: getattr(model, one) for one in MODALITIES}
    streams = {one: stream for one, stream in streams.items() if stream is not None and stream.backbone is not None}
    if not streams:
        raise ConfigError('model: has no backbone to extract features from')
    root = dataset['data_root']
    corpus = Corpus(root)
    writers = {
        modality: FeatureWriter(
            corpus_folder(root, 'features', f'{name}/{modality}'), {**source, 'channels': stream.in_channels}
        )
        for modality, stream in streams.items()
    }
    arguments = {'window': 300, **{key: value for key, value in dataset.items() if key != 'type'}}
    arguments |= dict(fold=0, hop=arguments['window'], stride=1, random_phase=False, indices=None)
    arguments |= dict(modalities=list(streams), features=None)
    frames = {trial: corpus.info(trial).num_frames for trial in corpus.trials}
    done = {trial for trial in frames if all(writer.done(trial) for writer in writers.values())}
    device = next(model.parameters()).device
    model.data_preprocessor.set_audio_statistics(corpus.audio_mean, corpus.audio_std)
    model.eval()
    with (
        Progress(sum(frames.values()), 'frames', sum(frames[trial] for trial in done)) as progress,
        torch.inference_mode(),
        torch.autocast(device.type, torch.bfloat16, enabled=amp),
    ):
        for split in SPLITS:
            if not set(corpus.split(split)) - done:
                continue
            part = AffectDataset(**{**arguments, 'split': split})
            wanted = [i for i in range(len(part)) if part.get_data_info(i)['trial'] not in done]
            loader = DataLoader(part, batch_size, sampler=wanted, num_workers=workers, collate_fn=collate_windows)
            for trial, features in _by_trial(model, streams, loader, frames):
                for modality, writer in writers.items():
                    writer.write(trial, features[modality])
                progress.update(frames[trial])
    return [writer.folder for writer in writers.values()]


def _by_trial(
    model: nn.Module, streams: Mapping[str, nn.Module], loader: DataLoader, frames: Mapping[str, int]
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Put the features of successive windows together; yields a trial when its last window is through."""
    name, arrays = None, {}
    for batch in loader:
        prepared = model.data_preprocessor(batch)
        found = {one: stream.embed(prepared['inputs'][one]).float().cpu().numpy() for one, stream in streams.items()}
        for i, sample in enumerate(prepared['data_samples']):
            if sample.trial != name:
                if name is not None:
                    yield name, arrays
                name = sample.trial
                # A frame that no window fills stays NaN, which is not written.
                arrays = {
                    one: np.full((frames[name], stream.in_channels), np.nan, np.float32)
                    for one, stream in streams.items()
                }
            span = slice(sample.start, sample.start + len(sample.valid))
            for one, array in arrays.items():
                array[span] = found[one][i, : len(sample.valid)]
    if name is not None:
        yield name, arrays
