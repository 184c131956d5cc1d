"""Improved ResNet of ArcFace, for face crops.

Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019, section 3.2.1, in the form of
face.evoLVe (MIT) that Zhang et al., "Continuous Emotion Recognition with Audio-visual Leader-follower Attentive
Fusion", ICCVW 2021, use on 40x40 crops.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...errors import ConfigError
from ...registry import MODELS

UNITS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3), 152: (3, 8, 36, 3)}


class BottleneckIR(nn.Module):
    """Residual unit: BN - 3x3 - PReLU - 3x3 with stride - BN, no activation after the sum.

    Args:
        in_channels: channels of the input.
        channels: channels of the output.
        stride: stride of the second convolution.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        if in_channels == channels:
            self.shortcut = nn.MaxPool2d(1, stride)
        else:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )
        self.residual = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, channels, 3, 1, 1, bias=False),
            nn.PReLU(channels),
            nn.Conv2d(channels, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.residual(x)


@MODELS.register_module()
class IResNet(BaseModule):
    """IR-18/34/50/100/152: ``(N, 3, S, S)`` face crops to ``(N, out_channels)`` unit vectors.

    Args:
        depth: number of layers; chooses the units per stage.
        input_size: side S of the crop, pixels.
        channels: widths of the four stages; the stem has the first.
        strides: strides of the four stages. The first is 1 for 40x40 crops (40, 20, 10, 5) and 2 for the 112x112 of
            face recognition.
        units: units per stage, instead of those of ``depth``.
        out_channels: length of the feature vector.
        dropout: before the output layer.
        normalize: L2-normalise the output.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: for an unknown depth or a crop of another size.
    """

    def __init__(
        self,
        depth: int = 50,
        input_size: int = 40,
        channels: Sequence[int] = (64, 128, 256, 512),
        strides: Sequence[int] = (1, 2, 2, 2),
        units: Sequence[int] | None = None,
        out_channels: int = 512,
        dropout: float = 0.4,
        normalize: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if units is None:
            if depth not in UNITS:
                raise ConfigError(f'depth={depth}; expected one of {sorted(UNITS)}')
            units = UNITS[depth]
        if not len(units) == len(channels) == len(strides):
            raise ConfigError(f'units {units}, channels {channels} and strides {strides} differ in length')
        self.input_size = input_size
        self.out_channels = out_channels
        self.normalize = normalize

        width, side = channels[0], input_size
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width))
        self.stages = nn.ModuleList()
        for count, out_width, stride in zip(units, channels, strides, strict=True):
            blocks = [BottleneckIR(width, out_width, stride)]
            blocks += [BottleneckIR(out_width, out_width, 1) for _ in range(count - 1)]
            self.stages.append(nn.Sequential(*blocks))
            width, side = out_width, -(-side // stride)
        self.output = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.Dropout(dropout),
            nn.Flatten(),
            nn.Linear(width * side * side, out_channels),
            nn.BatchNorm1d(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Embed face crops.

        Args:
            x: ``(N, 3, S, S)``, RGB, normalised to [-1, 1].

        Returns:
            ``(N, out_channels)``.

        Raises:
            ConfigError: if the crops are not ``input_size`` pixels.
        """
        if x.shape[-2:] != (self.input_size, self.input_size):
            raise ConfigError(f'crop of {tuple(x.shape[-2:])} pixels; expected input_size={self.input_size}')
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        x = self.output(x)
        return F.normalize(x, dim=-1) if self.normalize else x
