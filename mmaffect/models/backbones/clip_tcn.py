"""A clip backbone followed by a network along the clip's time: the I3D-TCN of JCA.

Praveen et al., "A Joint Cross-Attention Model for Audio-Visual Fusion in Dimensional Emotion Recognition", CVPRW 2022;
the maximum over time as in its released code.
"""

from mmengine.model import BaseModule
from torch import Tensor

from ...errors import ConfigError
from ...registry import MODELS


@MODELS.register_module()
class ClipTCN(BaseModule):
    """Clip backbone, temporal network, maximum over time: ``(N, C, T, S, S)`` clips to ``(N, out_channels)``.

    Args:
        backbone: config of a clip backbone that keeps time, ``(N, C, T, S, S)`` to ``(N, C', T')``:
            ``dict(type='I3D', pool_time=False)``.
        temporal: config of a network on the sequence ``(N, T', C')``.
        init_cfg: as in MMEngine.
    """

    def __init__(self, backbone: dict, temporal: dict, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.backbone = MODELS.build(backbone)
        self.temporal = MODELS.build(temporal)
        self.out_channels = self.temporal.out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Embed clips.

        Args:
            x: ``(N, C, T, S, S)``.

        Returns:
            ``(N, out_channels)``.

        Raises:
            ConfigError: if the backbone does not keep time.
        """
        x = self.backbone(x)
        if x.ndim != 3:
            raise ConfigError(
                f'the backbone of ClipTCN gives {tuple(x.shape)}; expected (N, C, T), as of I3D with pool_time=False'
            )
        return self.temporal(x.transpose(1, 2)).amax(1)
