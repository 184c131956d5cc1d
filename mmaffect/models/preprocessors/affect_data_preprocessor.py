"""Batches of windows to network inputs, on the device."""

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from ...datasets.collate import stack_windows
from ...errors import ConfigError
from ...registry import MODELS


def crop_faces(faces: Tensor, crop: Tensor, flip: Tensor, size: int, mean: float, std: float) -> Tensor:
    """Crop, flip and normalise faces, one place and side a window.

    Args:
        faces: ``(B, L, S, S, 3)`` uint8.
        crop: ``(B, 2)`` int64 on the CPU, top and left of each crop.
        flip: ``(B,)`` bool on the CPU.
        size: side of the crop, pixels.
        mean: subtracted.
        std: divided by.

    Returns:
        ``(B, L, 3, size, size)`` float32; its memory is channels last.
    """
    out = faces.new_empty((*faces.shape[:2], size, size, 3), dtype=torch.float32)
    for window, (top, left), mirrored, target in zip(faces, crop.tolist(), flip.tolist(), out, strict=True):
        part = window[:, top : top + size, left : left + size]
        target.copy_(part.flip(2) if mirrored else part)
    return out.sub_(mean).mul_(1 / std).movedim(-1, 2)


def cut_patches(logmel: Tensor, num_rows: Tensor, patch_start: Tensor, rows: int) -> Tensor:
    """Cut the audio patch of every frame; beyond the recording its first or last row is repeated.

    Args:
        logmel: ``(B, R, n_mels)``.
        num_rows: ``(B,)`` int64, rows that are real.
        patch_start: ``(B, L)`` int64, first row of each patch.
        rows: rows of a patch, P.

    Returns:
        ``(B, L, 1, P, n_mels)``; zeros for a window without any sound.
    """
    batch, total, bands = logmel.shape
    if total == 0:
        return logmel.new_zeros((*patch_start.shape, 1, rows, bands))
    last = (num_rows - 1).clamp(min=0)[:, None, None]
    index = (patch_start[..., None] + torch.arange(rows, device=logmel.device)).clamp(min=0).minimum(last)
    index = index + torch.arange(batch, device=logmel.device)[:, None, None] * total
    return logmel.reshape(-1, bands).index_select(0, index.flatten()).view(*patch_start.shape, 1, rows, bands)


@MODELS.register_module()
class AffectDataPreprocessor(BaseDataPreprocessor):
    """Move, crop, flip and normalise faces, normalise log-mel and cut one patch a frame.

    Data samples stay on the CPU: only the loss needs targets on the device.

    Args:
        crop_size: side of the face crop, pixels.
        patch_rows: rows of an audio patch, P.
        face_mean: subtracted from pixel values.
        face_std: divides them.
        audio_mean: subtracted from log-mel values; ``None``: that of the training corpus, kept in the checkpoint.
        audio_std: divides them; ``None`` likewise.
        non_blocking: copy to the device asynchronously (with pinned memory).

    Raises:
        ConfigError: if only one of ``audio_mean`` and ``audio_std`` is given.
    """

    def __init__(
        self,
        crop_size: int = 40,
        patch_rows: int = 107,
        face_mean: float = 127.5,
        face_std: float = 127.5,
        audio_mean: float | None = None,
        audio_std: float | None = None,
        non_blocking: bool = True,
    ) -> None:
        super().__init__(non_blocking)
        if (audio_mean is None) != (audio_std is None):
            raise ConfigError(f'audio_mean={audio_mean}, audio_std={audio_std}; give both or none')
        self.crop_size = crop_size
        self.patch_rows = patch_rows
        self.face_mean = face_mean
        self.face_std = face_std
        self.audio_from_corpus = audio_mean is None
        self.register_buffer('audio_mean', torch.tensor(0.0 if audio_mean is None else audio_mean))
        self.register_buffer('audio_std', torch.tensor(1.0 if audio_std is None else audio_std))

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
            dict with ``inputs``: ``faces (B, L, 3, C, C)``, ``patches (B, L, 1, P, n_mels)`` float32,
            ``audio_mask``, ``visual_mask (B, L)`` bool; and ``data_samples``.
        """
        inputs = data['inputs']
        if isinstance(inputs['faces'], (list, tuple)):
            windows = zip(*inputs.values(), strict=True)
            inputs = stack_windows([dict(zip(inputs, window, strict=True)) for window in windows])
        crop, flip = inputs['crop'], inputs['flip']
        inputs = self.cast_data({key: value for key, value in inputs.items() if key not in ('crop', 'flip')})
        logmel = (inputs['logmel'].float() - self.audio_mean) / self.audio_std
        return {
            'inputs': {
                'faces': crop_faces(inputs['faces'], crop, flip, self.crop_size, self.face_mean, self.face_std),
                'patches': cut_patches(logmel, inputs['num_rows'], inputs['patch_start'], self.patch_rows),
                'audio_mask': inputs['audio_mask'],
                'visual_mask': inputs['visual_mask'],
            },
            'data_samples': data.get('data_samples'),
        }
