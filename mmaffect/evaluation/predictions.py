"""Predictions that were written to a folder, a file for each trial."""

import csv
from pathlib import Path

import numpy as np

from ..errors import CorpusError
from ..structures import AFFECT


def read_predictions(folder: str | Path) -> dict[str, dict[str, np.ndarray]]:
    """Read what ``tools/test.py --out`` (:class:`TraceWriter`) wrote, or ``<trial>.txt`` files of another system.

    Args:
        folder: of ``<trial>.csv`` or, if there are none, ``<trial>.txt``. The first line names the columns; those named
            ``valence`` and ``arousal`` are read; if there is one named ``frame``, it must count from 1.

    Returns:
        By target that the folder holds, and by trial: ``(T, 1)`` float64.

    Raises:
        CorpusError: if the folder or a file is not that; names file, line, what was found and what is expected.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CorpusError(f'{folder}: no such folder; expected predictions that tools/test.py --out wrote')
    # A killed run may have left a file of a temporary name, which begins with a dot.
    paths = sorted(folder.glob('[!.]*.csv')) or sorted(folder.glob('[!.]*.txt'))
    if not paths:
        raise CorpusError(f'{folder}: no <trial>.csv in it; expected predictions that tools/test.py --out wrote')
    found: dict[str, dict[str, np.ndarray]] = {}
    targets: list[str] = []
    for path in paths:
        table = _read_table(path)
        found_here = [target for target in AFFECT if target in table]
        targets = targets or found_here
        if not found_here or found_here != targets:
            wanted = ' and '.join(targets) + f', as in {paths[0].name}' if targets else ' or '.join(AFFECT)
            raise CorpusError(f'{path}, line 1: found columns {", ".join(table)}; expected {wanted}')
        if 'frame' in table and not np.array_equal(table['frame'], np.arange(1, len(table['frame']) + 1)):
            row = int(np.flatnonzero(table['frame'] != np.arange(1, len(table['frame']) + 1))[0])
            raise CorpusError(f'{path}, line {row + 2}: frame {table["frame"][row]:g}; expected {row + 1}')
        for target in targets:
            found.setdefault(target, {})[path.stem] = table[target][:, None]
    return found


def _read_table(path: Path) -> dict[str, np.ndarray]:
    """Columns by name; those that are read must be numbers in each row."""
    try:
        with open(path, encoding='utf-8-sig', newline='') as file:
            rows = list(csv.reader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f'{path}: not a table ({error})') from None
    while rows and not any(rows[-1]):
        rows.pop()
    if len(rows) < 2:
        raise CorpusError(f'{path}: {len(rows)} lines; expected a header and a row for each frame')
    header = [cell.strip().casefold() for cell in rows[0]]
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise CorpusError(f'{path}, line {number}: {len(row)} cells; expected {len(header)}, as in the header')
    columns: dict[str, np.ndarray] = dict.fromkeys(header, np.empty(0))
    for name in {'frame', *AFFECT} & columns.keys():
        cells = [row[header.index(name)] for row in rows[1:]]
        try:
            columns[name] = np.array(cells, np.float64)
        except ValueError:
            number = next(n for n, cell in enumerate(cells, 2) if not _is_number(cell))
            raise CorpusError(f'{path}, line {number}: {name} {cells[number - 2][:40]!r}; expected a number') from None
    return columns


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
