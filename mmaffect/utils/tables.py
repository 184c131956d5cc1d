"""CSV tables of numbers, a row a frame."""

import csv
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import CorpusError
from .files import replacing

MAX_BYTES = 1 << 28
MAX_COMMENT = 1 << 20
ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Table:
    """What a CSV file holds.

    Attributes:
        path: of the file.
        comment: text of a leading ``# `` line; ``None`` without one.
        names: of all columns, in order.
        columns: those that were asked for, each ``(rows,)`` float64.
        lines: ``(rows,)``, number of the line of each row.
    """

    path: Path
    comment: str | None
    names: list[str]
    columns: dict[str, np.ndarray]
    lines: np.ndarray

    @property
    def header_line(self) -> int:
        """Number of the line that names the columns."""
        return 1 if self.comment is None else 2


def write_table(path: str | Path, columns: Mapping[str, np.ndarray], comment: str | None = None) -> None:
    """Write columns of equal length as CSV, whole or not at all: integers as they are, other numbers to 6 decimals.

    Args:
        path: of the file.
        columns: by name, each ``(rows,)``; ``bool`` becomes 0 and 1, NaN ``nan``.
        comment: one line of text before the names, after ``# ``.
    """
    with replacing(path) as temporary, open(temporary, 'w', encoding='utf-8', newline='') as file:
        if comment is not None:
            file.write(f'# {comment}\n')
        file.write(','.join(columns) + '\n')
        file.writelines(table_lines(columns))


def table_lines(columns: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Lines of the rows of :func:`write_table`."""
    values = [np.asarray(column) for column in columns.values()]
    form = ','.join('%.6f' if one.dtype.kind == 'f' else '%d' for one in values) + '\n'
    for start in range(0, len(values[0]), ROWS_AT_ONCE):
        parts = (one[start : start + ROWS_AT_ONCE].tolist() for one in values)
        yield from (form % row for row in zip(*parts, strict=True))


def read_table(path: str | Path, wanted: Callable[[str], bool] = lambda name: True) -> Table:
    """Read a CSV file with one line of names, which a comment line may precede.

    Args:
        path: of the file, at most 256 MiB.
        wanted: whether a column of this name is read; its cells must be numbers (``nan`` is one).

    Raises:
        CorpusError: if it is no such table; names file, line, what was found and what is expected.
        OSError: as the system says.
    """
    path = Path(path)
    if path.stat().st_size > MAX_BYTES:
        raise CorpusError(f'{path}: {path.stat().st_size} bytes; expected a table of at most {MAX_BYTES}')
    try:
        with open(path, encoding='utf-8-sig', newline='') as file:
            return _read(path, file, wanted)
    except (UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f'{path}: not a table ({error})') from None


def _read(path: Path, file, wanted: Callable[[str], bool]) -> Table:
    comment = None
    if file.read(1) == '#':
        comment = file.readline(MAX_COMMENT)
        if len(comment) == MAX_COMMENT:
            raise CorpusError(f'{path}, line 1: a comment of more than {MAX_COMMENT} characters')
    else:
        file.seek(0)
    before = 0 if comment is None else 1
    rows = csv.reader(file)
    names = [cell.strip() for cell in next(rows, [])]
    indices = [index for index, name in enumerate(names) if wanted(name)]
    cells = [array('d') for _ in indices]
    lines = array('q')
    blank = 0
    for row in rows:
        number = rows.line_num + before
        if not any(row):
            # At the end of a file they mean nothing.
            blank = blank or number
            continue
        if blank or len(row) != len(names):
            found = f'{blank}: 0' if blank else f'{number}: {len(row)}'
            raise CorpusError(f'{path}, line {found} cells; expected {len(names)}, as in the header')
        lines.append(number)
        for index, column in zip(indices, cells, strict=True):
            try:
                column.append(float(row[index]))
            except ValueError:
                raise CorpusError(
                    f'{path}, line {number}: {names[index]} {row[index][:40]!r}; expected a number'
                ) from None
    if not lines:
        raise CorpusError(f'{path}: {before + bool(names)} lines; expected a header and a row for each frame')
    columns = {names[index]: np.array(column) for index, column in zip(indices, cells, strict=True)}
    if len(columns) < len(indices):
        raise CorpusError(f'{path}, line {before + 1}: found columns {", ".join(names)}; expected each once')
    return Table(path, None if comment is None else comment.strip(), names, columns, np.array(lines))


def check_counting(table: Table, name: str) -> None:
    """Raise :class:`CorpusError` unless a column of this name, in any case, counts the rows from 1 or is not there."""
    for key, found in table.columns.items():
        wrong = np.flatnonzero(found != np.arange(1, len(found) + 1))
        if key.casefold() == name and len(wrong):
            row = int(wrong[0])
            where = f'{table.path}, line {table.lines[row]}'
            raise CorpusError(f'{where}: {name} {found[row]:g}; expected {row + 1}')
