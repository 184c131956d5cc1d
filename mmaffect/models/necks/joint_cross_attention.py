"""Joint cross-attention, the block that RJCA and GRJCA repeat: the paper's section 1.3."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def joint_cross_attention(
    X_m: Tensor, J: Tensor, W_jm: Tensor, W_cm: Tensor, W_hm: Tensor, dropout: float = 0.0
) -> Tensor:
    """Attend one modality to the joint features, eq. 2, 4, 6 (audio) or 3, 5, 7 (visual).

    Args:
        X_m: ``(B, L, d_m)``, features of the modality.
        J: ``(B, L, d)``, joint features.
        W_jm: ``(L, L)``.
        W_cm: ``(d_m, d_m)``.
        W_hm: ``(d, d_m)``.
        dropout: probability of zeroing an element of what is added to ``X_m``; 0 for none.

    Returns:
        ``(B, L, d_m)``, the attended features.
    """
    C_m = torch.tanh(X_m.mT @ (W_jm @ J) / J.shape[-1] ** 0.5)  # eq. 2, 3: (B, d_m, d)
    H_m = F.relu(X_m @ W_cm @ C_m)  # eq. 4, 5: (B, L, d)
    return F.dropout(H_m @ W_hm, dropout, training=dropout > 0) + X_m  # eq. 6-9


class JointCrossAttention(nn.Module):
    """One iteration for both modalities; weights in the paper's shapes, Xavier-uniform.

    Args:
        audio_channels: d_a.
        visual_channels: d_v.
        seq_len: L, frames of a window.
        dropout: on what is added to the features, while training.
    """

    def __init__(self, audio_channels: int, visual_channels: int, seq_len: int, dropout: float) -> None:
        super().__init__()
        d = audio_channels + visual_channels
        self.dropout = dropout
        self.W_ja = nn.Parameter(torch.empty(seq_len, seq_len))
        self.W_jv = nn.Parameter(torch.empty(seq_len, seq_len))
        self.W_ca = nn.Parameter(torch.empty(audio_channels, audio_channels))
        self.W_cv = nn.Parameter(torch.empty(visual_channels, visual_channels))
        self.W_ha = nn.Parameter(torch.empty(d, audio_channels))
        self.W_hv = nn.Parameter(torch.empty(d, visual_channels))
        for weight in self.parameters():
            nn.init.xavier_uniform_(weight)

    def forward(self, X_a: Tensor, X_v: Tensor) -> tuple[Tensor, Tensor]:
        """Attend ``X_a`` ``(B, L, d_a)`` and ``X_v`` ``(B, L, d_v)``; the shapes stay."""
        J = torch.cat((X_a, X_v), dim=-1)  # eq. 1
        dropout = self.dropout if self.training else 0.0
        return (
            joint_cross_attention(X_a, J, self.W_ja, self.W_ca, self.W_ha, dropout),
            joint_cross_attention(X_v, J, self.W_jv, self.W_cv, self.W_hv, dropout),
        )
