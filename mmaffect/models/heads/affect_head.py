"""Regression of valence and arousal from fused features."""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...errors import ConfigError
from ...registry import MODELS
from ...structures import AFFECT
from ...utils.checks import check_dropout, check_size


@MODELS.register_module()
class AffectHead(BaseModule):
    """Multi-layer perceptron with tanh: ``(B, L, in_channels)`` to valence and arousal in [-1, 1].

    Args:
        in_channels: length of a fused feature.
        hidden: width of the hidden layer; ``None``: no hidden layer (Kuhnke, LFAN).
        targets: ``('valence', 'arousal')``, or one of them for a model per target.
        dropout: before each linear layer (the paper: 0.8).
        batch_norm: BatchNorm1d after the first of two linear layers (released GRJCA code).
        tanh: bound the predictions; without it they are cut to [-1, 1] when they are reported, not in the loss.
        loss: config of the loss.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: for a size below 1, a dropout outside [0, 1), an unknown target, or ``batch_norm`` without a
            hidden layer.
    """

    def __init__(
        self,
        in_channels: int,
        hidden: int | None = 256,
        targets: Sequence[str] = AFFECT,
        dropout: float = 0.8,
        batch_norm: bool = False,
        tanh: bool = True,
        loss: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        check_size('AffectHead', 'in_channels', in_channels)
        if hidden is not None:
            check_size('AffectHead', 'hidden', hidden)
        check_dropout('AffectHead', dropout)
        if not targets or any(target not in AFFECT for target in targets):
            raise ConfigError(f'AffectHead: targets={tuple(targets)}; expected one or both of {AFFECT}')
        if batch_norm and hidden is None:
            raise ConfigError('AffectHead: batch_norm=True, hidden=None; BatchNorm1d follows the hidden layer')
        self.in_channels = in_channels
        self.targets = tuple(targets)
        self.tanh = tanh
        self.dropout = nn.Dropout(dropout)
        self.fc1 = None if hidden is None else nn.Linear(in_channels, hidden)
        self.norm = nn.BatchNorm1d(hidden) if batch_norm else nn.Identity()
        self.fc2 = nn.Linear(in_channels if hidden is None else hidden, len(self.targets))
        self.loss_module = MODELS.build(loss or {'type': 'CCCLoss'})
        self.register_buffer(
            'columns', torch.tensor([AFFECT.index(target) for target in self.targets]), persistent=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """Predict.

        Args:
            x: ``(B, L, in_channels)``.

        Returns:
            ``(B, L, len(targets))``, with tanh in [-1, 1].
        """
        x = self.dropout(x)
        if self.fc1 is not None:
            x = self.fc1(x)
            x = self.norm(x.flatten(0, 1)).unflatten(0, x.shape[:2])
            x = self.dropout(nn.functional.leaky_relu(x))
        x = self.fc2(x)
        return torch.tanh(x) if self.tanh else x

    def loss(self, x: Tensor, target: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Loss of features ``(B, L, in_channels)`` against ``target`` ``(B, L, 2)`` over ``mask`` ``(B, L)``."""
        return {'loss_ccc': self.loss_module(self(x), target.index_select(-1, self.columns), mask)}
