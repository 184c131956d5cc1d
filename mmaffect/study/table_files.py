"""CSV files of a study's table: words, integers and numbers."""

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError
from ..utils.files import write_text

DECIMALS = 5


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _word(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


@dataclass(frozen=True)
class _Kind:
    """What a column holds: how it is read, written and called."""

    read: Callable[[str], object]
    write: Callable[[object], str]
    expected: str


_WORD = _Kind(_word, str, 'a word')
_COUNT = _Kind(int, str, 'an integer')
_WEAK = _Kind(_finite, '{:g}'.format, 'a number')
_SECONDS = _Kind(_finite, '{:.1f}'.format, 'a number')
_NUMBER = _Kind(_finite, f'{{:.{DECIMALS}f}}'.format, 'a number')
_PERHAPS = _Kind(float, f'{{:.{DECIMALS}f}}'.format, 'a number or nan')

_RUN = {'weak': _WEAK, 'fusion': _WORD, 'seed': _COUNT}
_PREDICTED = ('mean_pred', 'var_pred', 'cov')
FILES: dict[str, dict[str, _Kind]] = {
    'runs.csv': {**_RUN, 'parameters': _COUNT, 'epochs': _COUNT, 'seconds': _SECONDS},
    'truth.csv': {
        'weak': _WEAK,
        'trial': _WORD,
        'condition': _WORD,
        'frames': _COUNT,
        **{f'{target}_{name}': _NUMBER for target in ('valence', 'arousal') for name in ('mean', 'var')},
    },
    'moments.csv': {
        **_RUN,
        'trial': _WORD,
        'condition': _WORD,
        **{f'{target}_{name}': _NUMBER for target in ('valence', 'arousal') for name in _PREDICTED},
    },
    'gates.csv': {
        **_RUN,
        'gate': _WORD,
        'condition': _WORD,
        'frames': _COUNT,
        **dict.fromkeys(('auroc', 'low', 'high', 'mean_normal', 'mean_decoupled'), _PERHAPS),
    },
}
"""Columns of every file, in order."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file.

    Attributes:
        path: of the file.
        line: its number.
        cells: what is in it, in the order of the columns.
    """

    path: Path
    line: int
    cells: tuple

    def check(self, right: bool, text: str) -> None:
        """Raise :class:`ConfigError` that names file and line unless ``right``."""
        if not right:
            raise ConfigError(f'{self.path}, line {self.line}: {text}')


def read_rows(path: Path) -> list[Row]:
    """Read one of :data:`FILES`.

    Raises:
        ConfigError: if it is missing or no such file; names file, line, what was found and what is expected.
    """
    columns = FILES[path.name]
    try:
        with open(path, encoding='utf-8', newline='') as file:
            reader = csv.reader(file)
            names = next(reader, [])
            if names != list(columns):
                raise ConfigError(f'{path}, line 1: {",".join(names)[:80]!r}; expected {",".join(columns)!r}')
            return [_row(path, reader.line_num, cells, columns) for cells in reader]
    except FileNotFoundError:
        raise ConfigError(f'{path}: no such file; expected the table of a study') from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f'{path}: not a table ({error})') from None


def _row(path: Path, line: int, cells: Sequence[str], columns: dict[str, _Kind]) -> Row:
    if len(cells) != len(columns):
        raise ConfigError(f'{path}, line {line}: {len(cells)} cells; expected {len(columns)}')
    found = []
    for cell, (name, kind) in zip(cells, columns.items(), strict=True):
        try:
            found.append(kind.read(cell))
        except ValueError:
            raise ConfigError(f'{path}, line {line}: {name} {cell[:40]!r}; expected {kind.expected}') from None
    return Row(path, line, tuple(found))


def write_rows(path: Path, rows: Iterable[Sequence]) -> None:
    """Write one of :data:`FILES`, whole or not at all."""
    columns = FILES[path.name]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(columns)
    writes = [kind.write for kind in columns.values()]
    writer.writerows([write(cell) for write, cell in zip(writes, row, strict=True)] for row in rows)
    write_text(path, text.getvalue())
