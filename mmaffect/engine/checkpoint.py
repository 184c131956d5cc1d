"""Reading checkpoints that may be damaged, hostile or of another model.

Order of the checks: size, magic bytes, SHA-256, zip directory, ``weights_only`` (or safetensors), tensors, keys and
shapes. There is no fallback to unsafe loading.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ..compat import allow_runner_checkpoints
from ..errors import CheckpointError
from ..utils.files import sha256

MAX_BYTES = 8 << 30

# What people keep under a checkpoint's name, by its first bytes.
FOREIGN = (
    (b'version https://git-lfs', 'a git-lfs pointer; fetch the file itself with "git lfs pull"'),
    (b'<!DOCTYPE', 'an HTML page; the download did not reach the file'),
    (b'<html', 'an HTML page; the download did not reach the file'),
    (b'\x1f\x8b', 'a gzip file'),
    (b'\x89HDF', 'an HDF5 file'),
    (b'\x80', 'a plain pickle or a checkpoint of PyTorch before 1.6, which can run code when it is opened'),
)


def read_checkpoint(path: str | Path, *, expected_sha256: str | None = None, max_bytes: int = MAX_BYTES) -> dict:
    """Read a checkpoint without running anything that it holds.

    Args:
        path: ``.pth`` file as ``torch.save`` writes it, or ``.safetensors``.
        expected_sha256: hexadecimal digits, compared before the file is opened.
        max_bytes: largest size accepted, of the file and of what it unpacks to.

    Returns:
        The checkpoint: a Runner's with ``state_dict``, ``meta``, ..., or ``{'state_dict': ...}``.

    Raises:
        CheckpointError: if the file is missing, too large, damaged, not a checkpoint, or has values that are not
            finite.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f'{path}: no such file')
    size = path.stat().st_size
    if not 0 < size <= max_bytes:
        raise CheckpointError(f'{path}: {size} bytes; expected 1 to {max_bytes}')
    with open(path, 'rb') as file:
        head = file.read(64)
    for magic, what in FOREIGN:
        if head.lstrip().lower().startswith(magic.lower()):
            raise CheckpointError(f'{path}: this is {what}, not a checkpoint')
    if expected_sha256 is not None and (found := sha256(path)) != expected_sha256:
        raise CheckpointError(f'{path}: SHA-256 is {found}, expected {expected_sha256}; fetch it again')
    if path.suffix == '.safetensors':
        checkpoint = {'state_dict': _read_safetensors(path)}
    else:
        _check_zip(path, head, max_bytes)
        checkpoint = _read_torch(path)
    _check_tensors(path, checkpoint['state_dict'])
    return checkpoint


def load_weights(model: nn.Module, path: str | Path, *, expected_sha256: str | None = None) -> dict:
    """Load a checkpoint into a model whose keys and shapes must all be those of the file.

    Args:
        model: the model, on any device.
        path: as in :func:`read_checkpoint`.
        expected_sha256: as in :func:`read_checkpoint`.

    Returns:
        The checkpoint.

    Raises:
        CheckpointError: as :func:`read_checkpoint`, and if the file is of another model.
    """
    checkpoint = read_checkpoint(path, expected_sha256=expected_sha256)
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
    shapes = [
        f'{key} is {tuple(state[key].shape)}, the model has {tuple(wanted[key].shape)}'
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    problems = [
        f'{len(found)} {kind} ({", ".join(found[:2])}{", ..." if len(found) > 2 else ""})'
        for kind, found in (('missing', missing), ('unexpected', unexpected), ('of another shape', shapes))
        if found
    ]
    if problems:
        raise CheckpointError(f'{path}: a checkpoint of another model; weights: {"; ".join(problems)}')


def _check_zip(path: Path, head: bytes, max_bytes: int) -> None:
    if not head.startswith(b'PK'):
        raise CheckpointError(f'{path}: not a checkpoint (begins with {head[:4]!r}; expected a zip file of torch.save)')
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise CheckpointError(f'{path}: truncated or damaged ({error})') from None
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise CheckpointError(f'{path}: holds compressed records; torch.save stores them uncompressed')
    if sum(entry.file_size for entry in entries) > max_bytes:
        raise CheckpointError(f'{path}: unpacks to more than {max_bytes} bytes')


def _read_torch(path: Path) -> dict:
    allow_runner_checkpoints()
    try:
        checkpoint = torch.load(path, map_location='cpu', weights_only=True)
    # torch.load reports damage by many types, and its texts tell how to switch the protection off.
    except Exception as error:
        reason = 'holds objects other than weights' if 'weights_only' in str(error).lower() else 'damaged'
        raise CheckpointError(f'{path}: {reason} ({type(error).__name__}); it was not loaded') from None
    if not isinstance(checkpoint, dict):
        raise CheckpointError(f'{path}: holds a {type(checkpoint).__name__}; expected a dict with "state_dict"')
    return checkpoint if 'state_dict' in checkpoint else {'state_dict': checkpoint}


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors.torch import load_file
    except ImportError:
        raise CheckpointError(f'{path}: needs the safetensors package (pip install safetensors)') from None
    try:
        return load_file(path)
    except Exception as error:
        raise CheckpointError(f'{path}: damaged ({type(error).__name__})') from None


def _check_tensors(path: Path, state: object) -> None:
    if not isinstance(state, Mapping) or not state:
        raise CheckpointError(f'{path}: no weights in it')
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise CheckpointError(f'{path}: {key!r} is a {type(value).__name__}; expected a tensor')
        # A stride of 0 makes a huge tensor of a few bytes.
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise CheckpointError(f'{path}: {key} of shape {tuple(value.shape)} is larger than its data')
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise CheckpointError(f'{path}: {key} has values that are not finite')
