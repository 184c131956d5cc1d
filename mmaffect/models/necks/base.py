"""What every fusion of an audio and a visual stream has in common."""

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from ...errors import ConfigError
from ...utils.checks import check_size


class FusionNeck(BaseModule):
    """Base of fusion necks: ``neck(audio, visual, audio_mask=None, visual_mask=None) -> (B, L, out_channels)``.

    In calls audio always comes first; in the output too, as in the papers' equations, but for :class:`ReleasedGRJCA`,
    :class:`LFAN` and :class:`MultiheadLFAN`, whose released code has the visual features first.

    Args:
        audio_channels: d_a, length of an audio feature.
        visual_channels: d_v, length of a visual feature.
        seq_len: L, the only length of a window that the weights fit; ``None`` if any will do.
        normalize: L2-normalise each frame's features first.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: if a size is not an integer of at least 1.
    """

    out_channels: int

    def __init__(
        self,
        audio_channels: int,
        visual_channels: int,
        seq_len: int | None,
        normalize: bool,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        owner = type(self).__name__
        check_size(owner, 'audio_channels', audio_channels)
        check_size(owner, 'visual_channels', visual_channels)
        if seq_len is not None:
            check_size(owner, 'seq_len', seq_len)
        self.audio_channels = audio_channels
        self.visual_channels = visual_channels
        self.seq_len = seq_len
        self.normalize = normalize

    def prepare(
        self, audio: Tensor, visual: Tensor, audio_mask: Tensor | None, visual_mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Check, normalise and mask the inputs.

        Frames outside a mask become zero vectors: they add nothing to any correlation and get nothing attended.

        Args:
            audio: ``(B, L, d_a)``.
            visual: ``(B, L, d_v)``.
            audio_mask: ``(B, L)`` bool, frames that have sound; all, if ``None``.
            visual_mask: ``(B, L)`` bool, frames that have a picture; all, if ``None``.

        Returns:
            Both, in their shapes.

        Raises:
            ConfigError: if a shape is not as above.
        """
        audio = self.prepare_stream('audio', audio, self.audio_channels, audio_mask)
        visual = self.prepare_stream('visual', visual, self.visual_channels, visual_mask)
        if audio.shape[:2] != visual.shape[:2]:
            raise ConfigError(f'audio {tuple(audio.shape)}, visual {tuple(visual.shape)}: windows or frames differ')
        return audio, visual

    def prepare_stream(self, name: str, x: Tensor, channels: int, mask: Tensor | None) -> Tensor:
        """Check, normalise and mask one stream ``(B, L, channels)``, as :meth:`prepare` does."""
        frames = 'L' if self.seq_len is None else self.seq_len
        if x.ndim != 3 or x.shape[2] != channels or self.seq_len not in (None, x.shape[1]):
            raise ConfigError(
                f'{type(self).__name__}: {name} of shape {tuple(x.shape)}; expected (B, {frames}, {channels})'
            )
        if self.normalize:
            x = F.normalize(x, dim=-1)
        return x if mask is None else x * mask.unsqueeze(-1)
