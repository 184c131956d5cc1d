"""IR-50 of face.evoLVe (MIT), from its own file and from that of the LFAN authors."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from ..models.backbones.iresnet import UNITS, IResNet
from .base import Conversion, refuse, take

PARTS = {'stem': 'input_layer', 'output': 'output_layer', 'shortcut': 'shortcut_layer', 'residual': 'res_layer'}


def source_key(key: str) -> str:
    """Key in face.evoLVe's Backbone, which numbers the units of all stages in one ``body``.

    Examples:
        >>> source_key('stem.0.weight'), source_key('stages.1.2.residual.4.bias')
        ('input_layer.0.weight', 'body.5.res_layer.4.bias')
    """
    if match := re.fullmatch(r'stages\.(\d+)\.(\d+)\.(\w+)\.(.+)', key):
        stage, unit, part, rest = match.groups()
        return f'body.{sum(UNITS[50][: int(stage)]) + int(unit)}.{PARTS[part]}.{rest}'
    part, rest = key.split('.', 1)
    return f'{PARTS[part]}.{rest}'


def convert_face_evolve(state: Mapping[str, Tensor]) -> Conversion:
    """``backbone_ir50_*.pth`` to :class:`IResNet` for 40x40 faces.

    The output layer is for the 7x7 map of a 112x112 face and is dropped whole, with its two BatchNorms; ours, for 5x5,
    keeps its initialisation.

    Args:
        state: the file's state dict.

    Returns:
        The conversion.

    Raises:
        CheckpointError: if it is not an IR-50.
    """
    source = 'face.evoLVe IR-50'
    linear = state.get('output_layer.3.weight')
    if linear is not None and linear.shape != (512, 25088):
        refuse(source, shapes=[f'output_layer.3.weight is {tuple(linear.shape)}, expected (512, 25088)'])
    with torch.device('meta'):
        model = IResNet(depth=50)
    return take(source, state, model, source_key, drop=[r'output_layer\.[034]\.\w+'], absent=['output.'])


def convert_lfan(state: Mapping[str, Tensor]) -> Conversion:
    """``res50_ir_0.887.pth`` to :class:`IResNet`; the expression classifier ``logits`` is dropped.

    Args:
        state: the file's state dict.

    Returns:
        The conversion.

    Raises:
        CheckpointError: if it is another model.
    """
    with torch.device('meta'):
        model = IResNet(depth=50)
    return take(
        "the LFAN authors' IR-50", state, model, lambda key: f'backbone.{source_key(key)}', [r'logits\.(weight|bias)']
    )
