"""Predictions that were written to a folder, a file for each trial."""

from pathlib import Path

import numpy as np

from ..errors import CorpusError
from ..structures import AFFECT
from ..utils.tables import check_counting, read_table


def read_predictions(folder: str | Path) -> dict[str, dict[str, np.ndarray]]:
    """Read what ``tools/test.py --out`` (:class:`TraceWriter`) or ``tools/infer.py`` wrote, or files of another system.

    Args:
        folder: of ``<trial>.csv`` or, if there are none, ``<trial>.txt``. The first line, after a comment ``# ...`` if
            there is one, names the columns; those named ``valence`` and ``arousal`` are read; if there is one named
            ``frame``, it must count from 1.

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
        table = read_table(path, lambda name: name.casefold() in ('frame', *AFFECT))
        columns = {name.casefold(): values for name, values in table.columns.items()}
        found_here = [target for target in AFFECT if target in columns]
        targets = targets or found_here
        if not found_here or found_here != targets:
            wanted = ' and '.join(targets) + f', as in {paths[0].name}' if targets else ' or '.join(AFFECT)
            where = f'{path}, line {table.header_line}'
            raise CorpusError(f'{where}: found columns {", ".join(table.names)}; expected {wanted}')
        check_counting(table, 'frame')
        for target in targets:
            found.setdefault(target, {})[path.stem] = columns[target][:, None]
    return found
