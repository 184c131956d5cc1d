"""One modality of an estimator."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...registry import MODELS


@MODELS.register_module()
class Stream(BaseModule):
    """One modality: ``(B, L, ...)`` images to ``(B, L, out_channels)`` features.

    Args:
        backbone: config of a network that embeds each frame's image.
        temporal: config of a network on the sequence ``(B, L, C)``.
        batch_norm: BatchNorm1d after it (LFAN and released GRJCA code).
        init_cfg: as in MMEngine.
    """

    def __init__(
        self, backbone: dict, temporal: dict | None = None, batch_norm: bool = False, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.backbone = MODELS.build(backbone).to(memory_format=torch.channels_last)
        self.temporal = MODELS.build(temporal) if temporal else nn.Identity()
        self.out_channels = (self.temporal if temporal else self.backbone).out_channels
        self.norm = nn.BatchNorm1d(self.out_channels) if batch_norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        batch = x.shape[:2]
        x = self.backbone(x.flatten(0, 1))
        x = self.temporal(x.unflatten(0, batch))
        return self.norm(x.flatten(0, 1)).unflatten(0, batch)
