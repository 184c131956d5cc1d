"""Long short-term memory with a residual embedding.

Praveen, Granger, Cardinal, "Recursive Joint Attention for Audio-Visual Fusion in Regression based Emotion
Recognition", ICASSP 2023, in the form of the released code.
"""

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...registry import MODELS
from ...utils.checks import check_dropout, check_size


@MODELS.register_module()
class ResidualLSTM(BaseModule):
    """LSTM whose input and output are concatenated, mapped to ``out_channels`` and L2-normalised, on ``(B, L, C)``.

    The released RJCA has it three times, in this one form: for audio and visual features ``in_channels=512,
    out_channels=512, hidden=256, dropout=0.1`` (the temporal module of a stream), and for the joint features
    ``in_channels=1024, out_channels=512, hidden=256, dropout=0.0`` (``joint`` of :class:`RJCA`).

    States before the first frame are learned: ``initial``, the hidden states of every layer and direction, then their
    cell states.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        hidden: width of a layer in one direction.
        num_layers: number of layers.
        bidirectional: also read the window backwards: every frame then sees later ones.
        dropout: between the layers, and on input and output before they are mapped.
        normalize: L2-normalise each frame's output.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: if a size is not an integer of at least 1 or ``dropout`` is not in [0, 1).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden: int,
        num_layers: int = 2,
        bidirectional: bool = True,
        dropout: float = 0.1,
        normalize: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        for name, value in (
            ('in_channels', in_channels),
            ('out_channels', out_channels),
            ('hidden', hidden),
            ('num_layers', num_layers),
        ):
            check_size('ResidualLSTM', name, value)
        check_dropout('ResidualLSTM', dropout)
        directions = 2 if bidirectional else 1
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.normalize = normalize
        self.initial = nn.Parameter(torch.empty(2 * directions * num_layers, hidden))
        self.lstm = nn.LSTM(
            in_channels,
            hidden,
            num_layers,
            batch_first=True,
            dropout=dropout if num_layers > 1 else 0.0,
            bidirectional=bidirectional,
        )
        self.dropout = nn.Dropout(dropout)
        self.embedding = nn.Linear(in_channels + directions * hidden, out_channels)
        nn.init.xavier_uniform_(self.initial)
        nn.init.xavier_uniform_(self.embedding.weight)
        nn.init.zeros_(self.embedding.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Read a sequence.

        Args:
            x: ``(B, L, in_channels)``.

        Returns:
            ``(B, L, out_channels)``.
        """
        h_0, c_0 = self.initial.unsqueeze(1).repeat(1, len(x), 1).chunk(2)
        y, _ = self.lstm(x, (h_0, c_0))
        y = self.embedding(self.dropout(torch.cat((x, y), dim=-1)))
        return F.normalize(y, dim=-1) if self.normalize else y
