"""Joint cross-attention in the low-rank form of its released code.

Praveen et al., "A Joint Cross-Attention Model for Audio-Visual Fusion in Dimensional Emotion Recognition", CVPR
Workshops 2022.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...registry import MODELS
from ...utils.checks import check_size
from .base import FusionNeck


def low_rank_joint_attention(E_m: Tensor, J: Tensor, W_jm: Tensor, W_cm: Tensor, W_m: Tensor, W_hm: Tensor) -> Tensor:
    """Attend one modality to the joint features through maps of rank k.

    Args:
        E_m: ``(B, L, e)``, encoded features of the modality.
        J: ``(B, L, d)``, encoded features of all, d = 2 e.
        W_jm: ``(L, L)``.
        W_cm: ``(d, k)``.
        W_m: ``(L, k)``.
        W_hm: ``(k, L)``.

    Returns:
        ``(B, L, e)``, the attended features.
    """
    C_m = torch.tanh(E_m.mT @ (W_jm @ J) / J.shape[-1] ** 0.5)  # (B, e, d)
    H_m = F.relu(C_m @ W_cm + E_m.mT @ W_m)  # (B, e, k)
    return (H_m @ W_hm).mT + E_m


class LowRankWeights(nn.Module):
    """Weights of one modality: ``W_j (L, L)``, ``W_c (d, k)``, ``W (L, k)``, ``W_h (k, L)``, Xavier-uniform."""

    def __init__(self, seq_len: int, joint_channels: int, rank: int) -> None:
        super().__init__()
        self.W_j = nn.Parameter(torch.empty(seq_len, seq_len))
        self.W_c = nn.Parameter(torch.empty(joint_channels, rank))
        self.W = nn.Parameter(torch.empty(seq_len, rank))
        self.W_h = nn.Parameter(torch.empty(rank, seq_len))
        for weight in self.parameters():
            nn.init.xavier_uniform_(weight)

    def forward(self, E_m: Tensor, J: Tensor) -> Tensor:
        """Attend ``(B, L, e)`` to ``(B, L, d)``; the shape stays."""
        return low_rank_joint_attention(E_m, J, self.W_j, self.W_c, self.W, self.W_h)


@MODELS.register_module()
class LowRankJCA(FusionNeck):
    """Joint cross-attention of encoded features through maps of low rank: JCA as released.

    The paper's form, with maps of full rank, is :class:`RJCA` with one iteration. The output is the attended audio and
    the attended visual features, audio first. The first release fed its head the raw and the attended visual features
    and left the attended audio out; that head is not carried.

    Weights: ``encoder.{audio,visual}``, affine, and ``attention.{audio,visual}.W_j W_c W W_h``; as released, only the
    encoders have a bias. The attention starts Xavier-uniform, the released code's at PyTorch's start.

    Args:
        audio_channels: d_a, length of an audio feature.
        visual_channels: d_v, length of a visual feature.
        seq_len: L, frames of a window; 8 clips in the released code.
        encoded: e, length of an encoded feature.
        rank: k.
        normalize: L2-normalise each frame's features first.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: if a size is not an integer of at least 1.
    """

    def __init__(
        self,
        audio_channels: int,
        visual_channels: int,
        seq_len: int,
        encoded: int = 128,
        rank: int = 32,
        normalize: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(audio_channels, visual_channels, seq_len, normalize, init_cfg)
        for name, value in (('seq_len', seq_len), ('encoded', encoded), ('rank', rank)):
            check_size('LowRankJCA', name, value)
        self.out_channels = 2 * encoded
        self.encoder = nn.ModuleDict(
            {'audio': nn.Linear(audio_channels, encoded), 'visual': nn.Linear(visual_channels, encoded)}
        )
        self.attention = nn.ModuleDict(
            {stream: LowRankWeights(seq_len, 2 * encoded, rank) for stream in ('audio', 'visual')}
        )

    def forward(
        self,
        audio: Tensor,
        visual: Tensor,
        audio_mask: Tensor | None = None,
        visual_mask: Tensor | None = None,
    ) -> Tensor:
        """Fuse ``(B, L, d_a)`` and ``(B, L, d_v)`` to ``(B, L, 2 e)``, audio first; masks as in :class:`FusionNeck`."""
        audio, visual = self.prepare(audio, visual, audio_mask, visual_mask)
        E_a, E_v = self.encoder['audio'](audio), self.encoder['visual'](visual)
        J = torch.cat((E_a, E_v), dim=-1)
        return torch.cat((self.attention['audio'](E_a, J), self.attention['visual'](E_v, J)), dim=-1)
