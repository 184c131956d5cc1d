"""Leader-follower attention, in the form of its paper and in the later multi-head form.

Zhang et al., "Continuous Emotion Recognition with Audio-Visual Leader-Follower Attentive Fusion", ICCV Workshops 2021;
the multi-head form is that of the authors' code for the third and fifth ABAW competitions.
"""

import torch
from torch import Tensor, nn

from ...errors import ConfigError
from ...registry import MODELS
from .base import FusionNeck
from .checks import check_dropout, check_size
from .functional import masked_softmax, xavier_


def modality_attention(rows: Tensor, columns: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attend the modalities of one frame to each other: ``softmax(rows columns^T / sqrt(e)) values``.

    Args:
        rows: ``(..., M, e)``, one vector a modality.
        columns: ``(..., M, e)``; the softmax runs over these.
        values: ``(..., M, e)``.
        mask: ``(..., M)`` bool, modalities that may get weight; all, if ``None``.

    Returns:
        ``(..., M, e)``.
    """
    scores = rows @ columns.mT / rows.shape[-1] ** 0.5
    return masked_softmax(scores, -1, None if mask is None else mask.unsqueeze(-2)) @ values


class LeaderFollowerNeck(FusionNeck):
    """What both forms share: leader and followers, concatenated; windows of any length.

    Args:
        audio_channels: d_a, length of an audio feature.
        visual_channels: d_v, length of a visual feature.
        encoded: e, length of an encoded feature.
        normalize: L2-normalise each frame's features first.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: if a size is not an integer of at least 1.
    """

    def __init__(
        self, audio_channels: int, visual_channels: int, encoded: int, normalize: bool, init_cfg: dict | None
    ) -> None:
        super().__init__(audio_channels, visual_channels, None, normalize, init_cfg)
        check_size(type(self).__name__, 'encoded', encoded)
        self.encoded = encoded
        self.out_channels = visual_channels + 2 * encoded

    def follow(self, audio: Tensor, visual: Tensor, mask: Tensor | None) -> Tensor:
        """Followers ``(B, L, 2 e)`` of both modalities; ``mask`` ``(B, L, 2)``, visual first."""
        raise NotImplementedError

    def forward(
        self,
        audio: Tensor,
        visual: Tensor,
        audio_mask: Tensor | None = None,
        visual_mask: Tensor | None = None,
    ) -> Tensor:
        """Fuse ``(B, L, d_a)`` and ``(B, L, d_v)`` to ``(B, L, d_v + 2 e)``, leader first.

        Args:
            audio: ``(B, L, d_a)``.
            visual: ``(B, L, d_v)``.
            audio_mask: ``(B, L)`` bool, frames that have sound; in the others audio gets no attention.
            visual_mask: ``(B, L)`` bool, frames that have a picture; in the others the visual stream gets none.
        """
        audio, visual = self.prepare(audio, visual, audio_mask, visual_mask)
        mask = None
        if audio_mask is not None or visual_mask is not None:
            everywhere = torch.ones(audio.shape[:2], dtype=torch.bool, device=audio.device)
            mask = torch.stack([everywhere if m is None else m for m in (visual_mask, audio_mask)], dim=-1)
        return torch.cat((visual, self.follow(audio, visual, mask)), dim=-1)


@MODELS.register_module()
class LFAN(LeaderFollowerNeck):
    """Leader-follower attention with one head: the paper's form.

    Both modalities attend to each other at each frame, ``softmax(K Q^T / sqrt(e)) V``; the values are added, a layer
    norm over ``(2, e)`` follows, and the result joins the visual features, the leader. The published model has a third
    stream (MFCC), which a neck of two streams leaves out: e channels and a row of the norm less.

    Weights: ``visual.{key,query,value}``, ``audio.{key,query,value}``, ``norm``.

    Args:
        audio_channels: d_a, length of an audio feature.
        visual_channels: d_v, length of a visual feature, the leader.
        encoded: e, length of keys, queries and values.
        reuse_key_encoding: compute audio's query and value from its key and not from its features, as the released
            code does by overwriting a variable.
        normalize: L2-normalise each frame's features first.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: if a size is not an integer of at least 1.
    """

    def __init__(
        self,
        audio_channels: int,
        visual_channels: int,
        encoded: int = 32,
        reuse_key_encoding: bool = False,
        normalize: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(audio_channels, visual_channels, encoded, normalize, init_cfg)
        self.reuse_key_encoding = reuse_key_encoding
        self.visual = nn.ModuleDict({name: nn.Linear(visual_channels, encoded) for name in ('key', 'query', 'value')})
        inner = encoded if reuse_key_encoding else audio_channels
        self.audio = nn.ModuleDict(
            {
                'key': nn.Linear(audio_channels, encoded),
                'query': nn.Linear(inner, encoded),
                'value': nn.Linear(inner, encoded),
            }
        )
        self.norm = nn.LayerNorm([2, encoded])

    def follow(self, audio: Tensor, visual: Tensor, mask: Tensor | None) -> Tensor:
        """Followers ``(B, L, 2 e)``, visual first; ``mask`` ``(B, L, 2)``."""
        audio_key = self.audio['key'](audio)
        source = audio_key if self.reuse_key_encoding else audio
        K = torch.stack((self.visual['key'](visual), audio_key), dim=-2)  # (B, L, 2, e)
        Q = torch.stack((self.visual['query'](visual), self.audio['query'](source)), dim=-2)
        V = torch.stack((self.visual['value'](visual), self.audio['value'](source)), dim=-2)
        return self.norm(modality_attention(K, Q, V, mask) + V).flatten(-2)


@MODELS.register_module()
class MultiheadLFAN(LeaderFollowerNeck):
    """Leader-follower attention with several heads: the form of the authors' later code.

    At each frame and in each head, ``softmax(Q K^T / sqrt(e / heads)) V`` over the modalities; the values are added,
    one linear map joins heads and modalities, dropout and a layer norm over ``2 e`` follow, and the result joins the
    visual features, the leader. The published models have a third stream (eGeMAPS or MFCC), which a neck of two streams
    leaves out.

    Weights: ``qkv.{visual,audio}`` ``(3 e, d_m)``, rows head by head, in each query, key, value; ``out``
    ``(2 e, 2 e)``, columns head by head, in each visual, audio; ``norm``. Xavier-uniform, zero biases.

    Args:
        audio_channels: d_a, length of an audio feature.
        visual_channels: d_v, length of a visual feature, the leader.
        encoded: e, length of queries, keys and values, all heads together.
        heads: number of heads; divides ``encoded``.
        dropout: before the layer norm.
        normalize: L2-normalise each frame's features first.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: if a size is not an integer of at least 1, ``heads`` does not divide ``encoded`` or ``dropout`` is
            not in [0, 1).
    """

    def __init__(
        self,
        audio_channels: int,
        visual_channels: int,
        encoded: int = 32,
        heads: int = 2,
        dropout: float = 0.1,
        normalize: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(audio_channels, visual_channels, encoded, normalize, init_cfg)
        check_size('MultiheadLFAN', 'heads', heads)
        if encoded % heads:
            raise ConfigError(f'MultiheadLFAN: heads={heads}; expected a divisor of encoded={encoded}')
        check_dropout('MultiheadLFAN', dropout)
        self.heads = heads
        self.qkv = nn.ModuleDict(
            {'visual': nn.Linear(visual_channels, 3 * encoded), 'audio': nn.Linear(audio_channels, 3 * encoded)}
        )
        self.out = nn.Linear(2 * encoded, 2 * encoded)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(2 * encoded)
        xavier_(self)

    def follow(self, audio: Tensor, visual: Tensor, mask: Tensor | None) -> Tensor:
        """Followers ``(B, L, 2 e)``; ``mask`` ``(B, L, 2)``, visual first."""
        qkv = [
            self.qkv[stream](x).unflatten(-1, (self.heads, -1)) for stream, x in (('visual', visual), ('audio', audio))
        ]
        Q, K, V = torch.stack(qkv, dim=-2).chunk(3, dim=-1)  # (B, L, heads, 2, e / heads)
        mask = None if mask is None else mask.unsqueeze(-2)
        return self.norm(self.dropout(self.out((modality_attention(Q, K, V, mask) + V).flatten(-3))))
