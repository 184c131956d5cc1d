"""VGGish of torchvggish (Apache-2.0)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ..models.backbones.vggish import VGGish
from .base import Conversion, take


def convert(state: Mapping[str, Tensor]) -> Conversion:
    """``vggish-10086976.pth`` to :class:`VGGish`, whose layers have the same numbers.

    Args:
        state: the file's state dict.

    Returns:
        The conversion. The source ends in a ReLU, ours does not.

    Raises:
        CheckpointError: if it is another model.
    """
    with torch.device('meta'):
        model = VGGish()
    conversion = take('torchvggish VGGish', state, model, lambda key: key, drop=[r'pproc\.(pca_matrix|pca_means)'])
    conversion.notes.append('the ReLU after the last layer is not part of our VGGish')
    return conversion
