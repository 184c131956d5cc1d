"""Leader-follower attention, in the form of its paper and in the later multi-head form.

Zhang et al., "Continuous Emotion Recognition with Audio-Visual Leader-Follower Attentive Fusion", ICCV Workshops 2021;
the multi-head form is that of the authors' code for the third and fifth ABAW competitions.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...errors import ConfigError
from ...registry import MODELS
from ...utils.checks import check_dropout, check_size
from .base import FusionNeck
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
    """What both forms share: leader and followers, concatenated; windows of any length, any number M of streams.

    Args:
        audio_channels: d_a, length of an audio feature.
        visual_channels: d_v, length of a visual feature.
        encoded: e, length of an encoded feature.
        further_channels: by name, length of a feature of every further stream.
        normalize: L2-normalise each frame's features first.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: if a size is not an integer of at least 1.
    """

    def __init__(
        self,
        audio_channels: int,
        visual_channels: int,
        encoded: int,
        further_channels: Mapping[str, int] | None,
        normalize: bool,
        init_cfg: dict | None,
    ) -> None:
        super().__init__(audio_channels, visual_channels, None, normalize, init_cfg)
        owner = type(self).__name__
        check_size(owner, 'encoded', encoded)
        self.further_channels = dict(further_channels or {})
        for name, width in self.further_channels.items():
            check_size(owner, f'further_channels.{name}', width)
        self.encoded = encoded
        self.channels = {'visual': visual_channels, 'audio': audio_channels, **self.further_channels}
        self.out_channels = visual_channels + len(self.channels) * encoded

    def follow(self, streams: Mapping[str, Tensor], mask: Tensor | None) -> Tensor:
        """Followers ``(B, L, M e)`` of all streams, visual first; ``mask`` ``(B, L, M)``."""
        raise NotImplementedError

    def forward(
        self,
        audio: Tensor,
        visual: Tensor,
        audio_mask: Tensor | None = None,
        visual_mask: Tensor | None = None,
        further: Mapping[str, Tensor] | None = None,
        further_masks: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Fuse ``(B, L, d_a)``, ``(B, L, d_v)`` and what there is further to ``(B, L, d_v + M e)``, leader first.

        Args:
            audio: ``(B, L, d_a)``.
            visual: ``(B, L, d_v)``.
            audio_mask: ``(B, L)`` bool, frames that have sound; in the others audio gets no attention.
            visual_mask: ``(B, L)`` bool, frames that have a picture; in the others the visual stream gets none.
            further: by name, ``(B, L, d)`` of every further stream.
            further_masks: by name, ``(B, L)`` bool; all frames of those that are not there.

        Raises:
            ConfigError: if a shape is not as above, or the further streams are not those of ``further_channels``.
        """
        further, further_masks = further or {}, further_masks or {}
        if set(further) != set(self.further_channels):
            raise ConfigError(
                f'{type(self).__name__}: further streams {sorted(further)}; expected {sorted(self.further_channels)}'
            )
        audio, visual = self.prepare(audio, visual, audio_mask, visual_mask)
        streams, masks = {'visual': visual, 'audio': audio}, [visual_mask, audio_mask]
        for name, width in self.further_channels.items():
            masks.append(further_masks.get(name))
            streams[name] = self.prepare_stream(name, further[name], width, masks[-1])
        mask = None
        if any(one is not None for one in masks):
            everywhere = torch.ones(audio.shape[:2], dtype=torch.bool, device=audio.device)
            mask = torch.stack([everywhere if one is None else one for one in masks], dim=-1)
        return torch.cat((visual, self.follow(streams, mask)), dim=-1)


@MODELS.register_module()
class LFAN(LeaderFollowerNeck):
    """Leader-follower attention with one head: the paper's form.

    All M streams attend to each other at each frame, ``softmax(K Q^T / sqrt(e)) V``; the values are added, a layer norm
    over ``(M, e)`` follows, and the result joins the visual features, the leader. The published model has a third
    stream, ``further_channels=dict(mfcc=32)``.

    Weights: ``encoders.{visual,audio,...}.{key,query,value}``, ``norm``.

    Args:
        audio_channels: d_a, length of an audio feature.
        visual_channels: d_v, length of a visual feature, the leader.
        encoded: e, length of keys, queries and values.
        further_channels: by name, length of a feature of every further stream.
        reuse_key_encoding: compute query and value of all but the leader from its key and not from its features, as
            the released code does by overwriting a variable.
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
        further_channels: Mapping[str, int] | None = None,
        reuse_key_encoding: bool = False,
        normalize: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(audio_channels, visual_channels, encoded, further_channels, normalize, init_cfg)
        self.reuse_key_encoding = reuse_key_encoding
        self.encoders = nn.ModuleDict()
        for name, width in self.channels.items():
            inner = encoded if self._reuses(name) else width
            self.encoders[name] = nn.ModuleDict(
                {
                    'key': nn.Linear(width, encoded),
                    'query': nn.Linear(inner, encoded),
                    'value': nn.Linear(inner, encoded),
                }
            )
        self.norm = nn.LayerNorm([len(self.channels), encoded])

    def follow(self, streams: Mapping[str, Tensor], mask: Tensor | None) -> Tensor:
        """Followers ``(B, L, M e)``, visual first; ``mask`` ``(B, L, M)``."""
        encoded = []
        for name, x in streams.items():
            encoder = self.encoders[name]
            key = encoder['key'](x)
            source = key if self._reuses(name) else x
            encoded.append((key, encoder['query'](source), encoder['value'](source)))
        K, Q, V = (torch.stack(part, dim=-2) for part in zip(*encoded, strict=True))  # (B, L, M, e)
        return self.norm(modality_attention(K, Q, V, mask) + V).flatten(-2)

    def _reuses(self, name: str) -> bool:
        return self.reuse_key_encoding and name != 'visual'


@MODELS.register_module()
class MultiheadLFAN(LeaderFollowerNeck):
    """Leader-follower attention with several heads: the form of the authors' later code.

    At each frame and in each head, ``softmax(Q K^T / sqrt(e / heads)) V`` over the M streams; the values are added, one
    linear map joins heads and streams, dropout and a layer norm over ``M e`` follow, and the result joins the visual
    features, the leader. The published models have a third stream, ``further_channels=dict(egemaps=32)``.

    Weights: ``qkv.{visual,audio,...}`` ``(3 e, d_m)``, rows head by head, in each query, key, value; ``out``
    ``(M e, M e)``, columns head by head, in each visual, audio and so on; ``norm``. Xavier-uniform, zero biases.

    Args:
        audio_channels: d_a, length of an audio feature.
        visual_channels: d_v, length of a visual feature, the leader.
        encoded: e, length of queries, keys and values, all heads together.
        further_channels: by name, length of a feature of every further stream.
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
        further_channels: Mapping[str, int] | None = None,
        heads: int = 2,
        dropout: float = 0.1,
        normalize: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(audio_channels, visual_channels, encoded, further_channels, normalize, init_cfg)
        check_size('MultiheadLFAN', 'heads', heads)
        if encoded % heads:
            raise ConfigError(f'MultiheadLFAN: heads={heads}; expected a divisor of encoded={encoded}')
        check_dropout('MultiheadLFAN', dropout)
        self.heads = heads
        self.qkv = nn.ModuleDict({name: nn.Linear(width, 3 * encoded) for name, width in self.channels.items()})
        joined = len(self.channels) * encoded
        self.out = nn.Linear(joined, joined)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(joined)
        xavier_(self)

    def follow(self, streams: Mapping[str, Tensor], mask: Tensor | None) -> Tensor:
        """Followers ``(B, L, M e)``; ``mask`` ``(B, L, M)``, visual first."""
        qkv = [self.qkv[name](x).unflatten(-1, (self.heads, -1)) for name, x in streams.items()]
        Q, K, V = torch.stack(qkv, dim=-2).chunk(3, dim=-1)  # (B, L, heads, M, e / heads)
        mask = None if mask is None else mask.unsqueeze(-2)
        return self.norm(self.dropout(self.out((modality_attention(Q, K, V, mask) + V).flatten(-3))))
