"""The audio stream of backbones that take waveforms."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ...registry import MODELS
from ..preprocessors import Waveforms
from .stream import Stream


def interpolate_at(features: Tensor, positions: Tensor) -> Tensor:
    """Linear interpolation between the features of a sequence.

    Args:
        features: ``(B, T, d)``.
        positions: ``(B, L)`` float, 0 at the first feature; beyond both ends the outermost is taken.

    Returns:
        ``(B, L, d)``.
    """
    positions = positions.clamp(0, features.shape[1] - 1)
    left = positions.floor().long()
    right = (left + 1).clamp(max=features.shape[1] - 1)
    share = (positions - left).unsqueeze(-1).to(features.dtype)

    def pick(index: Tensor) -> Tensor:
        return features.gather(1, index.unsqueeze(-1).expand(-1, -1, features.shape[2]))

    return torch.lerp(pick(left), pick(right), share)


@MODELS.register_module()
class WaveformStream(Stream):
    """Audio stream from the sound itself: a backbone on the whole window, its features interpolated at every frame.

    Args:
        backbone: config of a network from ``(B, S)`` samples to ``(B, T, C)``, such as
            :class:`TorchaudioBackbone`: it has ``sample_rate`` in Hz, ``hop`` between two features and
            ``receptive_field`` of one in samples, and ``first_time``, the centre of the first in seconds.
        temporal: as in :class:`Stream`.
        batch_norm: as in :class:`Stream`.
        init_cfg: as in MMEngine.
    """

    def __init__(
        self, backbone: dict, temporal: dict | None = None, batch_norm: bool = False, init_cfg: dict | None = None
    ) -> None:
        super().__init__(backbone, temporal, batch_norm, init_cfg=init_cfg)

    def embed(self, x: Waveforms) -> Tensor:
        """Features of every frame, ``(B, L, in_channels)``."""
        # Windows without any sound have no samples at all.
        short = max(0, self.backbone.receptive_field - x.samples.shape[1])
        features = self.backbone(F.pad(x.samples, (0, short)))
        first = self.backbone.first_time * self.backbone.sample_rate
        return interpolate_at(features, (x.positions - first) / self.backbone.hop)
