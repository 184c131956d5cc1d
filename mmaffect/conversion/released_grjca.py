"""Whole models of the released GRJCA code: the LFAN authors' framework with another fusion and head."""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from ..errors import CheckpointError, ConfigError
from .base import Conversion, refuse, take
from .released_gates import find_gates, slots
from .released_streams import DROP, MODAL, build_estimator, check_twins, stream_configs, stream_key

SOURCE = 'a released GRJCA'
BLOCK = re.compile(r'((?:.+\.)?)dcn_layers\.(\d+)\.(?:dense_coattn|linears)\..+')
LINEAR = {
    'query': 'dense_coattn.query_linear',
    'keys.0': 'dense_coattn.key1_linear',
    'keys.1': 'dense_coattn.key2_linear',
    'values.0': 'dense_coattn.value1_linear',
    'values.1': 'dense_coattn.value2_linear',
    'updates.0': 'linears.0.0',
    'updates.1': 'linears.1.0',
}
# Layers of the head: in the authors' three-modality model, and in the CAN model of the same framework.
HEADS = (
    {'fc1': 'regressor1', 'norm': 'bn1', 'fc2': 'regressor2'},
    {'fc1': 'fc1', 'norm': 'bn1', 'fc2': 'fc2'},
)
# Trained by nothing: two regressors and an LSTM inside the fusion; computed and not used: other modalities.
DEAD = [
    *DROP,
    r'(?:.+\.)?[va]regressor\.[03]\.(?:weight|bias)',
    r'(?:.+\.)?Joint\.(?:init_hidden|linear\.(?:weight|bias)|rnn\.(?:weight|bias)_[ih]h_l\d+(?:_reverse)?)',
    r'(?:temporal|bn)\.(?:bert|egemaps|mfcc|vggish)\..+',
]


def convert(
    state: Mapping[str, Tensor],
    target: str,
    gates: Mapping[str, str] | None = None,
    drop: Iterable[str] = (),
) -> Conversion:
    """``model_state_dict*.pth`` to an AffectEstimator with a :class:`ReleasedGRJCA` neck, flat or hierarchical.

    The joint attention is found by the names of its layers, wherever in the model it is.

    Args:
        state: the file's state dict.
        target: ``'valence'`` or ``'arousal'``, what the file's one output was trained for.
        gates: module of the file by the neck's name of each gate, such as ``{'gate.visual': 'fusion.gate_v', ...}``;
            ``None`` to tell them by name and shape as in :func:`find_gates`.
        drop: further modules or keys of the file that may be left behind.

    Returns:
        The conversion; regressors, LSTM, text and expression branches and the second copy of the TCN weights are
        dropped.

    Raises:
        CheckpointError: if it is another model, or its gates cannot be told apart.
        ConfigError: if ``gates`` are not those of a neck.
    """
    streams = stream_configs(SOURCE, state)
    d_v, d_a = (streams[stream]['temporal']['channels'][-1] for stream in MODAL)
    root, num_iters, seq_len = _block(state)
    head = next((names for names in HEADS if f'{names["fc1"]}.weight' in state), HEADS[0])
    if f'{head["fc1"]}.bias' not in state:
        refuse(SOURCE, missing=[f'{head["fc1"]}.{part}' for part in ('weight', 'bias')])

    dead = [*DEAD, *(rf'{re.escape(name)}(?:\..+)?' for name in drop)]
    if gates is None:
        known = (f'{root}dcn_layers.', 'spatial.', 'temporal.', 'bn.', *(f'{name}.' for name in head.values()))
        gates, text = find_gates(SOURCE, state, known, dead, num_iters, {'visual': d_v, 'audio': d_a})
        dead += [rf'{re.escape(name)}\.(?:weight|bias)' for name in text]
    gating = next((gating for gating in ('flat', 'hierarchical') if set(slots(gating, num_iters)) == set(gates)), None)
    if gating is None:
        expected = ' or '.join(', '.join(slots(gating, num_iters)) for gating in ('flat', 'hierarchical'))
        raise ConfigError(f'gates {", ".join(gates)}; expected {expected}')
    if len(set(gates.values())) < len(gates):
        raise ConfigError(f'gates from {", ".join(gates.values())}; expected a layer of its own for each')

    def source_key(key: str) -> str | None:
        if match := re.fullmatch(r'neck\.attention\.layers\.(\d+)\.(query|\w+\.\d)\.(\w+)', key):
            return f'{root}dcn_layers.{match[1]}.{LINEAR[match[2]]}.{match[3]}'
        if match := re.fullmatch(r'neck\.(.+)\.(weight|bias)', key):
            return f'{gates[match[1]]}.{match[2]}'
        if match := re.fullmatch(r'head\.(fc1|norm|fc2)\.(\w+)', key):
            return f'{head[match[1]]}.{match[2]}'
        return stream_key(key)

    model = build_estimator(
        **streams,
        neck=dict(
            type='ReleasedGRJCA',
            audio_channels=d_a,
            visual_channels=d_v,
            seq_len=seq_len,
            num_iters=num_iters,
            gating=gating,
        ),
        head=dict(
            type='AffectHead',
            in_channels=d_v + d_a,
            hidden=state[f'{head["fc1"]}.bias'].numel(),
            targets=[target],
            dropout=0.0,
            batch_norm=True,
        ),
    )
    check_twins(SOURCE, state)
    given = {'data_preprocessor.audio_mean': 0.0, 'data_preprocessor.audio_std': 1.0}
    conversion = take(SOURCE, state, model, source_key, dead, given=given)
    conversion.notes.append(
        f'neck: {gating}, seq_len={seq_len}, num_iters={num_iters}; attention from {root}dcn_layers'
    )
    conversion.notes += [f'neck.{ours} from {theirs}' for ours, theirs in gates.items()]
    return conversion


def _block(state: Mapping[str, Tensor]) -> tuple[str, int, int]:
    """What stands before ``dcn_layers``, the number of iterations and the frames of a window."""
    found = [match for key in state if (match := BLOCK.fullmatch(key))]
    roots = sorted({match[1] for match in found})
    if not roots:
        refuse(SOURCE, missing=['dcn_layers.0.dense_coattn.query_linear.weight'])
    if len(roots) > 1:
        raise CheckpointError(f'not {SOURCE}; it has joint attention in {len(roots)} places, expected one')
    key = f'{roots[0]}dcn_layers.0.dense_coattn.key1_linear.bias'
    if key not in state:
        refuse(SOURCE, missing=[key])
    return roots[0], len({match[2] for match in found}), state[key].numel()
