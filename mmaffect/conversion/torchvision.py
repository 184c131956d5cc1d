"""R(2+1)D-18 and ResNet-18 of torchvision (BSD-3)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ..models.backbones.audio_resnet import AudioResNet
from ..models.backbones.r2plus1d import R2Plus1D
from .base import Conversion, take

CLASSIFIER = [r'fc\.(weight|bias)']


def convert_r2plus1d(state: Mapping[str, Tensor]) -> Conversion:
    """``r2plus1d_18-*.pth`` to :class:`R2Plus1D` for three channels; the classifier is dropped.

    Args:
        state: the file's state dict.

    Returns:
        The conversion.

    Raises:
        CheckpointError: if it is another model.
    """
    with torch.device('meta'):
        model = R2Plus1D(in_channels=3)
    return take('torchvision R(2+1)D-18', state, model, lambda key: key, CLASSIFIER)


def convert_resnet18(state: Mapping[str, Tensor]) -> Conversion:
    """``resnet18-*.pth`` to :class:`AudioResNet`; the classifier is dropped.

    The three channels of the first convolution are summed: a log-mel patch answers as a grey picture would.

    Args:
        state: the file's state dict.

    Returns:
        The conversion.

    Raises:
        CheckpointError: if it is another model.
    """
    state, notes = dict(state), []
    first = state.get('conv1.weight')
    if first is not None and first.ndim == 4 and first.shape[1] == 3:
        state['conv1.weight'] = first.sum(1, keepdim=True)
        notes.append('conv1.weight: the sum of its 3 channels')
    with torch.device('meta'):
        model = AudioResNet()
    conversion = take('torchvision ResNet-18', state, model, lambda key: key, CLASSIFIER)
    conversion.notes += notes
    return conversion
