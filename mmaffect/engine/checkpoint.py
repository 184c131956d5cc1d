"""Reading checkpoints that may be damaged, hostile or of another model.

Order of the checks: size, magic bytes, SHA-256, zip directory and checksums, ``weights_only`` (or safetensors),
tensors, keys and shapes. There is no fallback to unsafe loading. A safetensors file has no checksum of its own: there
only an expected SHA-256 tells that a bit has changed.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from ..compat import allow_runner_checkpoints
from ..errors import CheckpointError
from ..utils.download import MAX_BYTES
from .checkpoint_files import HEAD_BYTES, check_legacy, check_safetensors, check_zip, identify

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
DTYPES = frozenset((*FLOATS, torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64))
# Tensors may share memory (tied weights), but not by the thousand.
MAX_SHARING = 4
# In the header of safetensors: what is known of the weights, as JSON.
META_KEY = 'mmaffect'


def read_checkpoint(
    path: str | Path, *, expected_sha256: str | None = None, max_bytes: int = MAX_BYTES, log: bool = True
) -> dict:
    """Read a checkpoint without running anything that it holds.

    Args:
        path: file of ``torch.save`` (also as PyTorch wrote it before 1.6), or safetensors.
        expected_sha256: hexadecimal digits, compared before anything is unpacked; without it the file's own is logged.
        max_bytes: largest size accepted, of the file and of what it unpacks to.
        log: log the SHA-256 of a file of which none is expected.

    Returns:
        The checkpoint: a Runner's with ``state_dict``, ``meta``, ..., or ``{'state_dict': ...}``; of published weights
        ``state_dict`` and ``meta``.

    Raises:
        CheckpointError: if the file is missing, too large, damaged, not a checkpoint, or has values that are not
            finite.
    """
    path = Path(path)
    try:
        size = _size(path)
        with open(path, 'rb') as file:
            return _read(file, size, path, expected_sha256, max_bytes, log)
    except CheckpointError as error:
        raise CheckpointError(f'{printable(path)}: {error}') from None
    except FileNotFoundError:
        raise CheckpointError(f'{printable(path)}: no such file') from None
    except OSError as error:
        raise CheckpointError(f'{printable(path)}: {error.strerror or error}') from None


def load_weights(model: nn.Module, path: str | Path, *, expected_sha256: str | None = None, log: bool = True) -> dict:
    """Load a checkpoint into a model whose keys and shapes must all be those of the file.

    Args:
        model: the model, on any device.
        path: as in :func:`read_checkpoint`.
        expected_sha256: as in :func:`read_checkpoint`.
        log: as in :func:`read_checkpoint`.

    Returns:
        The checkpoint.

    Raises:
        CheckpointError: as :func:`read_checkpoint`, and if the file is of another model.
    """
    checkpoint = read_checkpoint(path, expected_sha256=expected_sha256, log=log)
    check_model(model, checkpoint['state_dict'], path)
    model.load_state_dict(checkpoint['state_dict'], strict=True)
    return checkpoint


def check_model(model: nn.Module, state: Mapping[str, Tensor], path: str | Path) -> None:
    """Compare the keys and shapes of a state dict with those of a model.

    Raises:
        CheckpointError: if they differ, with the first differences.
    """
    wanted = model.state_dict()
    missing = [key for key in wanted if key not in state]
    unexpected = [key for key in state if key not in wanted]
    if found := differences(missing, unexpected, other_shapes(wanted, state)):
        raise CheckpointError(f'{path}: a checkpoint of another model; {found}')


def differences(missing: Sequence[str] = (), unexpected: Sequence[str] = (), shapes: Sequence[str] = ()) -> str:
    """How weights differ from those that are expected, with the first names of each kind; empty if they do not.

    Examples:
        >>> differences(missing=['a', 'b', 'c'], unexpected=['d'])
        'weights: 3 missing (a, b, ...); 1 unexpected (d)'
    """
    problems = [
        f'{len(found)} {kind} ({", ".join(map(printable, found[:2]))}{", ..." if len(found) > 2 else ""})'
        for kind, found in (('missing', missing), ('unexpected', unexpected), ('of another shape', shapes))
        if found
    ]
    return f'weights: {"; ".join(problems)}' if problems else ''


def other_shapes(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """Weights that two state dicts both have, in different shapes, as texts."""
    return [
        f'{key} is {tuple(state[key].shape)}, the model has {tuple(wanted[key].shape)}'
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]


def without_wrapper(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Keys without the ``module.`` that DataParallel puts before all of them."""
    if all(key.startswith('module.') for key in state):
        return {key.removeprefix('module.'): value for key, value in state.items()}
    return state


def printable(name: object) -> str:
    """A name from outside, without line breaks or control characters, and not long."""
    text = name if isinstance(name, str) else str(name) if isinstance(name, Path) else type(name).__name__
    short = text if len(text) <= 200 or isinstance(name, Path) else f'{text[:100]}...'
    return short if short.isprintable() else ascii(short)


def _size(path: Path) -> int:
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise CheckpointError('a folder; expected a file')
    if not stat.S_ISREG(status.st_mode):  # opening a FIFO would wait for ever
        raise CheckpointError('not a regular file')
    return status.st_size


def _read(file: BinaryIO, size: int, path: Path, expected_sha256: str | None, max_bytes: int, log: bool) -> dict:
    if not 0 < size <= max_bytes:
        raise CheckpointError(f'{size} bytes; expected 1 to {max_bytes}')
    head = file.read(HEAD_BYTES)
    kind = identify(head, size)
    file.seek(0)
    found = _sha256(file) if log or expected_sha256 is not None else None
    if expected_sha256 is None:
        if log:
            print_log(f'{path}: SHA-256 {found}', logger='current')
    elif found != expected_sha256.lower():
        raise CheckpointError(f'SHA-256 is {found}, expected {expected_sha256}; fetch it again')
    if kind == 'safetensors':
        check_safetensors(head)
        checkpoint = _read_safetensors(path)
    else:
        file.seek(0)
        if kind == 'zip':
            check_zip(file, size)
        else:
            check_legacy(file)
        file.seek(0)
        checkpoint = _read_torch(file)
    _check_sizes(checkpoint, size)
    _check_state(checkpoint['state_dict'])
    return checkpoint


def _sha256(file: BinaryIO) -> str:
    # hashlib.file_digest came with Python 3.11.
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _read_torch(file: BinaryIO) -> dict:
    allow_runner_checkpoints()
    try:
        checkpoint = torch.load(file, map_location='cpu', weights_only=True)
    # torch.load reports damage by many types, and its texts tell how to switch the protection off.
    except Exception as error:
        text = str(error)
        name = re.search(r'GLOBAL ([\w.]{1,80})', text)
        reason = (
            f'holds objects other than weights{f" ({name[1]})" if name else ""}'
            if 'weights_only' in text.lower() or 'weights only' in text.lower()
            else f'damaged ({type(error).__name__})'
        )
        raise CheckpointError(f'{reason}; it was not loaded') from None
    if not isinstance(checkpoint, dict):
        raise CheckpointError(f'holds a {type(checkpoint).__name__}; expected a dict with "state_dict"')
    return checkpoint if 'state_dict' in checkpoint else {'state_dict': checkpoint}


def _read_safetensors(path: Path) -> dict:
    from safetensors import safe_open

    try:
        with safe_open(path, framework='pt') as file:
            checkpoint: dict = {'state_dict': {key: file.get_tensor(key) for key in file.keys()}}  # noqa: SIM118
            text = (file.metadata() or {}).get(META_KEY)
        if text is not None:
            checkpoint['meta'] = dict(json.loads(text))
    except Exception as error:
        raise CheckpointError(f'damaged ({type(error).__name__})') from None
    return checkpoint


def _check_sizes(checkpoint: dict, size: int) -> None:
    """A stride of 0 makes a huge tensor of a few bytes, also outside the state dict."""
    total = 0
    for tensor in _tensors(checkpoint):
        if tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized or tensor.is_nested:
            raise CheckpointError('holds a sparse, quantised, nested or empty tensor; expected plain ones')
        count = tensor.numel() * tensor.element_size()
        stretched = any(stride == 0 and n > 1 for stride, n in zip(tensor.stride(), tensor.shape, strict=True))
        if count and (stretched or count > tensor.untyped_storage().nbytes()):
            raise CheckpointError(f'a tensor of shape {tuple(tensor.shape)} is larger than its data')
        total += count
        if tensor.untyped_storage().nbytes() > size or total > MAX_SHARING * size:
            raise CheckpointError('its tensors are larger than the file')


def _tensors(root: object) -> Iterator[Tensor]:
    # A pickle may nest to any depth, or hold itself.
    stack, seen = [root], set()
    while stack:
        node = stack.pop()
        if isinstance(node, Tensor):
            yield node
        elif isinstance(node, (Mapping, list, tuple, set)) and id(node) not in seen:
            seen.add(id(node))
            stack.extend(node.values() if isinstance(node, Mapping) else node)


def _check_state(state: object) -> None:
    if not isinstance(state, Mapping) or not state:
        raise CheckpointError('no weights in it')
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise CheckpointError(f'{printable(key)} is a {type(value).__name__}; expected a tensor')
        if value.dtype not in DTYPES:
            raise CheckpointError(f'{printable(key)} is of {value.dtype}; expected real numbers')
        if value.is_floating_point() and not _is_finite(value):
            raise CheckpointError(f'{printable(key)} has values that are not finite')


def _is_finite(value: Tensor) -> bool:
    # A sum keeps every NaN and infinity, at a fifth of the time; large finite values may still overflow it.
    return bool(torch.isfinite(value.sum())) or bool(torch.isfinite(value).all())
