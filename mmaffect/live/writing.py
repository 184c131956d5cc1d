"""A trace that is written while it grows."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..streaming.trace import values_trace
from ..streaming.values import StreamValues
from ..traces.files import SCHEMA, SUFFIXES, VERSION
from ..traces.trace import Trace
from ..utils.files import replacing
from ..utils.tables import table_lines

INTERRUPTED = 'interrupted'


class GrowingTrace:
    """Appends values to a CSV file that is a whole trace at any moment; ``finish`` gives it its header and form.

    While it grows, the header has the flag ``interrupted``. JSON and npz files are written at the end; until then, and
    if the end never comes, the values are in ``<path>.csv`` (all to 6 decimals).

    Args:
        path: ``*.csv``, ``*.json`` or ``*.npz``; what is there is replaced when the first values come.
        header: what is known at the start.

    Attributes:
        rows: frames written.

    Raises:
        ConfigError: for another suffix.
        OSError: if it cannot be written.
    """

    def __init__(self, path: str | Path, header: Mapping[str, Any]) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in SUFFIXES:
            raise ConfigError(f'{path}: a trace is kept as {", ".join(SUFFIXES)}; found {self.path.suffix!r}')
        is_csv = self.path.suffix.lower() == '.csv'
        self.journal = self.path if is_csv else self.path.with_name(f'{self.path.name}.csv')
        self.rows = 0
        self._header = {**header, 'schema': SCHEMA, 'version': VERSION}
        self._file = None
        for path in {self.path, self.journal}:
            _check_place(path)

    def append(self, values: StreamValues) -> None:
        """Write values that follow those before, in one piece.

        Raises:
            OSError: as the system says; what was written before stays whole.
        """
        if not len(values):
            return
        flags = [*self._header.get('flags', ()), INTERRUPTED]
        trace = values_trace({**self._header, 'flags': flags}, values)
        columns = trace.columns()
        columns['frame'] = columns['frame'] + self.rows
        lines = ''
        if self._file is None:
            self.journal.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.journal, 'wb', buffering=0)  # noqa: SIM115
            lines = f'{_comment(trace.header)}{",".join(columns)}\n'
        lines += ''.join(table_lines(columns))
        self._write(lines.encode())
        self.rows += len(values)

    def _write(self, data: bytes) -> None:
        before = self._file.tell()
        try:
            done = 0
            while done < len(data):
                done += self._file.write(data[done:])
        except OSError:
            # On a full disk the first part may be there.
            self._file.truncate(before)
            raise

    def finish(self, header: Mapping[str, Any]) -> bool:
        """Write the file with its last header; return whether there is one: not without any value.

        Raises:
            OSError: as the system says; the file stays as it was while it grew.
        """
        if self._file is None:
            return False
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        if self.journal != self.path:
            replace(Trace.load(self.journal), header=dict(header)).save(self.path)
            self.journal.unlink()
            return True
        # However long it is.
        with replacing(self.path) as temporary, open(self.path, 'rb') as rows, open(temporary, 'wb') as file:
            rows.readline()
            file.write(_comment({**self._header, 'flags': [], **header}).encode())
            shutil.copyfileobj(rows, file)
        return True


def _comment(header: Mapping[str, Any]) -> str:
    return f'# {json.dumps(header, allow_nan=False)}\n'


def _check_place(path: Path) -> None:
    """Raise :class:`OSError` unless a file can be written here; what is there stays as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.exists()
    with open(path, 'ab'):
        pass
    if not before:
        path.unlink()
