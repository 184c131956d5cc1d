"""What somebody must know to feed an exported model: where its windows, faces and patches lie."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from mmengine.config import Config

from ..datasets.windows import clip_frames
from ..engine.size_check import is_affect_dataset, leaf_datasets
from ..errors import ConfigError
from ..inference.encoder import FACE_SIZES
from ..media.log_mel import Align, FrontEnd, get_front_end
from ..models import AffectEstimator, WaveformStream


@dataclass(frozen=True)
class Settings:
    """How the test data of a config are cut.

    Attributes:
        window: frames of a window, L.
        hop: frames of a window between two windows.
        stride: frames of the recording from one frame of a window to the next.
        face_size: side of the aligned faces, pixels; ``None`` where no faces are taken.
        clip_frames: faces of a frame's clip, T; 1: one face.
        clip_dilation: frames of the recording from one face of a clip to the next.
        front_end: of the log-mel; ``None`` where none is taken.
        align: where the patch of a frame lies.
    """

    window: int
    hop: int
    stride: int
    face_size: int | None
    clip_frames: int
    clip_dilation: int
    front_end: FrontEnd | None
    align: Align

    @property
    def clips(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Of a window of clips, the frames whose faces it takes, counted from its first, and ``(L, T)`` into them."""
        if self.clip_frames == 1:
            return None
        frames = range(0, self.window * self.stride, self.stride)
        numbers = np.array(clip_frames(frames, self.clip_frames, self.clip_dilation))
        rows, index = np.unique(numbers, return_inverse=True)
        return rows, index.reshape(numbers.shape)


def read_settings(model: AffectEstimator, cfg: Config, face_size: int | None = None) -> Settings:
    """Settings of a model.

    Args:
        model: the estimator.
        cfg: its config.
        face_size: side of the aligned faces, pixels; by default what ``model.dataset_meta`` says, or what belongs to
            the side of the crop.

    Raises:
        ConfigError: if the config has no such dataset, the model takes what cannot be exported, or the faces are
            smaller than their crop.
    """
    if not isinstance(model, AffectEstimator):
        raise ConfigError(f'model is a {type(model).__name__}; expected an AffectEstimator')
    dataset = _dataset(cfg)
    if isinstance(model.audio, WaveformStream):
        raise ConfigError(
            'model.audio takes waveforms, whose features depend on the window; it is not exported to ONNX'
        )
    if dataset.get('masks'):
        raise ConfigError(f'dataset.masks={dataset["masks"]!r}: faces with a fourth channel are not exported to ONNX')
    visual = model.visual is not None and model.visual.backbone is not None
    audio = model.audio is not None and model.audio.backbone is not None
    patch_rows = model.data_preprocessor.patch_rows
    if audio and (dataset.get('patch_rows') or patch_rows) != patch_rows:
        raise ConfigError(f'dataset.patch_rows={dataset["patch_rows"]}, data_preprocessor.patch_rows={patch_rows}')
    return Settings(
        window=dataset.get('window', 300),
        hop=dataset.get('hop', 200),
        stride=dataset.get('stride', 1),
        face_size=_face_size(model, face_size) if visual else None,
        clip_frames=dataset.get('clip_frames', 1) if visual else 1,
        clip_dilation=dataset.get('clip_dilation', 1),
        front_end=get_front_end(dataset.get('front_end', 'paper')) if audio else None,
        align=dataset.get('align', 'centre'),
    )


def _dataset(cfg: Config) -> Mapping:
    for loader in ('test_dataloader', 'val_dataloader', 'train_dataloader'):
        if cfg.get(loader):
            for dataset in leaf_datasets(cfg, (loader,)).values():
                if is_affect_dataset(dataset):
                    return dataset
    raise ConfigError(f'{cfg.filename or "config"}: has no data loader of an AffectDataset; its window says how L is')


def _face_size(model: AffectEstimator, given: int | None) -> int:
    crop = model.data_preprocessor.crop_size
    size = given or (getattr(model, 'dataset_meta', None) or {}).get('face_size') or FACE_SIZES.get(crop)
    if size is None:
        raise ConfigError(
            f'crop_size={crop}: nothing says how large the faces are from which it is cut; give face_size'
        )
    if size < crop:
        raise ConfigError(f'face_size={size}; expected at least crop_size={crop}')
    return size
