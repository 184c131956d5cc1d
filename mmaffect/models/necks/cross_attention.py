"""Cross-attention between audio and visual frames.

Praveen, Granger, Cardinal, "Cross Attentional Audio-Visual Fusion for Dimensional Emotion Recognition", FG 2021.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from ...errors import ConfigError
from ...registry import MODELS
from .base import FusionNeck
from .functional import masked_softmax


def cross_attention(
    X_a: Tensor, X_v: Tensor, W: Tensor, audio_mask: Tensor | None = None, visual_mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Attend each modality to its own frames by their correlation with the other's.

    ``C = X_a W X_v^T`` has a row for each audio frame and a column for each visual frame. Column j of C, softmax over
    the **audio** frames, weighs the audio frames for frame j; row i, softmax over the **visual** frames, weighs the
    visual frames for frame i.

    Args:
        X_a: ``(B, L, d_a)``.
        X_v: ``(B, L, d_v)``.
        W: ``(d_a, d_v)``.
        audio_mask: ``(B, L)`` bool, audio frames that may get weight; all, if ``None``.
        visual_mask: ``(B, L)`` bool, the same for visual frames.

    Returns:
        Attended audio features ``(B, L, d_a)`` and visual features ``(B, L, d_v)``.
    """
    C = X_a @ W @ X_v.mT  # (B, L, L)
    A_a = masked_softmax(C, 1, None if audio_mask is None else audio_mask.unsqueeze(2))
    A_v = masked_softmax(C, 2, None if visual_mask is None else visual_mask.unsqueeze(1))
    return A_a.mT @ X_a, A_v @ X_v


@MODELS.register_module()
class CrossAttention(FusionNeck):
    """Cross-attention, frame by frame; windows of any length.

    The default concatenates ``tanh(X_m + attended X_m)`` of both modalities, audio first. It was not compared with the
    paper's own equations: comments in the authors' JCA code form the same sums, but take the tanh of the attended
    features alone. Their released code of this paper, for RECOLA, is ``combine='sum', residual=False``: it adds the
    attended audio and visual features alone, takes the maximum over the frames of a short window and predicts once a
    window through a network of its own. Here nothing is pooled: every frame keeps its features, and the head predicts
    for each.

    Weights: ``W (d_a, d_v)``, Xavier-normal as in the released code, no bias.

    Args:
        audio_channels: d_a, length of an audio feature.
        visual_channels: d_v, length of a visual feature.
        normalize: L2-normalise each frame's features first; the released code does.
        combine: ``'concat'``: ``d_a + d_v`` channels, audio first; ``'sum'``: ``d_a = d_v`` channels.
        residual: add the attended to the unattended features and take the tanh.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: if a width is not an integer of at least 1, ``combine`` is another word, or widths to be summed
            differ.
    """

    def __init__(
        self,
        audio_channels: int,
        visual_channels: int,
        normalize: bool = False,
        combine: Literal['concat', 'sum'] = 'concat',
        residual: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(audio_channels, visual_channels, None, normalize, init_cfg)
        if combine not in ('concat', 'sum'):
            raise ConfigError(f"CrossAttention: combine={combine!r}; expected 'concat' or 'sum'")
        if combine == 'sum' and audio_channels != visual_channels:
            raise ConfigError(
                f"CrossAttention: combine='sum' with audio_channels={audio_channels}, "
                f'visual_channels={visual_channels}; expected equal widths'
            )
        self.combine = combine
        self.residual = residual
        self.out_channels = audio_channels + (visual_channels if combine == 'concat' else 0)
        self.W = nn.Parameter(torch.empty(audio_channels, visual_channels))
        nn.init.xavier_normal_(self.W)

    def forward(
        self,
        audio: Tensor,
        visual: Tensor,
        audio_mask: Tensor | None = None,
        visual_mask: Tensor | None = None,
    ) -> Tensor:
        """Fuse ``(B, L, d_a)`` and ``(B, L, d_v)`` to ``(B, L, out_channels)``.

        Args:
            audio: ``(B, L, d_a)``.
            visual: ``(B, L, d_v)``.
            audio_mask: ``(B, L)`` bool, frames that have sound; the others get no attention.
            visual_mask: ``(B, L)`` bool, frames that have a picture; the others get no attention.
        """
        audio, visual = self.prepare(audio, visual, audio_mask, visual_mask)
        X_a, X_v = cross_attention(audio, visual, self.W, audio_mask, visual_mask)
        if self.residual:
            X_a, X_v = torch.tanh(audio + X_a), torch.tanh(visual + X_v)
        return X_a + X_v if self.combine == 'sum' else torch.cat((X_a, X_v), dim=-1)
