"""What a checkpoint file is, found out before anything in it is unpacked."""

import io
import zipfile
from typing import BinaryIO, Literal

from ..errors import CheckpointError
from ..utils.download import is_page
from .pickle_cost import check_pickle

Kind = Literal['zip', 'legacy', 'safetensors']

HEAD_BYTES = 512
# Tables of contents of 8 MiB list about 80,000 tensors.
MAX_DIRECTORY_BYTES = 8 << 20

# What people keep under a checkpoint's name, by its first bytes.
FOREIGN = (
    (b'version https://git-lfs', 'a git-lfs pointer; fetch the file itself with "git lfs pull"'),
    (b'\x1f\x8b', 'a gzip file'),
    (b'bzh', 'a bzip2 file'),
    (b'\xfd7zxz', 'an xz file'),
    (b'7z\xbc\xaf', 'a 7-Zip file'),
    (b'rar!', 'a RAR file'),
    (b'\x89hdf', 'an HDF5 file'),
    (b'\x93numpy', 'a NumPy file'),
    (b'\x80', 'a plain pickle, which can run code when it is opened'),
)
# Begins every file that torch.save wrote before PyTorch 1.6: the pickle of 0x1950a86a20f9469cfc6c, protocol 2.
LEGACY = b'\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.'


def identify(head: bytes, size: int) -> Kind:
    """Kind of a checkpoint by its first bytes.

    Args:
        head: the first :data:`HEAD_BYTES` bytes.
        size: of the whole file.

    Raises:
        CheckpointError: naming what the file is, if that is no checkpoint.
    """
    if head.startswith(b'PK'):
        return 'zip'
    if head.startswith(LEGACY):
        return 'legacy'
    if head[8:9] == b'{' and int.from_bytes(head[:8], 'little') <= size - 8:
        return 'safetensors'
    if is_page(head):
        raise CheckpointError('this is an HTML page, not a checkpoint; its download did not reach the file')
    for magic, what in FOREIGN:
        if head.lower().startswith(magic):
            raise CheckpointError(f'this is {what}, not a checkpoint')
    if head[257:262] == b'ustar':
        raise CheckpointError('this is a tar file, not a checkpoint')
    raise CheckpointError(f'not a checkpoint (begins with {head[:4]!r}; expected torch.save or safetensors)')


def check_zip(file: BinaryIO, size: int) -> None:
    """Check the directory of a zip file of ``torch.save``, the checksum of every record and the pickle.

    Args:
        file: the file.
        size: its size in bytes.

    Raises:
        CheckpointError: if a record is compressed, overlaps another, has a strange name or other bytes than were
            written, or the pickle is too much work.
    """
    try:
        with zipfile.ZipFile(_BoundedReads(file)) as archive:
            _check_directory(archive.infolist(), size)
            damaged = archive.testzip()
            if damaged is None:
                for name in archive.namelist():
                    if name.endswith('/data.pkl'):
                        with archive.open(name) as record:
                            check_pickle(record)
    except CheckpointError:
        raise
    except Exception as error:  # zipfile reports damage by many types
        raise CheckpointError(f'truncated or damaged ({" ".join(str(error).split())[:80]})') from None
    if damaged is not None:
        raise CheckpointError(f'damaged: record {damaged[:80]!r} does not have the checksum that it was written with')


def check_legacy(file: BinaryIO) -> None:
    """Check the pickles of a file of PyTorch before 1.6; the data that follow them have no checksum.

    Raises:
        CheckpointError: if they are damaged or too much work.
    """
    # Magic number, version, sizes of integers, the object, names of the storages.
    check_pickle(file, 5)


def check_safetensors(head: bytes) -> None:
    """Check the length of the table of contents of a safetensors file; its reader checks the rest.

    Raises:
        CheckpointError: if it is too long to be one.
    """
    length = int.from_bytes(head[:8], 'little')
    if length > MAX_DIRECTORY_BYTES:
        raise CheckpointError(f'a table of contents of {length} bytes; expected at most {MAX_DIRECTORY_BYTES}')


def _check_directory(entries: list[zipfile.ZipInfo], size: int) -> None:
    names = [entry.filename for entry in entries]
    for name in names:
        parts = name.split('/')
        if len(parts) < 2 or '..' in parts or '' in parts or '\\' in name or ':' in parts[0]:
            raise CheckpointError(f'holds a record named {name[:80]!r}; expected names as torch.save gives them')
    inner = {name.partition('/')[2] for name in names}
    if 'constants.pkl' in inner:
        raise CheckpointError('this is a TorchScript program, not a checkpoint')
    if 'data.pkl' not in inner:
        raise CheckpointError('a zip file, but not one of torch.save (no data.pkl in it)')
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size for entry in entries):
        raise CheckpointError('holds compressed records; torch.save stores them uncompressed')
    if sum(entry.file_size for entry in entries) > size or len(set(names)) < len(names):
        raise CheckpointError('its records overlap')


class _BoundedReads(io.BufferedIOBase):
    """A file that refuses to be read in large pieces, as zipfile would a directory of gigabytes."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > MAX_DIRECTORY_BYTES:
            raise CheckpointError(f'a table of contents of {size} bytes; expected at most {MAX_DIRECTORY_BYTES}')
        return self.file.read(MAX_DIRECTORY_BYTES if size is None or size < 0 else size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True
