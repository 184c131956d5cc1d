"""GRJCA as its authors released it, flat and hierarchical.

Praveen, Alam, "Handling Weak Complementary Relationships for Audio-Visual Emotion Recognition", arXiv 2503.12261; later
"United we stand, Divided we fall", CVPR Workshops 2025. :class:`GRJCA` has the equations, this file what the code does.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from ...errors import ConfigError
from ...registry import MODELS
from ...utils.checks import check_temperature
from .base import FusionNeck
from .functional import xavier_
from .grjca import Gates, mix
from .released_joint_attention import ReleasedJointAttention


@MODELS.register_module()
class ReleasedGRJCA(FusionNeck):
    """Gated recursive joint cross-attention, in the released form; the output is **visual first**.

    ``X^0`` are the L2-normalised features, ``X^1 .. X^M`` those that :class:`ReleasedJointAttention` attends, one
    iteration after the other. Every gate is ``softmax((X W + b) / T)`` and every mix ends in ReLU:

    - ``'flat'`` (released as GRJCA): one gate a modality, computed from ``X^M``, mixes ``X^0, X^1, .., X^M``;
    - ``'hierarchical'`` (released as HGRJCA, the paper's "gating + stage gating"): the gate of iteration t, computed
      from ``X^t``, mixes ``X^0, .., X^t``; the stage gate, computed from ``X^M``, mixes what the M gates gave.

    Unlike the paper, the second gate of two is 3-way (the input stays a candidate), gates have biases, and the block is
    that of the released code. Column 0 is always the earliest candidate.

    Weights: ``attention.layers.{t}.*`` (stream 0 visual, 1 audio); flat ``gate.{visual,audio}``; hierarchical
    ``gates.{t}.{visual,audio}`` and ``stage_gate.{visual,audio}``.

    Args:
        audio_channels: d_a, length of an audio feature.
        visual_channels: d_v, length of a visual feature.
        seq_len: L, frames of a window.
        gating: which of the two.
        num_iters: M, number of iterations; 2 in the released code.
        dropout: inside the attention.
        temperature: T of every gate.
        normalize: L2-normalise each frame's features first.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: if a size or ``num_iters`` is not an integer of at least 1, ``dropout`` is not in [0, 1),
            ``temperature`` is not positive or ``gating`` is another word.

    Examples:
        >>> neck = ReleasedGRJCA(audio_channels=8, visual_channels=16, seq_len=30, gating='hierarchical')
        >>> neck(torch.randn(2, 30, 8), torch.randn(2, 30, 16)).shape
        torch.Size([2, 30, 24])
    """

    def __init__(
        self,
        audio_channels: int,
        visual_channels: int,
        seq_len: int,
        gating: Literal['flat', 'hierarchical'] = 'flat',
        num_iters: int = 2,
        dropout: float = 0.6,
        temperature: float = 0.1,
        normalize: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(audio_channels, visual_channels, seq_len, normalize, init_cfg)
        if gating not in ('flat', 'hierarchical'):
            raise ConfigError(f"ReleasedGRJCA: gating={gating!r}; expected 'flat' or 'hierarchical'")
        check_temperature('ReleasedGRJCA', temperature)
        self.gating = gating
        self.temperature = temperature
        self.out_channels = visual_channels + audio_channels
        self.attention = ReleasedJointAttention((visual_channels, audio_channels), seq_len, num_iters, dropout)
        if gating == 'flat':
            self.gate = self._gate(num_iters + 1)
        else:
            self.gates = nn.ModuleList(self._gate(t + 1) for t in range(1, num_iters + 1))
            self.stage_gate = self._gate(num_iters)

    def forward(
        self,
        audio: Tensor,
        visual: Tensor,
        audio_mask: Tensor | None = None,
        visual_mask: Tensor | None = None,
        return_gates: bool = False,
    ) -> Tensor | tuple[Tensor, Gates]:
        """Fuse ``(B, L, d_a)`` and ``(B, L, d_v)`` to ``(B, L, d_v + d_a)``, visual first.

        Args:
            audio: ``(B, L, d_a)``.
            visual: ``(B, L, d_v)``.
            audio_mask: ``(B, L)`` bool, frames that have sound.
            visual_mask: ``(B, L)`` bool, frames that have a picture.
            return_gates: also return the :class:`Gates`: hierarchical, ``(B, L, t + 1)`` for iteration t and
                ``(B, L, M)`` for the stage; flat, no iteration gates and ``(B, L, M + 1)`` for the stage.
        """
        audio, visual = self.prepare(audio, visual, audio_mask, visual_mask)
        visuals, audios = zip(*self.attention([visual, audio]), strict=True)
        X_v, G_v, S_v = self._gated('visual', list(visuals))
        X_a, G_a, S_a = self._gated('audio', list(audios))
        fused = torch.cat((X_v, X_a), dim=-1)
        if not return_gates:
            return fused
        return fused, Gates(G_a, G_v, S_a, S_v, first_stage=0 if self.gating == 'flat' else 1)

    def _gate(self, choices: int) -> nn.ModuleDict:
        gate = nn.ModuleDict(
            {'visual': nn.Linear(self.visual_channels, choices), 'audio': nn.Linear(self.audio_channels, choices)}
        )
        xavier_(gate)
        return gate

    def _gated(self, stream: str, X: list[Tensor]) -> tuple[Tensor, list[Tensor], Tensor]:
        if self.gating == 'flat':
            shares = self._shares(self.gate[stream](X[-1]))
            return mix(X, shares), [], shares
        G = [self._shares(gate[stream](x)) for gate, x in zip(self.gates, X[1:], strict=True)]
        gated = [mix(X[: t + 2], shares) for t, shares in enumerate(G)]
        stage = self._shares(self.stage_gate[stream](X[-1]))
        return mix(gated, stage), G, stage

    def _shares(self, scores: Tensor) -> Tensor:
        return torch.softmax(scores / self.temperature, dim=-1)
