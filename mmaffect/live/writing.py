"""A trace that is written while it grows."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..streaming.trace import values_trace
from ..streaming.values import StreamValues
from ..traces.files import SUFFIXES
from ..traces.trace import Trace

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
    """

    def __init__(self, path: str | Path, header: Mapping[str, Any]) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in SUFFIXES:
            raise ConfigError(f'{path}: a trace is kept as {", ".join(SUFFIXES)}; found {self.path.suffix!r}')
        is_csv = self.path.suffix.lower() == '.csv'
        self.journal = self.path if is_csv else self.path.with_name(f'{self.path.name}.csv')
        self.rows = 0
        self._header = dict(header)
        self._file = None

    def append(self, values: StreamValues) -> None:
        """Write values that follow those before, in one piece.

        Raises:
            OSError: as the system says.
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
            lines = f'# {json.dumps(trace.header)}\n{",".join(columns)}\n'
        form = ','.join('%.6f' if one.dtype.kind == 'f' else '%d' for one in columns.values()) + '\n'
        lines += ''.join(form % row for row in zip(*(one.tolist() for one in columns.values()), strict=True))
        self._file.write(lines.encode())
        self.rows += len(values)

    def finish(self, header: Mapping[str, Any]) -> Trace | None:
        """Write the file with its last header; return the trace, ``None`` without any value.

        Raises:
            OSError: as the system says.
        """
        if self._file is None:
            return None
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        trace = replace(Trace.load(self.journal), header=dict(header))
        trace.save(self.path)
        if self.journal != self.path:
            self.journal.unlink()
        return trace
