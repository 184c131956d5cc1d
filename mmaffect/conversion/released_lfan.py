"""Whole models of the LFAN authors' code for the 3rd and 5th ABAW challenge."""

import re
from collections.abc import Mapping

from torch import Tensor

from ..errors import CheckpointError
from .base import Conversion, refuse, take
from .released_streams import (
    DROP,
    MODAL,
    build_estimator,
    check_twins,
    further_config,
    stream_configs,
    stream_key,
)

SOURCE = 'a released LFAN of video and logmel'
FUSION = {'qkv': 'self_attn.qkv_proj', 'out': 'self_attn.o_proj', 'norm': 'norm1'}


def source_key(key: str) -> str | None:
    """Source key of one of our keys.

    Examples:
        >>> source_key('neck.qkv.audio.bias'), source_key('head.fc2.weight')
        ('fusion.layers.self_attn.qkv_proj.logmel.bias', 'regressor.weight')
    """
    if match := re.fullmatch(r'neck\.(qkv|out|norm)\.(.+)', key):
        part, rest = match.groups()
        for ours, theirs in MODAL.items():
            rest = rest.replace(ours, theirs)
        return f'fusion.layers.{FUSION[part]}.{rest}'
    if match := re.fullmatch(r'head\.fc2\.(.+)', key):
        return f'regressor.{match[1]}'
    return stream_key(key)


def convert(state: Mapping[str, Tensor], target: str, heads: int = 2) -> Conversion:
    """``model_state_dict*.pth`` to an AffectEstimator with a :class:`MultiheadLFAN` neck.

    Args:
        state: the file's state dict, of a model of video and logmel, in this order, and any further modalities, such
            as the egemaps of the code's default; those become streams of cached features under their names.
        target: ``'valence'`` or ``'arousal'``, what the file's one output was trained for.
        heads: heads of its attention, which the shapes do not tell.

    Returns:
        The conversion; the expression classifier and the second copy of the TCN weights are dropped.

    Raises:
        CheckpointError: if it is another model, or begins with other modalities.
    """
    modalities = [
        key.split('.')[4] for key in state if re.fullmatch(r'fusion\.layers\.self_attn\.qkv_proj\.\w+\.bias', key)
    ]
    if modalities and modalities[:2] != list(MODAL.values()):
        raise CheckpointError(f'fuses {", ".join(modalities)}; expected video and logmel before any others')
    streams = stream_configs(SOURCE, state)
    further = {modal: further_config(SOURCE, state, modal) for modal in modalities[2:]}
    d_v, d_a = (streams[stream]['temporal']['channels'][-1] for stream in MODAL)
    if 'fusion.layers.norm1.bias' not in state:
        refuse(SOURCE, missing=['fusion.layers.norm1.bias'])
    joined = state['fusion.layers.norm1.bias'].numel()
    encoded = joined // max(2, len(modalities))
    model = build_estimator(
        **streams,
        further=further,
        neck=dict(
            type='MultiheadLFAN',
            audio_channels=d_a,
            visual_channels=d_v,
            further_channels={modal: stream['temporal']['channels'][-1] for modal, stream in further.items()},
            encoded=encoded,
            heads=heads,
        ),
        head=dict(type='AffectHead', in_channels=d_v + joined, hidden=None, targets=[target], dropout=0.0),
    )
    check_twins(SOURCE, state)
    given = {'data_preprocessor.audio_mean': 0.0, 'data_preprocessor.audio_std': 1.0}
    return take(SOURCE, state, model, source_key, DROP, given=given)
