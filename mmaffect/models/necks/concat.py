"""Fusion by concatenation."""

import torch
from torch import Tensor

from ...registry import MODELS
from .base import FusionNeck


@MODELS.register_module()
class ConcatFusion(FusionNeck):
    """Concatenate audio and visual features, audio first; windows of any length.

    Args:
        audio_channels: d_a, length of an audio feature.
        visual_channels: d_v, length of a visual feature.
        normalize: L2-normalise each frame's features first.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: if a width is not an integer of at least 1.
    """

    def __init__(
        self, audio_channels: int, visual_channels: int, normalize: bool = False, init_cfg: dict | None = None
    ) -> None:
        super().__init__(audio_channels, visual_channels, None, normalize, init_cfg)
        self.out_channels = audio_channels + visual_channels

    def forward(
        self,
        audio: Tensor,
        visual: Tensor,
        audio_mask: Tensor | None = None,
        visual_mask: Tensor | None = None,
    ) -> Tensor:
        """Fuse ``(B, L, d_a)`` and ``(B, L, d_v)`` to ``(B, L, d_a + d_v)``; masks as in :class:`FusionNeck`."""
        return torch.cat(self.prepare(audio, visual, audio_mask, visual_mask), dim=-1)
