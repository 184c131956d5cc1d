"""The two-stream model of Kuhnke, Rumberg, Ostermann, FG 2020 (TSAV; its weights are for research only)."""

import re
from collections.abc import Mapping

from torch import Tensor

from .base import Conversion, take
from .released_streams import build_estimator

SOURCE = "Kuhnke's TSAV"
STREAMS = {'visual': 'video_model.r2plus1d', 'audio': 'audio_model.resnet'}


def source_key(key: str) -> str | None:
    """Source key of one of our keys.

    Examples:
        >>> source_key('audio.backbone.conv1.weight'), source_key('head.fc2.bias')
        ('audio_model.resnet.conv1.weight', 'fc.1.bias')
    """
    if match := re.fullmatch(r'(visual|audio)\.backbone\.(.+)', key):
        return f'{STREAMS[match[1]]}.{match[2]}'
    return key.replace('head.fc2.', 'fc.1.') if key.startswith('head.fc2.') else None


def convert(state: Mapping[str, Tensor], rgb: bool = False) -> Conversion:
    """``TSAV*.pth.tar`` to an AffectEstimator that concatenates audio and visual features.

    Args:
        state: the file's state dict.
        rgb: keep only the three colour channels of the clip, not the mask; ``configs/kuhnke_affwild2.py`` has three.

    Returns:
        The conversion. Of the 17 outputs it has rows 7 and 8, valence and arousal; those of expressions and action
        units are dropped.

    Raises:
        CheckpointError: if it is another model.
    """
    state, dropped = dict(state), []
    for name in ('fc.1.weight', 'fc.1.bias'):
        if name in state and state[name].shape[:1] == (17,):
            state[name] = state[name][7:9]
            dropped.append(f'{name}[0:7] and [9:17]')
    stem = 'video_model.r2plus1d.stem.0.weight'
    if rgb and stem in state and state[stem].shape[1:2] == (4,):
        state[stem] = state[stem][:, :3]
        dropped.append(f'{stem}[:, 3]')
    model = build_estimator(
        visual=dict(type='Stream', backbone=dict(type='R2Plus1D', in_channels=3 if rgb else 4)),
        audio=dict(type='Stream', backbone=dict(type='AudioResNet')),
        neck=dict(type='ConcatFusion', audio_channels=512, visual_channels=512),
        head=dict(type='AffectHead', in_channels=1024, hidden=None, dropout=0.0, tanh=False),
    )
    given = {'data_preprocessor.audio_mean': -14.8, 'data_preprocessor.audio_std': 19.895}
    conversion = take(SOURCE, state, model, source_key, given=given)
    conversion.dropped += dropped
    channels = (
        '3 (RGB), as in configs/kuhnke_affwild2.py' if rgb else '4 (RGB and landmark mask); for 3 convert with --rgb'
    )
    conversion.notes.append(f'model.visual.backbone.in_channels is {channels}')
    return conversion
