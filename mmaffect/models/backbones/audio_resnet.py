"""ResNet with basic units, for log-mel patches.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, with one input channel, as Kuhnke et al.,
"Two-Stream Aural-Visual Affect Analysis in the Wild", FG 2020, use it; names and shapes of the weights as in
torchvision (BSD-3-Clause).
"""

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...errors import ConfigError
from ...registry import MODELS
from .residual import choose_units, stages, start_convolutions


class BasicUnit(nn.Module):
    """Residual unit of two 3x3 convolutions.

    Args:
        in_channels: channels of the input.
        channels: channels of the output.
        stride: of the first convolution.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        if stride == 1 and in_channels == channels:
            self.downsample = nn.Identity()
        else:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))


@MODELS.register_module()
class AudioResNet(BaseModule):
    """ResNet-18/34: ``(N, 1, P, n_mels)`` log-mel patches to ``(N, channels[-1])``.

    Args:
        depth: number of layers; chooses the units per stage.
        channels: widths of the four stages; the stem has the first.
        units: units per stage, instead of those of ``depth``.
        bands_first: show the network a patch as ``(n_mels, P)``, bands before times, as the published weights expect.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: for an unknown depth, or other than one width for each stage.
    """

    def __init__(
        self,
        depth: int = 18,
        channels: Sequence[int] = (64, 128, 256, 512),
        units: Sequence[int] | None = None,
        bands_first: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        units = choose_units(depth, units, channels)
        self.bands_first = bands_first
        self.out_channels = channels[-1]

        width = channels[0]
        self.conv1 = nn.Conv2d(1, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        for name, stage in stages(BasicUnit, units, channels):
            self.add_module(name, stage)
        start_convolutions(self)

    def forward(self, x: Tensor) -> Tensor:
        """Embed log-mel patches.

        Args:
            x: ``(N, 1, P, n_mels)``; 1001 rows of 64 bands (10 s) in Kuhnke et al.

        Returns:
            ``(N, channels[-1])``, the average over times and bands.

        Raises:
            ConfigError: for another number of dimensions or channels.
        """
        if x.ndim != 4 or x.shape[1] != 1:
            raise ConfigError(f'AudioResNet got {tuple(x.shape)}; expected log-mel patches (N, 1, P, n_mels)')
        if self.bands_first:
            x = x.transpose(2, 3)
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean((2, 3))
