"""Recursive joint cross-attention.

Praveen, Granger, Cardinal, "Recursive Joint Attention for Audio-Visual Fusion in Regression based Emotion
Recognition", ICASSP 2023, in the form of the GRJCA paper's section 1.3.
"""

import torch
from torch import Tensor, nn

from ...errors import ConfigError
from ...registry import MODELS
from ...utils.checks import check_dropout, check_size
from .base import FusionNeck
from .joint_cross_attention import JointCrossAttention


@MODELS.register_module()
class RJCA(FusionNeck):
    """Joint cross-attention, repeated: eq. 1-9. One iteration is JCA. Output audio first.

    Weights are not shared between iterations; with d = d_a + d_v, ``layers.{t}.W_ja W_jv`` (L, L), ``W_ca`` (d_a, d_a),
    ``W_cv`` (d_v, d_v), ``W_ha`` (d, d_a), ``W_hv`` (d, d_v).

    Args:
        audio_channels: d_a, length of an audio feature.
        visual_channels: d_v, length of a visual feature.
        seq_len: L, frames of a window.
        num_iters: M, number of iterations.
        dropout: on what an iteration adds to the features.
        normalize: L2-normalise each frame's features first (not in the paper; the released code does).
        joint: config of a temporal module on the concatenated attended features ``(B, L, d_a + d_v)``, as the
            :class:`ResidualLSTM` of the released code; ``None`` for none.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: if a size or ``num_iters`` is not an integer of at least 1, ``dropout`` is not in [0, 1), or
            ``joint`` takes features of another length.
    """

    def __init__(
        self,
        audio_channels: int,
        visual_channels: int,
        seq_len: int,
        num_iters: int = 2,
        dropout: float = 0.5,
        normalize: bool = True,
        joint: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(audio_channels, visual_channels, seq_len, normalize, init_cfg)
        owner = type(self).__name__
        check_size(owner, 'seq_len', seq_len)
        check_size(owner, 'num_iters', num_iters)
        check_dropout(owner, dropout)
        self.out_channels = audio_channels + visual_channels
        self.layers = nn.ModuleList(
            JointCrossAttention(audio_channels, visual_channels, seq_len, dropout) for _ in range(num_iters)
        )
        self.joint = nn.Identity()
        if joint:
            if joint.get('in_channels', self.out_channels) != self.out_channels:
                raise ConfigError(
                    f'{owner}: joint with in_channels={joint["in_channels"]}; expected {self.out_channels}'
                )
            self.joint = MODELS.build(joint)
            self.out_channels = self.joint.out_channels

    def recurse(self, X_a: Tensor, X_v: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Attended features of every iteration, eq. 8 and 9; entry 0 is the input."""
        audio, visual = [X_a], [X_v]
        for layer in self.layers:
            X_a, X_v = layer(X_a, X_v)
            audio.append(X_a)
            visual.append(X_v)
        return audio, visual

    def forward(
        self,
        audio: Tensor,
        visual: Tensor,
        audio_mask: Tensor | None = None,
        visual_mask: Tensor | None = None,
    ) -> Tensor:
        """Fuse ``(B, L, d_a)`` and ``(B, L, d_v)`` to ``(B, L, out_channels)``; masks as in :class:`FusionNeck`."""
        audios, visuals = self.recurse(*self.prepare(audio, visual, audio_mask, visual_mask))
        return self.joint(torch.cat((audios[-1], visuals[-1]), dim=-1))
