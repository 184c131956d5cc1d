"""Recursive joint cross-modal attention over any number of streams, as released.

Praveen, Alam, "Recursive Joint Cross-Modal Attention for Multimodal Fusion in Dimensional Emotion Recognition", CVPR
Workshops 2024.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from ...errors import ConfigError
from ...registry import MODELS
from .released_joint_attention import ReleasedJointAttention


@MODELS.register_module()
class ReleasedRJCMA(BaseModule):
    """The block of the released code over visual, audio and text features, or any other streams; no gates.

    The attention is to the raw joint features: the released code projects them and then does not use the result. It
    also leaves its affine maps at PyTorch's start; here they start as those of :class:`ReleasedGRJCA`.

    Args:
        channels: d_m of every stream; ``(256, 128, 128)`` for visual, audio and text in the released code.
        seq_len: L, frames of a window.
        num_iters: number of iterations.
        dropout: inside the attention.
        normalize: L2-normalise each frame's features first; the released code does not.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: if there is no stream, a size or ``num_iters`` is not an integer of at least 1, or ``dropout`` is
            not in [0, 1).

    Examples:
        >>> neck = ReleasedRJCMA(channels=(16, 8, 8), seq_len=30)
        >>> visual, audio, text = (torch.randn(2, 30, d) for d in (16, 8, 8))
        >>> neck(visual, audio, text).shape
        torch.Size([2, 30, 32])
    """

    def __init__(
        self,
        channels: Sequence[int],
        seq_len: int,
        num_iters: int = 2,
        dropout: float = 0.6,
        normalize: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.attention = ReleasedJointAttention(channels, seq_len, num_iters, dropout, query=False)
        self.channels = tuple(channels)
        self.seq_len = seq_len
        self.normalize = normalize
        self.out_channels = sum(channels)

    def forward(self, *features: Tensor, masks: Sequence[Tensor | None] | None = None) -> Tensor:
        """Fuse the streams to ``(B, L, sum of d_m)``, in their order.

        Args:
            *features: ``(B, L, d_m)``, one a stream.
            masks: one ``(B, L)`` bool a stream, the frames that it has (``None``: all); frames outside become zero
                vectors.

        Raises:
            ConfigError: if the number of streams or masks or a shape is not as above.
        """
        masks = [None] * len(self.channels) if masks is None else masks
        if not len(features) == len(masks) == len(self.channels):
            raise ConfigError(
                f'ReleasedRJCMA: {len(features)} streams, {len(masks)} masks; expected {len(self.channels)} of each'
            )
        expected = [(len(features[0]), self.seq_len, d_m) for d_m in self.channels]
        if (shapes := [tuple(x.shape) for x in features]) != expected:
            raise ConfigError(f'ReleasedRJCMA: streams of shapes {shapes}; expected {expected}')
        if self.normalize:
            features = [F.normalize(x, dim=-1) for x in features]
        features = [x if mask is None else x * mask.unsqueeze(-1) for x, mask in zip(features, masks, strict=True)]
        return torch.cat(self.attention(features)[-1], dim=-1)
