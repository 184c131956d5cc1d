"""Features of frames that come from anywhere, by the path that training takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from torch import nn

from ..datasets.affect_dataset import MODALITIES, AffectDataset
from ..datasets.corpus import Corpus, Trial, TrialInfo
from ..engine.size_check import is_affect_dataset, leaf_datasets
from ..errors import ConfigError
from ..media.log_mel import get_front_end
from ..models import AffectEstimator, WaveformStream
from ..registry import DATASETS, FUNCTIONS

LOADERS = ('test_dataloader', 'val_dataloader')
# Sides of stored faces by the side of their crop: Aff-Wild2 as it is prepared by default, and as it is distributed.
FACE_SIZES = {40: 48, 112: 112}
FRAMES_AT_ONCE = 64


class FrameEncoder:
    """What the backbones of a model say of each frame on its own.

    Frames are cut, transformed, collated and preprocessed by what the config gives its test data.

    Args:
        model: an :class:`mmaffect.models.AffectEstimator` in evaluation mode, on its device.
        cfg: its config; by default ``model.cfg``.
        face_size: side of the aligned faces, pixels; by default that of the corpus that the model was trained on:
            ``model.dataset_meta`` says it, or the corpus of the config, or the side of the crop.
        batch_size: frames at once; by default 64 faces, fewer where a frame is a clip.
        amp: bfloat16 autocast.

    Attributes:
        modalities: streams of the model, of ``('audio', 'visual')``.
        face_size: side of the faces that it takes, pixels; ``None`` without a visual stream.
        front_end: of the log-mel that it takes; ``None`` without an audio stream.
        waveform_rate: Hz, where the audio stream takes waveforms; their features depend on the window, and are
            computed window by window.
        align: where the patch of a frame lies.
        patch_rows: rows of a patch.
        window: frames of a window.
        hop: frames of a window between two windows.
        stride: frames of the recording from one frame of a window to the next.
        context: earlier faces that a frame's clip needs; 0 for single faces.
        targets: columns of what the model predicts.

    Raises:
        ConfigError: if the model or its config needs what a video has not (cached features, masks, further streams),
            or nothing says how large its faces are.
    """

    def __init__(
        self,
        model: nn.Module,
        cfg: Config | None = None,
        *,
        face_size: int | None = None,
        batch_size: int | None = None,
        amp: bool = False,
    ) -> None:
        cfg = cfg if cfg is not None else getattr(model, 'cfg', None)
        if not isinstance(model, AffectEstimator):
            raise ConfigError(f'model is a {type(model).__name__}; expected an AffectEstimator')
        if cfg is None:
            raise ConfigError('the model has no cfg, which says how frames are read; expected its config as model.cfg')
        if face_size is not None and face_size < 1:
            raise ConfigError(f'face_size={face_size}; expected at least 1 pixel')
        loader = _loader(cfg)
        settings = _dataset(cfg, loader)
        _check_inputs(model, settings)
        self.model = model
        self.device = next(model.parameters()).device
        self.amp = amp
        self.modalities = tuple(one for one in MODALITIES if one in model.streams)
        self.targets = tuple(model.head.targets)
        self._collate = _collate(cfg[loader])
        # One a modality: a frame's sound may be known before its face is.
        self._datasets = {one: _reader(settings, one) for one in self.modalities}
        dataset = next(iter(self._datasets.values()))
        self.window, self.hop, self.stride = dataset.window, dataset.hop, dataset.stride
        self.align = dataset.align
        self.waveform_rate = model.audio.backbone.sample_rate if isinstance(model.audio, WaveformStream) else None
        self.front_end = get_front_end(dataset.front_end) if 'audio' in self.modalities else None
        self.patch_rows = (dataset.patch_rows or self.front_end.patch_rows) if self.front_end else None
        self.context = (dataset.clip_frames - 1) * dataset.clip_dilation if 'visual' in self.modalities else 0
        self.face_size = None
        if 'visual' in self.modalities:
            self.face_size = face_size or _face_size(model, settings)
        self.batch_size = batch_size or max(1, FRAMES_AT_ONCE // (dataset.clip_frames if self.context else 1))

    @property
    def channels(self) -> dict[str, int]:
        """Length of a feature by modality."""
        return {one: self.model.streams[one].in_channels for one in self.modalities}

    def encode_faces(self, faces: np.ndarray, before: np.ndarray | None = None) -> np.ndarray:
        """Features of consecutive faces.

        Args:
            faces: ``(n, S, S, 3)`` uint8 RGB; black where a frame has no face.
            before: ``(c, S, S, 3)``, the faces before them, for clips; at the beginning of a recording fewer than
                ``context``, since there a clip begins black.

        Returns:
            ``(n, d)`` float32.

        Raises:
            ConfigError: if the faces have another size.
        """
        if faces.shape[1:] != (self.face_size, self.face_size, 3):
            raise ConfigError(f'faces {faces.shape}; expected (n, {self.face_size}, {self.face_size}, 3)')
        earlier = 0 if before is None else len(before)
        whole = np.concatenate((before, faces)) if earlier else faces
        source = _trial(np.zeros(len(whole)), faces=whole)
        parts = []
        for start in range(0, len(faces), self.batch_size):
            stop = min(start + self.batch_size, len(faces))
            parts.append(self._embed('visual', source, range(earlier + start, earlier + stop))[0])
        return np.concatenate(parts) if parts else np.zeros((0, self.channels['visual']), np.float32)

    def encode_sound(self, logmel: np.ndarray, times: np.ndarray, first_row: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Features of the sound of frames.

        Args:
            logmel: ``(r, n_mels)`` float16; ``(0, n_mels)`` without any sound.
            times: ``(n,)`` of the frames, seconds.
            first_row: number of the first row in ``logmel``, where the rows before it are gone (a stream); all rows
                that the patches touch must be there, but for those beyond the recording.

        Returns:
            ``(n, d)`` float32, and ``(n,)`` bool, frames whose patch touches the sound.
        """
        source = _trial(times, logmel=logmel)
        parts = []
        for start in range(0, len(times), self.batch_size):
            frames = range(start, min(start + self.batch_size, len(times)))
            parts.append(self._embed('audio', source, frames, first_row))
        if not parts:
            return np.zeros((0, self.channels['audio']), np.float32), np.zeros(0, bool)
        values, inside = zip(*parts, strict=True)
        return np.concatenate(values), np.concatenate(inside)

    def encode_waveform(self, waveform: np.ndarray, times: np.ndarray, frames: range) -> tuple[np.ndarray, np.ndarray]:
        """Features of the sound of one window, for streams that take waveforms.

        Args:
            waveform: ``(N,)`` int16 at ``waveform_rate``.
            times: ``(T,)`` of all frames of the recording, seconds.
            frames: those of the window; where it is padded, they lead beyond ``T``.

        Returns:
            ``(L, d)`` float32, and ``(L,)`` bool, frames within the sound.
        """
        return self._embed('audio', _trial(times, waveform=waveform), frames)

    def _embed(self, modality: str, source: Trial, frames: range, first_row: int = 0) -> tuple[np.ndarray, np.ndarray]:
        dataset = self._datasets[modality]
        front_end = self.front_end or get_front_end(dataset.front_end)
        cut = dataset.cut_frames(source, frames, front_end, self.waveform_rate, first_row)
        batch = self._collate([dataset.pipeline({**cut, 'rng': np.random.default_rng((0, 0, 0))})])
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            inputs = self.model.data_preprocessor(batch)['inputs']
            values = self.model.streams[modality].embed(inputs[modality])[0]
        return values.float().cpu().numpy(), inputs[f'{modality}_mask'][0].cpu().numpy()


def _loader(cfg: Config) -> str:
    name = next((name for name in LOADERS if cfg.get(name)), None)
    if name is None:
        raise ConfigError(f'{cfg.filename or "config"}: has no test_dataloader; its dataset says how frames are read')
    return name


def _dataset(cfg: Config, loader: str) -> Mapping:
    found = next((one for one in leaf_datasets(cfg, (loader,)).values() if is_affect_dataset(one)), None)
    if found is None:
        raise ConfigError(f'{cfg.filename or "config"}: {loader}.dataset is no AffectDataset; expected one')
    return found


def _check_inputs(model: AffectEstimator, settings: Mapping) -> None:
    if model.further:
        names = ', '.join(model.further)
        raise ConfigError(f'model.further: the streams {names} take cached features, which no video has')
    for name, stream in model.streams.items():
        if stream.backbone is None:
            raise ConfigError(f'model.{name} takes cached features, which no video has; expected a backbone')
    if settings.get('masks'):
        raise ConfigError(f"the dataset's masks={settings['masks']!r}: the model needs masks, which no video has")
    if settings.get('waveform') and model.audio is not None and not isinstance(model.audio, WaveformStream):
        raise ConfigError(
            f'model.audio is a {type(model.audio).__name__}; with waveform=True expected a WaveformStream'
        )


def _reader(settings: Mapping, modality: str) -> AffectDataset:
    """The config's dataset, without its corpus."""
    arguments = {**settings, 'split': 'test', 'fold': 0, 'random_phase': False, 'features': None, 'indices': None}
    return DATASETS.build({**arguments, 'modalities': [modality], 'lazy_init': True})


def _collate(loader: Mapping) -> Callable:
    arguments = dict(loader.get('collate_fn') or {'type': 'pseudo_collate'})
    kind = arguments.pop('type')
    return partial(FUNCTIONS.get(kind) if isinstance(kind, str) else kind, **arguments)


def _face_size(model: nn.Module, settings: Mapping) -> int:
    known = (getattr(model, 'dataset_meta', None) or {}).get('face_size')
    if isinstance(known, int):
        return known
    root = settings.get('data_root')
    if root is not None and Path(root, 'corpus.json').is_file():
        return Corpus(root).face_size
    crop = getattr(model.data_preprocessor, 'crop_size', None)
    if crop not in FACE_SIZES:
        raise ConfigError(
            f'crop_size={crop}: neither checkpoint nor corpus says how large the faces are from which it is cut; '
            'give face_size'
        )
    return FACE_SIZES[crop]


def _trial(
    times: np.ndarray,
    faces: np.ndarray | None = None,
    logmel: np.ndarray | None = None,
    waveform: np.ndarray | None = None,
) -> Trial:
    """Frames as a trial of a corpus has them, without annotations."""
    frames, rows = len(times), 0 if logmel is None else len(logmel)
    sound = rows > 0 or (waveform is not None and len(waveform) > 0)
    return Trial(
        info=TrialInfo('', '', 'test', frames, rows, 0.0, sound, frames, 0, {}, {}),
        faces=np.zeros((0, 0, 0, 3), np.uint8) if faces is None else faces,
        logmel=np.zeros((0, 0), np.float16) if logmel is None else logmel,
        waveform=np.zeros(0, np.int16) if waveform is None else waveform,
        timestamps=times,
        targets=np.full((frames, 2), np.nan, np.float32),
        valid=np.zeros(frames, bool),
        face_present=np.ones(frames, bool),
    )
