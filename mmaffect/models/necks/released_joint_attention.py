"""The co-attention block of the released RJCA, GRJCA and RJCMA code, for any number of streams.

It is not the block of the papers' equations (:mod:`.joint_cross_attention`): the joint features go through a projection
of their own, the attention maps through another tanh, the update through ReLU, and every map has a bias.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import ConfigError
from ...utils.checks import check_dropout, check_size
from .functional import xavier_


def released_joint_attention(
    X_m: Tensor,
    joint: Tensor,
    key: Callable[[Tensor], Tensor],
    value: Callable[[Tensor], Tensor],
    update: Callable[[Tensor], Tensor],
    dropout: float = 0.0,
) -> Tensor:
    """Attend one stream to the joint features, as in the released code.

    Args:
        X_m: ``(B, L, d_m)``, features of the stream.
        joint: ``(B, L, d)``, joint features, projected or not.
        key: affine map of L frames to L frames, W_jm of eq. 2.
        value: affine map of d_m to d_m channels, W_cm of eq. 4.
        update: affine map of d to d_m channels, W_hm of eq. 6.
        dropout: probability of zeroing an element of the correlations and of the update; 0 for none.

    Returns:
        ``(B, L, d_m)``, the attended features.
    """
    C_m = torch.tanh(key(X_m.mT) @ joint / joint.shape[-1] ** 0.5)  # (B, d_m, d)
    C_m = F.dropout(C_m, dropout, training=dropout > 0)
    H_m = F.relu(torch.tanh(value(X_m) @ C_m))  # (B, L, d)
    return X_m + F.dropout(F.relu(update(H_m)), dropout, training=dropout > 0)


class ReleasedJointAttentionLayer(nn.Module):
    """One iteration for all streams at once; affine maps start Xavier-uniform with zero biases.

    Args:
        channels: d_m of every stream, in the order of the joint features.
        seq_len: L, frames of a window.
        dropout: on the correlations and on the update, while training.
        query: project the joint features first.
    """

    def __init__(self, channels: Sequence[int], seq_len: int, dropout: float, query: bool) -> None:
        super().__init__()
        d = sum(channels)
        self.dropout = dropout
        self.query = nn.Linear(d, d) if query else nn.Identity()
        self.keys = nn.ModuleList(nn.Linear(seq_len, seq_len) for _ in channels)
        self.values = nn.ModuleList(nn.Linear(d_m, d_m) for d_m in channels)
        self.updates = nn.ModuleList(nn.Linear(d, d_m) for d_m in channels)
        xavier_(self)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Attend ``(B, L, d_m)`` of every stream; the shapes stay."""
        joint = self.query(torch.cat(list(features), dim=-1))
        dropout = self.dropout if self.training else 0.0
        maps = zip(features, self.keys, self.values, self.updates, strict=True)
        return [released_joint_attention(X_m, joint, key, value, update, dropout) for X_m, key, value, update in maps]


class ReleasedJointAttention(nn.Module):
    """The block, repeated.

    Weights are not shared between iterations: ``layers.{t}.query keys.{m} values.{m} updates.{m}``, m the stream.

    Args:
        channels: d_m of every stream, in the order of the joint features; the released GRJCA has the visual stream
            first.
        seq_len: L, frames of a window; the weights fit no other length.
        num_iters: number of iterations.
        dropout: on the correlations and on the update, while training.
        query: project the joint features first. The released RJCMA computes the projection and then attends to the raw
            joint features; ``False`` leaves it out.

    Raises:
        ConfigError: if there is no stream, a size or ``num_iters`` is not an integer of at least 1, or ``dropout`` is
            not in [0, 1).
    """

    def __init__(
        self, channels: Sequence[int], seq_len: int, num_iters: int = 2, dropout: float = 0.6, query: bool = True
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        if not isinstance(channels, Sequence) or not channels:
            raise ConfigError(f'{owner}: channels={channels!r}; expected a width for each stream')
        for m, d_m in enumerate(channels):
            check_size(owner, f'channels[{m}]', d_m)
        check_size(owner, 'seq_len', seq_len)
        check_size(owner, 'num_iters', num_iters)
        check_dropout(owner, dropout)
        self.layers = nn.ModuleList(
            ReleasedJointAttentionLayer(channels, seq_len, dropout, query) for _ in range(num_iters)
        )

    def forward(self, features: Sequence[Tensor]) -> list[list[Tensor]]:
        """Attend ``(B, L, d_m)`` of every stream, again and again.

        Returns:
            Features of every iteration, stream by stream; entry 0 is the input.
        """
        iterations = [list(features)]
        for layer in self.layers:
            iterations.append(layer(iterations[-1]))
        return iterations
