"""Temporal convolutional network.

Bai et al., "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence Modeling", 2018,
with LeakyReLU, as Zhang et al., ICCVW 2021, use it.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from ...errors import ConfigError
from ...registry import MODELS
from ...utils.checks import check_dropout, check_size


class TemporalBlock(nn.Module):
    """Two causal dilated convolutions with weight normalisation, and a residual connection.

    Args:
        in_channels: channels of the input.
        channels: channels of the output.
        kernel_size: taps of a convolution.
        dilation: distance of two taps, frames.
        dropout: after each convolution.
    """

    def __init__(self, in_channels: int, channels: int, kernel_size: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.padding = (kernel_size - 1) * dilation
        self.conv1 = weight_norm(nn.Conv1d(in_channels, channels, kernel_size, dilation=dilation))
        self.conv2 = weight_norm(nn.Conv1d(channels, channels, kernel_size, dilation=dilation))
        self.dropout = nn.Dropout(dropout)
        self.downsample = nn.Conv1d(in_channels, channels, 1) if in_channels != channels else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for conv in (self.conv1, self.conv2):
            # Padding before the first frame only: a frame never sees a later one.
            y = self.dropout(F.leaky_relu(conv(F.pad(y, (self.padding, 0)))))
        return F.leaky_relu(y + self.downsample(x))


@MODELS.register_module()
class TemporalConvNet(BaseModule):
    """Causal temporal convolutional network on ``(B, L, C)``.

    Dilations double from level to level; four levels with 5 taps see 121 frames.

    Args:
        in_channels: channels of the input.
        channels: width of each level.
        kernel_size: taps of a convolution.
        dropout: after each convolution.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: if ``channels`` is empty, a size below 1 or a dropout outside [0, 1).
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int],
        kernel_size: int = 5,
        dropout: float = 0.1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not channels:
            raise ConfigError('channels is empty; TemporalConvNet needs at least one level')
        for width in (in_channels, *channels):
            check_size('TemporalConvNet', 'channels', width)
        check_size('TemporalConvNet', 'kernel_size', kernel_size)
        check_dropout('TemporalConvNet', dropout)
        self.in_channels = in_channels
        self.out_channels = channels[-1]
        self.receptive_field = 1 + 2 * (kernel_size - 1) * (2 ** len(channels) - 1)
        widths = [in_channels, *channels]
        self.levels = nn.Sequential(
            *(TemporalBlock(widths[i], widths[i + 1], kernel_size, 2**i, dropout) for i in range(len(channels)))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Filter a sequence.

        Args:
            x: ``(B, L, in_channels)``.

        Returns:
            ``(B, L, channels[-1])``.
        """
        return self.levels(x.transpose(1, 2)).transpose(1, 2)
