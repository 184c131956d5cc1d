"""Which linear layer of a released GRJCA is which gate."""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from ..engine.checkpoint import printable
from ..errors import CheckpointError

STREAMS = ('visual', 'audio')
# Part of a layer's name to the stream it is for.
WORDS = {'visual': r'video|visual', 'audio': r'audio', 'text': r'text|bert'}


def slots(gating: str, num_iters: int) -> list[str]:
    """Names of the gates in our neck.

    Examples:
        >>> slots('hierarchical', 2)[:3]
        ['gates.0.visual', 'gates.0.audio', 'gates.1.visual']
    """
    names = ['gate'] if gating == 'flat' else [*(f'gates.{t}' for t in range(num_iters)), 'stage_gate']
    return [f'{name}.{stream}' for name in names for stream in STREAMS]


def find_gates(
    source: str,
    state: Mapping[str, Tensor],
    known: tuple[str, ...],
    dead: Iterable[str],
    num_iters: int,
    widths: Mapping[str, int],
) -> tuple[dict[str, str], list[str]]:
    """Tell the gates by name and shape.

    A gate of a stream is a linear layer from the stream's width, named after it (``video``, ``visual`` or ``audio``).
    Flat: one a stream, with M + 1 outputs. Hierarchical, M = 2: one with 3 outputs (stage 2) and two with 2, of which
    the one whose name has ``high`` is the stage gate and the other stage 1. Layers named ``text`` or ``bert`` are of
    the unused text branch.

    Args:
        source: what the weights are, for errors.
        state: tensors by source key.
        known: beginnings of keys that are no gates.
        dead: regular expressions of keys that are no gates.
        num_iters: M.
        widths: length of a feature, by stream.

    Returns:
        Module of the file by our name, and the modules of the text branch.

    Raises:
        CheckpointError: if they are not exactly those of one of the two forms.
    """
    layers, text, others = {stream: {} for stream in STREAMS}, [], []
    for key in state:
        module = key.removesuffix('.weight')
        if module == key or key.startswith(known) or any(re.fullmatch(pattern, key) for pattern in dead):
            continue
        streams = [stream for stream, words in WORDS.items() if re.search(words, module.rsplit('.', 1)[-1])]
        shape = state[key].shape
        if streams == ['text']:
            text.append(module)
        elif len(streams) == 1 and len(shape) == 2 and shape[1] == widths[streams[0]]:
            layers[streams[0]][module] = shape[0]
        else:
            others.append(module)
    gates = {stream: _gates_of_stream(layers[stream], num_iters) for stream in STREAMS}
    if gates['visual'].keys() == gates['audio'].keys() != set():
        return {f'{name}.{stream}': gates[stream][name] for name in gates['visual'] for stream in STREAMS}, text
    unclear = [*layers['visual'], *layers['audio'], *others][:12]
    found = ', '.join(f'{printable(name)} {tuple(state[f"{name}.weight"].shape)}' for name in unclear)
    raise CheckpointError(
        f'not {source}, or its gates have other names: {found or "no linear layers left"}; name each with '
        f'--gate ({", ".join(slots("flat", num_iters))} or {", ".join(slots("hierarchical", num_iters))})'
    )


def _gates_of_stream(layers: Mapping[str, int], num_iters: int) -> dict[str, str]:
    """Layers, with their number of outputs, by our names; none unless they are exactly those of one of the forms."""
    if list(layers.values()) == [num_iters + 1]:
        return {'gate': next(iter(layers))}
    high = [name for name in layers if 'high' in name.rsplit('.', 1)[-1]]
    if num_iters == 2 and sorted(layers.values()) == [2, 2, 3] and len(high) == 1 and layers[high[0]] == 2:
        first = next(name for name, choices in layers.items() if choices == 2 and name != high[0])
        second = next(name for name, choices in layers.items() if choices == 3)
        return {'gates.0': first, 'gates.1': second, 'stage_gate': high[0]}
    return {}
