"""What damaged sound or pictures cost a model.

Every frame is encoded once, and once more by each corruption of its modality; the other modality keeps its features. A
model with backbones and any number of fusions on cached features are measured on the same features.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from torch import nn

from ..datasets.affect_dataset import MODALITIES
from ..datasets.corpus import Corpus, Trial
from ..datasets.corruptions import SEVERITIES, Corruption, build_corruption
from ..errors import ConfigError, CorpusError
from ..evaluation.functional import Moments
from ..inference.encoder import FrameEncoder
from ..inference.listening import listen, sound_features
from ..inference.recording import CorpusTrial
from ..inference.windows import FrameFeatures, plan_windows, predict_windows
from ..media import prefetch
from ..registry import CORRUPTIONS
from ..structures import AFFECT


class Condition(NamedTuple):
    """What was done to a trial.

    Attributes:
        corruption: name of its class in ``CORRUPTIONS``; ``None``: nothing.
        severity: 1 to 5; 0 where nothing was done.
    """

    corruption: str | None = None
    severity: int = 0

    @property
    def key(self) -> str:
        """As text, such as ``'clean'`` or ``'AudioNoise/3'``."""
        return 'clean' if self.corruption is None else f'{self.corruption}/{self.severity}'


CLEAN = Condition()


@dataclass(frozen=True, eq=False)
class TrialFeatures:
    """Features of the frames of a trial, to which something was done.

    Attributes:
        trial: as it is in the corpus, with its annotations.
        condition: what was done to it.
        features: by modality.
    """

    trial: Trial
    condition: Condition
    features: Mapping[str, FrameFeatures]


def known_corruptions() -> dict[str, type[Corruption]]:
    """Every corruption by the name of its class, those of sound first."""
    CORRUPTIONS.import_from_location()
    known = CORRUPTIONS.module_dict
    return {name: known[name] for modality in MODALITIES for name in known if known[name].modality == modality}


def choose_corruptions(names: Sequence[str] | None, modalities: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Corruptions of what a model sees and hears.

    Args:
        names: of classes in ``CORRUPTIONS``; ``None``: all.
        modalities: of the model.

    Returns:
        Those to apply, and those of a modality that the model has not; both by name with their modality.

    Raises:
        ConfigError: for an unknown name or one that is given twice, or if none is left.
    """
    known = known_corruptions()
    names = list(known) if names is None else list(names)
    for name in names:
        if name not in known:
            raise ConfigError(f'corruption {name!r} is not known; expected one of {", ".join(known)}')
        if names.count(name) > 1:
            raise ConfigError(f'corruption {name} is given twice')
    chosen = {name: known[name].modality for name in names if known[name].modality in modalities}
    if not chosen:
        raise ConfigError(f'no corruption of {" or ".join(modalities)} is given, and the model has nothing else')
    return chosen, {name: known[name].modality for name in names if name not in chosen}


def conditions_of(corruptions: Sequence[str], severities: Sequence[int] = SEVERITIES) -> list[Condition]:
    """Nothing, and every corruption with every severity.

    Raises:
        ConfigError: for a severity that is not 1 to 5, or that is given twice, or if there is none.
    """
    for severity in severities:
        if severity not in SEVERITIES or list(severities).count(severity) > 1:
            raise ConfigError(f'severities={list(severities)}; expected different ones of 1 to 5')
    if not severities:
        raise ConfigError('severities is empty; expected some of 1 to 5')
    return [CLEAN, *(Condition(name, severity) for name in corruptions for severity in severities)]


def frame_encoders(models: Sequence[nn.Module], corpus: Corpus, *, amp: bool = False) -> dict[str, FrameEncoder]:
    """What encodes each modality of a corpus.

    Args:
        models: with backbones, their config as ``cfg``, in evaluation mode on their device: one of both modalities, or
            one for each.
        corpus: the corpus.
        amp: bfloat16 autocast.

    Raises:
        ConfigError: if two encode the same modality, or one takes what a frame alone has not; if the corpus has other
            sound.
    """
    encoders: dict[str, FrameEncoder] = {}
    for model in models:
        encoder = FrameEncoder(model, face_size=corpus.face_size, amp=amp)
        for modality in encoder.modalities:
            if modality in encoders:
                raise ConfigError(f'two models encode {modality}; expected one for each modality')
            encoders[modality] = encoder
    return encoders


def corrupted_features(
    encoders: Mapping[str, FrameEncoder],
    corpus: Corpus,
    trials: Sequence[str],
    conditions: Sequence[Condition],
    seed: int = 0,
) -> Iterator[TrialFeatures]:
    """Features of trials under every condition, one trial after the other.

    Args:
        encoders: by modality, as :func:`frame_encoders` gives them.
        corpus: the corpus.
        trials: their names.
        conditions: as :func:`conditions_of` gives them, in the order in which they are wanted.
        seed: of the corruptions.

    Yields:
        ``len(trials) * len(conditions)`` times the features of one trial; those of a modality that a condition leaves
        as it is are the same objects.

    Raises:
        ConfigError: if a corruption is of a modality that nothing encodes.
        CorpusError: if a trial is damaged.
    """
    corruptions = {
        one: build_corruption({'type': one.corruption, 'severity': one.severity, 'seed': seed})
        for one in conditions
        if one.corruption is not None
    }
    for condition, corruption in corruptions.items():
        if corruption.modality not in encoders:
            raise ConfigError(f'{condition.key}: corrupts {corruption.modality}, which nothing encodes')
    for name in trials:
        trial = corpus[name]
        clean = {one: encode(trial, corpus, one, encoder) for one, encoder in encoders.items()} if conditions else {}
        # The next one is corrupted while the model is at work.
        with closing(prefetch(((one, _corrupt(trial, corpus, corruptions.get(one))) for one in conditions), 1)) as made:
            for condition, corrupted in made:
                features = clean
                # Where there is nothing to corrupt, as in a trial without sound, it is the same trial.
                if corrupted is not trial:
                    modality = corruptions[condition].modality
                    features = {**clean, modality: encode(corrupted, corpus, modality, encoders[modality])}
                yield TrialFeatures(trial, condition, features)


def _corrupt(trial: Trial, corpus: Corpus, corruption: Corruption | None) -> Trial:
    return trial if corruption is None else corruption.apply(trial, corpus)


def encode(trial: Trial, corpus: Corpus, modality: str, encoder: FrameEncoder) -> FrameFeatures:
    """Features of the frames of a trial, of one modality.

    Args:
        trial: the trial, maybe corrupted.
        corpus: where it comes from.
        modality: ``'audio'`` or ``'visual'``.
        encoder: of that modality.
    """
    if modality == 'audio':
        recording = CorpusTrial(corpus, trial.info.name)
        recording.trial = trial
        heard = sound_features(listen(recording, encoder, voice=False), recording.times, encoder)
        return replace(heard, present=heard.present & trial.info.has_audio)
    faces = np.asarray(trial.faces)
    before = faces[len(faces) - min(encoder.context, len(faces)) :]
    black = np.zeros((encoder.context + 1, *faces.shape[1:]), np.uint8)
    # Only windows that are longer than the trial see what comes after it, hence not before one asks.
    return FrameFeatures(
        encoder.encode_faces(faces),
        np.full(len(faces), trial.info.faces_present > 0),
        lru_cache(maxsize=1)(lambda seen: encoder.encode_faces(black, before)),
    )


def evaluate(
    model: nn.Module, given: TrialFeatures, window: int, hop: int, stride: int = 1, *, amp: bool = False
) -> np.ndarray:
    """Compare what a model says of a trial with its annotations, as a test does.

    Args:
        model: in evaluation mode, on its device; with backbones, which then are those of the encoders, or without, on
            features of that width.
        given: features of the trial.
        window: frames of a window, L.
        hop: frames of a window between two windows.
        stride: frames of the trial from one frame of a window to the next.
        amp: bfloat16 autocast.

    Returns:
        ``(k, 6)`` float64, :class:`mmaffect.evaluation.functional.Moments` over the valid frames, a row a target of
        the model; those of several trials add up.

    Raises:
        ConfigError: if the model takes other features.
    """
    check_streams(model, given.features)
    trial, frames = given.trial, len(given.trial.timestamps)
    features = {name: _as_read(name, stream, given.features) for name, stream in model.streams.items()}
    windows = plan_windows(frames, window, hop, stride)
    affect, _ = predict_windows(model, features, windows, frames, window, amp=amp)
    valid, targets = np.asarray(trial.valid), np.asarray(trial.targets)
    columns = [AFFECT.index(target) for target in model.head.targets]
    return np.stack([Moments.of(affect[valid, i], targets[valid, column]).values for i, column in enumerate(columns)])


def _as_read(name: str, stream: nn.Module, features: Mapping[str, FrameFeatures]) -> FrameFeatures:
    """Features as the stream of a model is given them."""
    given = features[name]
    if stream.backbone is not None:
        return given
    if callable(given.values):
        raise ConfigError(f'{name} features depend on the window; a model without a backbone expects those of frames')
    width = given.values.shape[1]
    if width != stream.in_channels:
        raise ConfigError(f'{name} features of {width} channels; the model expects {stream.in_channels}')
    # A dataset of cached features pads with zeros.
    return replace(given, beyond=np.zeros((1, width), np.float32))


def check_streams(model: nn.Module, modalities: Collection[str]) -> None:
    """Raise :class:`ConfigError` if a model has a stream that is not among those that are encoded."""
    for name in model.streams:
        if name not in modalities:
            raise ConfigError(f'the model has a stream {name!r}; the encoders give {" and ".join(modalities)}')


def check_annotated(corpus: Corpus, trials: Sequence[str]) -> None:
    """Raise :class:`CorpusError` if none of the trials has a valid annotation."""
    if not any(corpus.info(trial).valid_frames for trial in trials):
        raise CorpusError(f'{corpus.root}: no valid annotation in {len(trials)} trials, so there is no CCC')
