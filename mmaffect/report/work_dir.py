"""Traces of a validation set, as tools/test.py leaves them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE
from ..evaluation.metrics.trace_writer import ABOUT

if TYPE_CHECKING:
    from ..traces.trace import Trace

# Names that begin with a dot are of files that a killed run was writing.
TRACES = '[!.]*.csv'


def find_traces(folder: str | Path) -> Path:
    """The folder of traces: ``folder/traces``, or the folder itself.

    Raises:
        ConfigError: neither holds one; names the command that writes them.
    """
    folder = Path(folder)
    for place in (folder / 'traces', folder):
        if any(place.glob(TRACES)):
            return place
    config = next(iter(sorted(folder.glob('*.py'))), 'CONFIG')
    checkpoint = next(iter(sorted(folder.glob('best_*.pth'))), 'CHECKPOINT')
    command = f'python tools/test.py {_quoted(config)} {_quoted(checkpoint)} --out {_quoted(folder / "traces")}'
    what = 'no trace' if folder.is_dir() else 'no such folder'
    raise ConfigError(f'{folder}: {what}; write the traces first: {command}')


def read_traces(folder: str | Path) -> list[Trace]:
    """Read all traces of a folder.

    Raises:
        ConfigError: none of them has annotations, as those of tools/infer.py.
        CorpusError: a file is no trace or damaged.
    """
    from ..traces.trace import Trace

    traces = [Trace.load(path) for path in sorted(Path(folder).glob(TRACES))]
    if all(trace.annotated is None for trace in traces):
        raise ConfigError(
            f'{folder}: traces without annotations; expected annotated_valence and annotated_arousal, as tools/test.py '
            '--out writes them (for the report of one recording, give its file)'
        )
    return traces


def is_synthetic(folder: str | Path) -> bool | None:
    """Whether the corpus of a folder of traces is synthetic: ``about.json`` in it or logs beside it say so, else None.

    Raises:
        ConfigError: ``about.json`` is not what tools/test.py writes.
    """
    about = Path(folder, ABOUT)
    if about.is_file():
        try:
            found = json.loads(about.read_bytes())['synthetic']
        except (ValueError, TypeError, KeyError, RecursionError):
            found = None
        if not isinstance(found, bool):
            raise ConfigError(f'{about}: does not say whether the corpus is synthetic; expected {{"synthetic": ...}}')
        return found
    # MMEngine's: a folder and a file of one name.
    logs = [path for path in Path(folder).parent.glob('*/*.log') if path.stem == path.parent.name]
    texts = [path.read_text(encoding='utf-8', errors='replace') for path in logs]
    return any(SYNTHETIC_NOTICE in text for text in texts) if texts else None


def _quoted(path: object) -> str:
    return shlex.quote(str(path))
