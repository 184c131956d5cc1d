"""VGGish, for log-mel patches.

Hershey et al., "CNN architectures for large-scale audio classification", ICASSP 2017; sizes as in torchvggish
(Apache-2.0), without the PCA and without the last ReLU (as Zhang et al., ICCVW 2021, use it).
"""

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from ...errors import ConfigError
from ...registry import MODELS


@MODELS.register_module()
class VGGish(BaseModule):
    """VGGish: ``(N, 1, P, n_mels)`` log-mel patches to ``(N, out_channels)``.

    Args:
        channels: widths of the six convolutions; the feature map is halved after the 1st, 2nd, 4th and 6th.
        hidden: width of the two hidden linear layers.
        out_channels: length of the feature vector.
        patch_rows: rows P of a patch; 96 (VGGish's own) and 107 (the paper's) both give 6 rows after pooling.
        n_mels: mel bands of a patch.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: if there are not six widths.
    """

    def __init__(
        self,
        channels: Sequence[int] = (64, 128, 256, 256, 512, 512),
        hidden: int = 4096,
        out_channels: int = 128,
        patch_rows: int = 107,
        n_mels: int = 64,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(channels) != 6:
            raise ConfigError(f'channels={tuple(channels)}; VGGish has 6 convolutions')
        self.out_channels = out_channels
        self.patch_shape = (patch_rows, n_mels)
        layers, width = [], 1
        for i, out_width in enumerate(channels):
            layers += [nn.Conv2d(width, out_width, 3, padding=1), nn.ReLU(inplace=True)]
            if i in (0, 1, 3, 5):
                layers.append(nn.MaxPool2d(2))
            width = out_width
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(width * (patch_rows // 16) * (n_mels // 16), hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Embed log-mel patches.

        Args:
            x: ``(N, 1, P, n_mels)``.

        Returns:
            ``(N, out_channels)``.

        Raises:
            ConfigError: if the patches are of another shape.
        """
        if tuple(x.shape[-2:]) != self.patch_shape:
            raise ConfigError(f'patch of {tuple(x.shape[-2:])} rows and bands; this VGGish expects {self.patch_shape}')
        x = self.features(x)
        # The published weights expect the channel to vary fastest.
        return self.embeddings(x.permute(0, 2, 3, 1).flatten(1))
