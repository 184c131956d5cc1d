"""Files that are never half-written, and their checksums."""

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary name in the folder of ``path``; at the end rename it, on an error delete it.

    The temporary name keeps the suffix, since many writers choose the format by it.

    Raises:
        IsADirectoryError: if ``path`` is a folder; nothing is written then.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.stem}.{os.getpid()}.tmp{path.suffix}')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def write_array(path: str | Path, array: np.ndarray) -> tuple[int, str]:
    """Write a ``.npy`` file, whole or not at all.

    Returns:
        Its size in bytes and its SHA-256, taken while writing.
    """
    with replacing(path) as temporary, open(temporary, 'wb') as file:
        hashing = _HashingFile(file)
        np.lib.format.write_array(hashing, np.ascontiguousarray(array), allow_pickle=False)
        return hashing.finish()


def write_items(
    path: str | Path, items: Iterable[np.ndarray], shape: tuple[int, ...], dtype: np.dtype
) -> tuple[int, str]:
    """Write the same file of an array that is too large for memory.

    Args:
        path: file.
        items: ``shape[0]`` arrays of ``shape[1:]``, in order.
        shape: of the whole array.
        dtype: of the whole array.

    Returns:
        Its size in bytes and its SHA-256, taken while writing.

    Raises:
        ValueError: if there are more or fewer items, or one has another shape or type.
    """
    count = 0
    with replacing(path) as temporary, open(temporary, 'wb') as file:
        hashing = _HashingFile(file)
        header = {'descr': np.lib.format.dtype_to_descr(dtype), 'fortran_order': False, 'shape': shape}
        np.lib.format.write_array_header_1_0(hashing, header)
        for count, item in enumerate(items, 1):
            if item.shape != shape[1:] or item.dtype != dtype:
                raise ValueError(f'{path}: item {count} is {item.dtype} {item.shape}; expected {dtype} {shape[1:]}')
            hashing.write(item.tobytes())
        if count != shape[0]:
            raise ValueError(f'{path}: {count} items; expected {shape[0]}')
        return hashing.finish()


def sha256(path: str | Path) -> str:
    """SHA-256 of a file as hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class _HashingFile:
    def __init__(self, file) -> None:
        self.file = file
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self.file.write(data)

    def finish(self) -> tuple[int, str]:
        """Bring the file to the disk; its size and SHA-256."""
        self.file.flush()
        os.fsync(self.file.fileno())
        return self.file.tell(), self.sha256.hexdigest()
