"""One modality of an estimator."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...errors import ConfigError
from ...registry import MODELS


@MODELS.register_module()
class Stream(BaseModule):
    """One modality: ``(B, L, ...)`` images, clips, patches or cached features to ``(B, L, out_channels)``.

    Args:
        backbone: config of a network that embeds each frame's image; ``None`` for cached features.
        temporal: config of a network on the sequence ``(B, L, C)``.
        batch_norm: BatchNorm1d after it (LFAN and released GRJCA code).
        in_channels: length d of a cached feature, only without a backbone.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: unless one of ``backbone`` and ``in_channels`` is given, or if ``temporal`` expects another width.
    """

    def __init__(
        self,
        backbone: dict | None = None,
        temporal: dict | None = None,
        batch_norm: bool = False,
        in_channels: int | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if (backbone is None) == (in_channels is None):
            raise ConfigError(f'{type(self).__name__}: in_channels={in_channels}; expected a backbone or in_channels')
        self.backbone = _channels_last(MODELS.build(backbone)) if backbone else None
        self.in_channels = self.backbone.out_channels if backbone else in_channels
        self.temporal = MODELS.build(temporal) if temporal else nn.Identity()
        if (expected := getattr(self.temporal, 'in_channels', self.in_channels)) != self.in_channels:
            raise ConfigError(
                f'{type(self).__name__}: temporal.in_channels={expected}; a frame has {self.in_channels} channels there'
            )
        self.out_channels = self.temporal.out_channels if temporal else self.in_channels
        self.norm = nn.BatchNorm1d(self.out_channels) if batch_norm else nn.Identity()

    def embed(self, x: Tensor) -> Tensor:
        """Features of every frame on its own: ``(B, L, ...)`` to ``(B, L, in_channels)``, what a corpus can cache.

        Raises:
            ConfigError: if cached features are not ``in_channels`` long.
        """
        if self.backbone is not None:
            return self.backbone(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        if x.shape[2:] != (self.in_channels,):
            raise ConfigError(f'features {tuple(x.shape)}; this stream expects (B, L, {self.in_channels})')
        return x

    def integrate(self, x: Tensor) -> Tensor:
        """Features of frames that know their neighbours: ``(B, L, in_channels)`` to ``(B, L, out_channels)``."""
        x = self.temporal(x)
        return self.norm(x.flatten(0, 1)).unflatten(0, x.shape[:2])

    def forward(self, x: Tensor) -> Tensor:
        return self.integrate(self.embed(x))


def _channels_last(backbone: nn.Module) -> nn.Module:
    # Module.to refuses 5-D weights for channels_last and 4-D ones for channels_last_3d.
    ranks = {parameter.ndim for parameter in backbone.parameters()}
    if 5 in ranks:
        return backbone if 4 in ranks else backbone.to(memory_format=torch.channels_last_3d)
    return backbone.to(memory_format=torch.channels_last)
