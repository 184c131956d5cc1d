"""R(2+1)D, for clips.

Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018, section 3.5; names and
shapes of the weights as in torchvision (BSD-3-Clause), whose own class has fixed widths and three channels.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...errors import ConfigError
from ...registry import MODELS
from .residual import choose_units, stages, start_convolutions


class Conv2Plus1D(nn.Sequential):
    """A 3x3 convolution within frames, then one of 3 taps along time.

    Args:
        in_channels: channels of the input.
        mid_channels: channels between the two.
        channels: channels of the output.
        stride: of both, in space and in time.
    """

    def __init__(self, in_channels: int, mid_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv3d(in_channels, mid_channels, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False),
            nn.BatchNorm3d(mid_channels),
            nn.ReLU(inplace=True),
            nn.Conv3d(mid_channels, channels, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False),
        )


class BasicUnit(nn.Module):
    """Residual unit of two (2+1)D convolutions.

    Args:
        in_channels: channels of the input.
        channels: channels of the output.
        stride: of the first convolution, in space and in time.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        # As many parameters as a full 3x3x3 convolution (section 3.5); the second takes the first's, as in torchvision.
        mid = 27 * in_channels * channels // (9 * in_channels + 3 * channels)
        self.conv1 = nn.Sequential(
            Conv2Plus1D(in_channels, mid, channels, stride), nn.BatchNorm3d(channels), nn.ReLU(inplace=True)
        )
        self.conv2 = nn.Sequential(Conv2Plus1D(channels, mid, channels), nn.BatchNorm3d(channels))
        if stride == 1 and in_channels == channels:
            self.downsample = nn.Identity()
        else:
            self.downsample = nn.Sequential(
                nn.Conv3d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm3d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv2(self.conv1(x)) + self.downsample(x))


@MODELS.register_module()
class R2Plus1D(BaseModule):
    """R(2+1)D-18/34: ``(N, in_channels, T, S, S)`` clips to ``(N, channels[-1])``.

    Args:
        depth: number of layers; chooses the units per stage.
        in_channels: 3 for RGB; 4 with the landmark mask of Kuhnke et al., "Two-Stream Aural-Visual Affect Analysis in
            the Wild", FG 2020.
        channels: widths of the four stages; the stem has the first.
        units: units per stage, instead of those of ``depth``.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: for an unknown depth, or other than one width for each stage.
    """

    def __init__(
        self,
        depth: int = 18,
        in_channels: int = 3,
        channels: Sequence[int] = (64, 128, 256, 512),
        units: Sequence[int] | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        units = choose_units(depth, units, channels)
        self.in_channels = in_channels
        self.out_channels = channels[-1]

        width = channels[0]
        # The published stem has 45 for a width of 64.
        mid = max(1, 45 * width // 64)
        self.stem = nn.Sequential(
            nn.Conv3d(in_channels, mid, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
            nn.BatchNorm3d(mid),
            nn.ReLU(inplace=True),
            nn.Conv3d(mid, width, (3, 1, 1), 1, (1, 0, 0), bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(inplace=True),
        )
        for name, stage in stages(BasicUnit, units, channels):
            self.add_module(name, stage)
        start_convolutions(self)

    def forward(self, x: Tensor) -> Tensor:
        """Embed clips.

        Args:
            x: ``(N, in_channels, T, S, S)``; 8 frames of 112x112 pixels in Kuhnke et al.

        Returns:
            ``(N, channels[-1])``, the average over time and space.

        Raises:
            ConfigError: for another number of dimensions or channels.
        """
        if x.ndim != 5 or x.shape[1] != self.in_channels:
            raise ConfigError(f'R2Plus1D got {tuple(x.shape)}; expected clips (N, {self.in_channels}, T, S, S)')
        x = self.stem(x)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean((2, 3, 4))
