"""What the released models of LFAN (ABAW3) and GRJCA share: their framework's backbones, TCNs and BatchNorms."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..registry import MODELS
from . import ir50
from .base import refuse

MODAL = {'visual': 'video', 'audio': 'logmel'}
TCN = {'parametrizations.weight.original0': 'weight_g', 'parametrizations.weight.original1': 'weight_v'}
# Each block also registers its two convolutions as members 0 and 4 of a Sequential.
TWIN = re.compile(r'(temporal\.\w+\.network\.\d+)\.net\.([04])\.(.+)')
# The classifier of the pre-training, and the copies.
DROP = [r'spatial\.visual\.logits\.(weight|bias)', TWIN.pattern]


def stream_key(key: str) -> str | None:
    """Source key of one of the keys of our streams; ``None`` for other keys.

    Examples:
        >>> stream_key('visual.temporal.levels.2.conv1.parametrizations.weight.original0')
        'temporal.video.network.2.conv1.weight_g'
        >>> stream_key('audio.norm.running_mean'), stream_key('audio.backbone.features.0.bias')
        ('bn.logmel.running_mean', 'spatial.audio.backbone.features.0.bias')
    """
    match = re.fullmatch(r'(?:further\.)?(\w+)\.(backbone|temporal\.levels|norm)\.(.+)', key)
    if not match:
        return None
    stream, part, rest = match.groups()
    modal = MODAL.get(stream, stream)
    if part == 'norm':
        return f'bn.{modal}.{rest}'
    if part == 'backbone':
        return f'spatial.{stream}.backbone.{ir50.source_key(rest) if stream == "visual" else rest}'
    for ours, theirs in TCN.items():
        rest = rest.replace(ours, theirs)
    return f'temporal.{modal}.network.{rest}'


def further_config(source: str, state: Mapping[str, Tensor], modal: str) -> dict:
    """Config of a further stream, of cached features, as in the file.

    Raises:
        CheckpointError: if its TCN is missing.
    """
    temporal = _temporal(source, state, modal)
    return dict(type='Stream', in_channels=temporal['in_channels'], temporal=temporal, batch_norm=True)


def _temporal(source: str, state: Mapping[str, Tensor], modal: str) -> dict:
    widths = []
    while (bias := state.get(f'temporal.{modal}.network.{len(widths)}.conv2.bias')) is not None:
        widths.append(bias.numel())
    taps = state.get(f'temporal.{modal}.network.0.conv1.weight_v')
    if not widths or taps is None or taps.ndim != 3:
        refuse(source, missing=[f'temporal.{modal}.network.0.conv1.weight_v'])
    return dict(type='TemporalConvNet', in_channels=taps.shape[1], channels=widths, kernel_size=taps.shape[2])


def stream_configs(source: str, state: Mapping[str, Tensor]) -> dict[str, dict]:
    """Configs of the visual and the audio stream, with the TCN's widths and taps as in the file.

    Args:
        source: what the weights are, for errors.
        state: tensors by source key.

    Returns:
        ``visual`` and ``audio``.

    Raises:
        CheckpointError: if a TCN is missing.
    """
    backbones = {'visual': dict(type='IResNet', depth=50), 'audio': dict(type='VGGish', patch_rows=96)}
    inputs = {'visual': 512, 'audio': 128}
    configs = {}
    for stream, modal in MODAL.items():
        temporal = {**_temporal(source, state, modal), 'in_channels': inputs[stream]}
        configs[stream] = dict(type='Stream', backbone=backbones[stream], temporal=temporal, batch_norm=True)
    return configs


def check_twins(source: str, state: Mapping[str, Tensor]) -> None:
    """Check that the second copy of every TCN weight, which is dropped, equals the first.

    Raises:
        CheckpointError: if one does not.
    """
    for key, tensor in state.items():
        if match := TWIN.fullmatch(key):
            block, place, rest = match.groups()
            first = state.get(f'{block}.conv{1 if place == "0" else 2}.{rest}')
            if first is not None and not (first.shape == tensor.shape and torch.equal(first, tensor)):
                refuse(
                    source, unexpected=[f'{key}, not the copy of a conv{1 if place == "0" else 2} that it should be']
                )


def build_estimator(**parts: dict) -> nn.Module:
    """An AffectEstimator on the meta device."""
    with torch.device('meta'):
        return MODELS.build(dict(type='AffectEstimator', **parts))
