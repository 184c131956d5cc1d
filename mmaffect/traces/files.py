"""Files of traces: the columns that CSV, JSON and npz have in common (docs/trace_format.md)."""

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, CorpusError
from ..structures import AFFECT
from ..utils.files import replacing
from ..utils.tables import MAX_BYTES, check_counting, read_table, write_table

SCHEMA = 'mmaffect.trace'
VERSION = 1
SUFFIXES = ('.csv', '.json', '.npz')
HEADER = (
    'schema', 'version', 'trial', 'input', 'input_sha256', 'mmaffect', 'model', 'weights', 'weights_sha256', 'command',
    'targets', 'frames', 'flags', 'traces', 'fps', 'duration', 'window', 'faces', 'voice', 'amp', 'synthetic', 'notice',
)  # fmt: skip
"""Keys of the header that docs/trace_format.md describes; there may be others."""
# By modality, then by name; a column of a table needs no quotes then.
GATE = re.compile(r'\w+(/[\w.-]+)+')


@dataclass(frozen=True)
class Column:
    """A column of the files.

    Attributes:
        name: in the first row.
        dtype: of NumPy, as npz files hold it.
        unit: of its numbers.
        range: of its numbers.
        optional: whether files without it can be read.
    """

    name: str
    dtype: str
    unit: str
    range: str
    optional: bool = False


COLUMNS = (
    Column('frame', 'int32', 'frames', '1 to the number of frames', optional=True),
    Column('time', 'float64', 'seconds', 'ascending'),
    *(Column(target, 'float32', '–', '[-1, 1] or NaN', optional=True) for target in AFFECT),
    *(Column(name, 'bool', '–', '0 or 1', optional=True) for name in ('face', 'voice')),
    Column('track', 'int32', '–', '-1, or from 0', optional=True),
    *(Column(f'face_{name}', 'float32', 'pixels', 'any or NaN', optional=True) for name in ('x', 'y')),
    *(Column(f'face_{name}', 'float32', 'pixels', 'from 0, or NaN', optional=True) for name in ('width', 'height')),
    Column('<modality>/<gate>', 'float32', 'share', '[0, 1] or NaN', optional=True),
    *(Column(f'annotated_{target}', 'float32', '–', '[-1, 1] or NaN', optional=True) for target in AFFECT),
)
BOX = tuple(column.name for column in COLUMNS if column.name.startswith('face_'))
_DTYPES = {column.name: column.dtype for column in COLUMNS}


def trace_columns(
    times: np.ndarray,
    affect: np.ndarray,
    targets: Sequence[str],
    *,
    face: np.ndarray | None = None,
    voice: np.ndarray | None = None,
    track: np.ndarray | None = None,
    box: np.ndarray | None = None,
    gates: Mapping[str, np.ndarray] | None = None,
    annotated: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Columns in the order of the format; those of what is not given are left out.

    Args:
        times: ``(T,)`` seconds.
        affect: ``(T, k)``.
        targets: names of the k columns.
        face, voice: ``(T,)`` bool.
        track: ``(T,)``.
        box: ``(T, 4)`` pixels.
        gates: ``(T,)`` by name.
        annotated: ``(T, 2)``.
    """
    columns = {'frame': np.arange(1, len(times) + 1, dtype=np.int32), 'time': times}
    columns.update((target, affect[:, k]) for k, target in enumerate(targets))
    single = {'face': face, 'voice': voice, 'track': track}
    columns.update((name, values) for name, values in single.items() if values is not None)
    if box is not None:
        columns.update(zip(BOX, box.T, strict=True))
    columns.update(gates or {})
    if annotated is not None:
        columns.update((f'annotated_{target}', annotated[:, k]) for k, target in enumerate(AFFECT))
    return {name: np.asarray(values, _dtype(name)) for name, values in columns.items()}


def write_trace(path: str | Path, header: Mapping[str, Any], columns: Mapping[str, np.ndarray]) -> None:
    """Write a file whole or not at all.

    Args:
        path: ``*.csv`` (numbers to 6 decimals), ``*.json`` (the same) or ``*.npz`` (exact).
        header: what is known of all frames, for JSON.
        columns: as :func:`trace_columns` returns them.

    Raises:
        ConfigError: for another suffix.
        OSError: as the system says.
    """
    path = Path(path)
    suffix = _suffix(path)
    line = json.dumps(header, allow_nan=False)
    if suffix == '.csv':
        write_table(path, columns, line)
        return
    with replacing(path) as temporary:
        if suffix == '.npz':
            # Of a name NumPy would make another one.
            with open(temporary, 'wb') as file:
                np.savez_compressed(file, allow_pickle=False, header=np.array(line), **columns)
            return
        with open(temporary, 'w', encoding='utf-8') as file:
            file.write(f'{{"header": {line},\n"columns": {{')
            for number, (name, values) in enumerate(columns.items()):
                file.write(f'{"," if number else ""}\n{json.dumps(name)}: {json.dumps(_numbers(values))}')
            file.write('}}\n')


def read_trace(path: str | Path) -> tuple[dict[str, Any] | None, dict[str, np.ndarray]]:
    """Read a file.

    Args:
        path: ``*.csv``, ``*.json`` or ``*.npz``.

    Returns:
        The header, ``None`` of a CSV file that begins with the names of its columns, as :class:`TraceWriter` writes
        them; and the columns that are there, in the order of the file.

    Raises:
        ConfigError: for another suffix.
        CorpusError: if it is no trace, damaged or of another version; names file, what was found and what is expected.
        OSError: as the system says.
    """
    path = Path(path)
    header, columns = {'.csv': _read_csv, '.json': _read_json, '.npz': _read_npz}[_suffix(path)](path)
    if header is not None:
        _check_header(path, header)
    for name in columns:
        if name not in _DTYPES and not GATE.fullmatch(name):
            raise CorpusError(f'{path}: a column {name[:40]!r}; expected those of {SCHEMA} {VERSION}')
    for column in COLUMNS:
        if not column.optional and column.name not in columns:
            raise CorpusError(f'{path}: found columns {", ".join(columns)}; expected {column.name} too')
    if len({values.shape for values in columns.values()}) > 1 or columns['time'].ndim != 1:
        shapes = ', '.join(f'{name} {values.shape}' for name, values in columns.items())
        raise CorpusError(f'{path}: {shapes}; expected columns of one length')
    columns = {name: _converted(path, name, values) for name, values in columns.items()}
    numbers = columns.get('frame', np.empty(0))
    if wrong := np.flatnonzero(numbers != np.arange(1, len(numbers) + 1)).tolist():
        raise CorpusError(f'{path}: frame {numbers[wrong[0]]}; expected {wrong[0] + 1}')
    return header, columns


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(f'{path}: a trace is kept as {", ".join(SUFFIXES)}; found the suffix {path.suffix!r}')
    return suffix


def _dtype(name: str) -> str:
    return _DTYPES.get(name, 'float32')


def _numbers(values: np.ndarray) -> list:
    if values.dtype.kind != 'f':
        return values.astype(np.int64).tolist()
    rounded = values.astype(np.float64).round(6)
    return [None if value != value else value for value in rounded.tolist()]


def _check_header(path: Path, header: object) -> None:
    if not isinstance(header, dict) or header.get('schema') != SCHEMA:
        found = header.get('schema') if isinstance(header, dict) else header
        raise CorpusError(f'{path}: schema {str(found)[:40]!r}; expected {SCHEMA!r}')
    if header.get('version') != VERSION:
        raise CorpusError(
            f'{path}: {SCHEMA} of version {str(header.get("version"))[:40]}; this release reads version {VERSION}'
        )


def _parsed(path: Path, text: str | bytes) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise CorpusError(f'{path}: no JSON ({_short(error)}); expected a trace') from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f'a key twice of {", ".join(key for key, _ in pairs)}')
    return found


def _read_csv(path: Path) -> tuple[dict | None, dict[str, np.ndarray]]:
    table = read_table(path)
    header = None if table.comment is None else _parsed(path, table.comment)
    check_counting(table, 'frame')
    return header, table.columns


def _read_json(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    _check_size(path, path.stat().st_size)
    found = _parsed(path, path.read_bytes())
    if not isinstance(found, dict) or not isinstance(found.get('columns'), dict):
        raise CorpusError(f'{path}: expected an object of "header" and "columns"')
    columns = {}
    for name, values in found['columns'].items():
        if not isinstance(values, list) or not all(one is None or type(one) in (int, float) for one in values):
            raise CorpusError(f'{path}: column {name[:40]!r}: expected a list of numbers and null')
        try:
            columns[name] = np.array([np.nan if one is None else one for one in values], np.float64)
        except OverflowError:
            raise CorpusError(f'{path}: column {name[:40]!r} has a number beyond float64') from None
    return found.get('header') or {}, columns


def _read_npz(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    arrays = {}
    for name, data in _members(path):
        try:
            array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
        except Exception as error:  # of what the parser of Python meets in a damaged head, too
            raise CorpusError(f'{path}: no arrays of NumPy ({_short(error)}); expected a trace') from None
        if name in arrays:
            raise CorpusError(f'{path}: two columns {name[:40]!r}; expected each once')
        arrays[name] = array
    header = arrays.pop('header', None)
    if header is None or header.dtype.kind != 'U' or header.ndim:
        raise CorpusError(f'{path}: no text named header in it; expected a trace')
    wrong = [name for name, values in arrays.items() if values.dtype.kind not in 'biuf']
    if wrong:
        raise CorpusError(f'{path}: column {wrong[0][:40]!r} is of type {arrays[wrong[0]].dtype}; expected numbers')
    return _parsed(path, header.item()), arrays


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    with open(path, 'rb') as file:
        try:
            archive = zipfile.ZipFile(file)
            _check_size(path, sum(member.file_size for member in archive.infolist()))
            for member in archive.infolist():
                # Of an archive that inflates to more than it says, no more is read.
                yield member.filename.removesuffix('.npy'), archive.open(member).read(member.file_size)
        except CorpusError:
            raise
        except Exception as error:  # every compression has its own
            raise CorpusError(f'{path}: a damaged archive ({_short(error)}); expected a trace') from None


def _short(error: Exception) -> str:
    return ' '.join(str(error).split())[:80]


def _check_size(path: Path, size: int) -> None:
    if size > MAX_BYTES:
        raise CorpusError(f'{path}: {size} bytes; expected a trace of at most {MAX_BYTES}')


def _converted(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    """As the format's type, if no value changes but by rounding."""
    dtype = _dtype(name)
    with np.errstate(invalid='ignore', over='ignore'):
        converted = values.astype(dtype)
    whole = values.astype(np.float64)
    bad = np.isinf(whole) if np.dtype(dtype).kind == 'f' else converted != whole
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise CorpusError(f'{path}, frame {row + 1}: {name} {whole[row]:g}; expected {_expected(name)}')
    return converted


def _expected(name: str) -> str:
    return next((column.range for column in COLUMNS if column.name == name), 'a share in [0, 1]')
