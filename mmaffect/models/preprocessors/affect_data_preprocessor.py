"""Batches of windows to network inputs, on the device."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from ...datasets.collate import stack_windows
from ...errors import ConfigError
from ...registry import MODELS


class Waveforms(NamedTuple):
    """Sound of a batch of windows.

    Attributes:
        samples: ``(B, S)`` float32 in [-1, 1]; zeros after the end of a recording.
        positions: ``(B, L)`` int64, the sample of each frame.
    """

    samples: Tensor
    positions: Tensor


def crop_faces(faces: Tensor, crop: Tensor, flip: Tensor, size: int, mean: Tensor, std: Tensor) -> Tensor:
    """Crop, flip and normalise faces, one place and side a window.

    Args:
        faces: ``(B, F, S, S, C)`` uint8.
        crop: ``(B, 2)`` int64 on the CPU, top and left of each crop.
        flip: ``(B,)`` bool on the CPU.
        size: side of the crop, pixels.
        mean: ``(1,)`` or ``(C,)``, subtracted.
        std: the same, divided by.

    Returns:
        ``(B, F, C, size, size)`` float32; its memory is channels last.
    """
    out = faces.new_empty((*faces.shape[:2], size, size, faces.shape[-1]), dtype=torch.float32)
    for window, (top, left), mirrored, target in zip(faces, crop.tolist(), flip.tolist(), out, strict=True):
        part = window[:, top : top + size, left : left + size]
        target.copy_(part.flip(2) if mirrored else part)
    return out.sub_(mean).mul_(1 / std).movedim(-1, 2)


def cut_clips(faces: Tensor, index: Tensor) -> Tensor:
    """Clips of every frame.

    Args:
        faces: ``(B, F, C, S, S)``.
        index: ``(B, L, T)`` int64, images of each clip.

    Returns:
        ``(B, L, C, T, S, S)``.
    """
    batch, images = faces.shape[:2]
    index = index + images * torch.arange(batch, device=index.device)[:, None, None]
    clips = faces.flatten(0, 1).index_select(0, index.flatten())
    return clips.unflatten(0, index.shape).movedim(2, 3)


def cut_patches(
    logmel: Tensor,
    num_rows: Tensor,
    patch_start: Tensor,
    rows: int,
    fill: Tensor | None = None,
    depth: Tensor | None = None,
) -> Tensor:
    """Cut the audio patch of every frame.

    Args:
        logmel: ``(B, R, n_mels)``.
        num_rows: ``(B,)`` int64, rows that are real.
        patch_start: ``(B, L)`` int64, first row of each patch.
        rows: rows of a patch, P.
        fill: value of what lies beyond the recording; by default its first or last row is repeated.
        depth: raise what lies more than this below a patch's highest value to that level.

    Returns:
        ``(B, L, 1, P, n_mels)``; zeros for a window without any sound.
    """
    batch, total, bands = logmel.shape
    if total == 0:
        return logmel.new_zeros((*patch_start.shape, 1, rows, bands))
    # As in a batch without any sound, so that a prediction does not depend on the windows beside it.
    silent = (num_rows == 0)[:, None, None]
    logmel = logmel.masked_fill(silent, 0)
    last = (num_rows - 1).clamp(min=0)[:, None, None]
    wanted = patch_start[..., None] + torch.arange(rows, device=logmel.device)
    index = wanted.clamp(min=0).minimum(last)
    index = index + torch.arange(batch, device=logmel.device)[:, None, None] * total
    patches = logmel.reshape(-1, bands).index_select(0, index.flatten()).view(*patch_start.shape, 1, rows, bands)
    if fill is not None:
        beyond = ((wanted < 0) | (wanted > last)) & ~silent
        patches = torch.where(beyond[:, :, None, :, None], fill, patches)
    if depth is not None:
        patches = patches.maximum(patches.amax((-2, -1), keepdim=True) - depth)
    return patches


@MODELS.register_module()
class AffectDataPreprocessor(BaseDataPreprocessor):
    """Move, crop, flip and normalise faces, normalise log-mel and cut one patch a frame.

    Clips of faces, waveforms and cached features are prepared where the dataset gives those. Data samples stay on the
    CPU: only the loss needs targets on the device.

    Args:
        crop_size: side of the face crop, pixels.
        image_size: side to which the crop is then scaled (bilinear), pixels; ``None``: it is not.
        patch_rows: rows of an audio patch, P.
        face_mean: subtracted from pixel values (0 to 255); one number, or one a channel.
        face_std: divides them.
        audio_mean: subtracted from log-mel values; ``None``: that of the training corpus, kept in the checkpoint.
        audio_std: divides them; ``None`` likewise.
        audio_fill: log-mel value of what lies before or after the recording; ``None``: its first or last row again.
        audio_depth: decibels below a patch's highest value at which lower ones are cut off (torchaudio's ``top_db``).
        non_blocking: copy to the device asynchronously (with pinned memory).

    Raises:
        ConfigError: if only one of ``audio_mean`` and ``audio_std`` is given.
    """

    def __init__(
        self,
        crop_size: int = 40,
        image_size: int | None = None,
        patch_rows: int = 107,
        face_mean: float | Sequence[float] = 127.5,
        face_std: float | Sequence[float] = 127.5,
        audio_mean: float | None = None,
        audio_std: float | None = None,
        audio_fill: float | None = None,
        audio_depth: float | None = None,
        non_blocking: bool = True,
    ) -> None:
        super().__init__(non_blocking)
        if (audio_mean is None) != (audio_std is None):
            raise ConfigError(f'audio_mean={audio_mean}, audio_std={audio_std}; give both or none')
        self.crop_size = crop_size
        self.image_size = image_size
        self.patch_rows = patch_rows
        self.audio_fill = audio_fill
        self.audio_depth = audio_depth
        self.audio_from_corpus = audio_mean is None
        self.register_buffer('face_mean', torch.tensor(face_mean, dtype=torch.float32).reshape(-1), persistent=False)
        self.register_buffer('face_std', torch.tensor(face_std, dtype=torch.float32).reshape(-1), persistent=False)
        self.register_buffer('audio_mean', torch.tensor(0.0 if audio_mean is None else float(audio_mean)))
        self.register_buffer('audio_std', torch.tensor(1.0 if audio_std is None else float(audio_std)))

    def set_audio_statistics(self, mean: float, std: float) -> None:
        """Take over mean and standard deviation of a corpus' log-mel values, unless the config gave its own."""
        if self.audio_from_corpus:
            self.audio_mean.fill_(mean)
            self.audio_std.fill_(std)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Prepare a batch.

        Args:
            data: ``inputs`` as :func:`mmaffect.datasets.collate_windows` makes them, stacked or as lists, and
                ``data_samples``.
            training: not used: crop and flip were drawn with the window.

        Returns:
            dict with ``data_samples`` and ``inputs``, which holds for each modality of the batch a mask
            ``visual_mask``, ``audio_mask`` ``(B, L)`` bool, and

            - ``visual``: faces ``(B, L, C, S, S)``, clips ``(B, L, C, T, S, S)`` or features ``(B, L, d)``, float32;
            - ``audio``: patches ``(B, L, 1, P, n_mels)`` or features ``(B, L, d)``, float32, or :class:`Waveforms`;
            - further streams of cached features under their names, ``(B, L, d)``, float32.

        Raises:
            ConfigError: if the faces have another number of channels than ``face_mean``.
        """
        inputs = data['inputs']
        if isinstance(next(iter(inputs.values())), (list, tuple)):
            windows = zip(*inputs.values(), strict=True)
            inputs = stack_windows([dict(zip(inputs, window, strict=True)) for window in windows])
        crop, flip = inputs.get('crop'), inputs.get('flip')
        inputs = self.cast_data({key: value for key, value in inputs.items() if key not in ('crop', 'flip')})
        out = {key: value for key, value in inputs.items() if key.endswith('_mask')}
        out |= {key.removesuffix('_features'): x.float() for key, x in inputs.items() if key.endswith('_features')}
        if 'faces' in inputs:
            out['visual'] = self._visual(inputs, crop, flip)
        if 'waveform' in inputs:
            out['audio'] = Waveforms(inputs['waveform'].float() / 32768, inputs['sample'])
        elif 'logmel' in inputs:
            out['audio'] = self._patches(inputs)
        return {'inputs': out, 'data_samples': data.get('data_samples')}

    def _visual(self, inputs: dict[str, Tensor], crop: Tensor, flip: Tensor) -> Tensor:
        channels = inputs['faces'].shape[-1]
        if len(self.face_mean) not in (1, channels):
            raise ConfigError(f'face_mean has {len(self.face_mean)} values, the faces have {channels} channels')
        faces = crop_faces(inputs['faces'], crop, flip, self.crop_size, self.face_mean, self.face_std)
        if self.image_size not in (None, self.crop_size):
            size = (self.image_size, self.image_size)
            scaled = F.interpolate(faces.flatten(0, 1), size, mode='bilinear', align_corners=False, antialias=True)
            faces = scaled.unflatten(0, faces.shape[:2])
        return cut_clips(faces, inputs['clip_index']) if 'clip_index' in inputs else faces

    def _patches(self, inputs: dict[str, Tensor]) -> Tensor:
        fill = None if self.audio_fill is None else (self.audio_fill - self.audio_mean) / self.audio_std
        depth = None if self.audio_depth is None else self.audio_depth / self.audio_std
        logmel = (inputs['logmel'].float() - self.audio_mean) / self.audio_std
        return cut_patches(logmel, inputs['num_rows'], inputs['patch_start'], self.patch_rows, fill, depth)
