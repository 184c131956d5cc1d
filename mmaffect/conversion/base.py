"""Renaming of published weights: every tensor arrives once, or is on a list of what is left behind."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..engine.checkpoint import differences
from ..errors import CheckpointError


@dataclass
class Conversion:
    """Weights under the names of this package.

    Attributes:
        source: what the weights are, such as ``'face.evoLVe IR-50'``.
        state_dict: tensors by our names.
        origin: source key of each of them; those that no key of the source gave are missing.
        dropped: source keys that our model has no place for.
        absent: our keys that the source has nothing for; they keep their initialisation.
        notes: what was done beyond renaming.
    """

    source: str
    state_dict: dict[str, Tensor]
    origin: dict[str, str]
    dropped: list[str]
    absent: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def take(
    source: str,
    state: Mapping[str, Tensor],
    model: nn.Module,
    name_of: Callable[[str], str | None],
    drop: Iterable[str] = (),
    absent: Iterable[str] = (),
    given: Mapping[str, float] | None = None,
) -> Conversion:
    """Fill the state dict of a model from that of another framework.

    Args:
        source: what the weights are.
        state: tensors by source key.
        model: the model to fill, on the meta device.
        name_of: source key of one of our keys; ``None`` if the source has no such thing.
        drop: regular expressions of whole source keys that may be left behind.
        absent: beginnings of our keys that the source has no fitting weights for.
        given: scalars that the source keeps in its code, by our key.

    Returns:
        The conversion; its tensors own their memory.

    Raises:
        CheckpointError: if a key is missing, unknown or of another shape.
    """
    absent, given = tuple(absent), given or {}
    filled, origin, left_out, missing, shapes = {}, {}, [], [], []
    notes = [f'{key} is {value}' for key, value in given.items()]
    counters = 0
    for key, like in model.state_dict().items():
        if key in given:
            filled[key] = torch.tensor(given[key], dtype=like.dtype)
            continue
        if key.startswith(absent):
            left_out.append(key)
            continue
        name = name_of(key)
        if name in state:
            origin[key] = name
            filled[key] = own(state[name])
            if state[name].shape != like.shape:
                shapes.append(f'{name} is {tuple(state[name].shape)}, expected {tuple(like.shape)}')
            elif state[name].is_floating_point() != like.is_floating_point():
                shapes.append(f'{name} is {state[name].dtype}, expected {like.dtype}')
        elif key.endswith('.num_batches_tracked'):
            # Files of PyTorch before 0.4.1 have no counters; BatchNorm with a momentum does not use them.
            filled[key] = torch.zeros((), dtype=torch.long)
            counters += 1
        else:
            missing.append(name or key)
    if counters:
        notes.append(f'{counters} num_batches_tracked set to 0')
    used = set(origin.values())
    rest = [key for key in state if key not in used]
    dropped = [key for key in rest if any(re.fullmatch(pattern, key) for pattern in drop)]
    refuse(source, missing=missing, unexpected=[key for key in rest if key not in dropped], shapes=shapes)
    return Conversion(source, filled, origin, dropped, left_out, notes)


def refuse(
    source: str, missing: Sequence[str] = (), unexpected: Sequence[str] = (), shapes: Sequence[str] = ()
) -> None:
    """Raise CheckpointError that names the first of each, if there are any."""
    if found := differences(missing, unexpected, shapes):
        raise CheckpointError(f'not {source}; {found}')


def own(tensor: Tensor) -> Tensor:
    """A copy that is no parameter and shares no memory with other weights."""
    return tensor.detach().clone(memory_format=torch.contiguous_format)
