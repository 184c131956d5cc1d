"""From a file of published weights to a file of ours."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..engine.checkpoint import printable, read_checkpoint, without_wrapper
from ..errors import CheckpointError, MMAffectError
from ..utils.files import replacing, sha256
from .base import Conversion, refuse


def convert_file(
    src: str | Path, dst: str | Path, convert: Callable[[Mapping[str, Tensor]], Conversion], prefix: str = ''
) -> Conversion:
    """Convert a checkpoint.

    Args:
        src: file as :func:`mmaffect.engine.checkpoint.read_checkpoint` reads it.
        dst: file to write, with ``state_dict`` and ``meta`` (source, SHA-256, dropped and absent keys).
        convert: the ``convert`` of a module beside this one.
        prefix: put before our keys, such as ``'visual.backbone.'``.

    Returns:
        The conversion, with the prefix.

    Raises:
        CheckpointError: if the file cannot be read safely or holds other weights; nothing is written then.
    """
    src, dst = Path(src), Path(dst)
    if dst.suffix == '.safetensors':
        raise CheckpointError(f'{dst}: written with torch.save; give it a name that ends in .pth')
    if dst.exists() and src.exists() and dst.samefile(src):
        raise CheckpointError(f'{dst}: is the source itself; give another name')
    state = without_wrapper(read_checkpoint(src)['state_dict'])
    try:
        refuse('published weights', shapes=[f'{key} is empty' for key, value in state.items() if not value.numel()])
        conversion = with_prefix(convert(state), prefix)
    except MMAffectError as error:
        raise type(error)(f'{src}: {error}') from None
    meta = {
        'source': conversion.source,
        'sha256': sha256(src),
        'dropped': conversion.dropped,
        'absent': conversion.absent,
        'notes': conversion.notes,
    }
    with replacing(dst) as temporary:
        torch.save({'state_dict': conversion.state_dict, 'meta': meta}, temporary)
    return conversion


def with_prefix(conversion: Conversion, prefix: str) -> Conversion:
    """The conversion with ``prefix`` before all of our keys."""
    return dataclasses.replace(
        conversion,
        state_dict={prefix + key: value for key, value in conversion.state_dict.items()},
        origin={prefix + key: name for key, name in conversion.origin.items()},
        absent=[prefix + key for key in conversion.absent],
    )


def summary(conversion: Conversion) -> str:
    """What became of a file: how many tensors, and every key that was left behind, is missing or was changed.

    Examples:
        >>> print(summary(Conversion('X', {'a': torch.zeros(2, 3)}, {'a': 'b'}, ['c'])))
        X: converted 1 tensors (6 values)
        dropped 1: c
    """
    values = sum(tensor.numel() for tensor in conversion.state_dict.values())
    size = f'{values / 1e6:.2f} M values' if values >= 10_000 else f'{values} values'
    lines = [f'{conversion.source}: converted {len(conversion.state_dict)} tensors ({size})']
    for what, keys in (('dropped', conversion.dropped), ('not in the source', conversion.absent)):
        if keys:
            lines.append(f'{what} {len(keys)}: {", ".join(map(printable, keys))}')
    return '\n'.join(lines + conversion.notes)
