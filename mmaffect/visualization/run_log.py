"""What the runs in a work dir logged, as one training."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import ConfigError

SCALARS = '*/vis_data/scalars.json'
DEPTH = 3
MOST = 6


@dataclass(frozen=True)
class Run:
    """Figures of a training.

    Attributes:
        name: of its work dir; of several, with as many folders above it as tell them apart.
        batches: iterations of an epoch.
        training: by name of the figure, iterations (from 1) and values.
        validation: by name of the figure, epochs (from 1) and values.
        releases: epochs after which layers were released.
        synthetic: trained on a synthetic corpus.
    """

    name: str
    batches: int
    training: dict[str, tuple[np.ndarray, np.ndarray]]
    validation: dict[str, tuple[np.ndarray, np.ndarray]]
    releases: list[int]
    synthetic: bool


def read_runs(work_dirs: Sequence[str | Path]) -> list[Run]:
    """Read trainings to be drawn side by side, each once.

    Args:
        work_dirs: folders of trainings. One that is none itself, as that of a cross-validation, stands for the
            trainings at most three folders below it that have logged a figure.

    Raises:
        ConfigError: as :func:`read_run`; also if more than six trainings are below a folder.
    """
    found = dict.fromkeys(path.resolve() for work_dir in work_dirs for path in _trainings(Path(work_dir)))
    names = _distinct([path.parts for path in found])
    return [replace(read_run(path), name=name) for path, name in zip(found, names, strict=True)]


def read_run(work_dir: str | Path) -> Run:
    """Join what all runs of a work dir logged.

    A run that was resumed writes to a folder of its own. From where it begins it counts, and not what a run before it
    had done beyond its last checkpoint.

    Args:
        work_dir: folder of a training; its JSON logs are those of MMEngine's ``LocalVisBackend``.

    Raises:
        ConfigError: if there is no JSON log, one is damaged, or none has a figure. The last line of a log, which a
            killed run may not have finished, is left out if it is damaged.
    """
    from ..evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE

    work_dir = Path(work_dir)
    # The names of the folders are times.
    logs = sorted(work_dir.glob(SCALARS))
    if not logs:
        raise ConfigError(f'{work_dir}: no {SCALARS}; expected the work dir of a training')
    rows: list[dict] = []
    for path in logs:
        rows = _continued(rows, list(_rows(path)))
    if not rows:
        raise ConfigError(f'{work_dir}: no figure in {", ".join(str(path.relative_to(work_dir)) for path in logs)}')
    trained = [row for row in rows if _is_training(row)]
    texts = (path.read_text(encoding='utf-8', errors='replace') for path in work_dir.glob('*/*.log'))
    return Run(
        name=work_dir.resolve().name,
        batches=max([-(-row['iter'] // row['epoch']) for row in trained], default=1),
        training=_curves(trained, 'iter'),
        validation=_curves([row for row in rows if not _is_training(row) and 'release' not in row], 'step'),
        releases=[row['step'] for row in rows if 'release' in row],
        synthetic=any(SYNTHETIC_NOTICE in text for text in texts),
    )


def _trainings(work_dir: Path) -> list[Path]:
    if any(work_dir.glob(SCALARS)):
        return [work_dir]
    logs = [path for depth in range(1, DEPTH + 1) for path in work_dir.glob('*/' * depth + SCALARS) if any(_rows(path))]
    found = sorted({path.parents[2] for path in logs})
    if len(found) > MOST:
        names = ', '.join(str(path.relative_to(work_dir)) for path in found)
        raise ConfigError(f'{work_dir}: {len(found)} trainings; expected at most {MOST}: name those to draw of {names}')
    return found or [work_dir]


def _distinct(paths: list[tuple[str, ...]]) -> list[str]:
    """The shortest ends of paths that differ."""
    for parts in range(1, max(map(len, paths), default=0) + 1):
        names = [str(Path(*path[-parts:])) for path in paths]
        if len(set(names)) == len(names):
            return names
    return []


def _rows(path: Path) -> Iterator[dict]:
    lines = path.read_text(encoding='utf-8', errors='replace').splitlines()
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            row['step'] = int(row['step'])
        except (ValueError, TypeError, KeyError):
            if number < len(lines):
                raise ConfigError(f'{path}: line {number} is no row of figures') from None
        else:
            # A validation without a training is of epoch 0.
            if row['step'] > 0:
                yield row


def _is_training(row: dict) -> bool:
    return 'iter' in row and 'epoch' in row


def _continued(before: list[dict], rows: list[dict]) -> list[dict]:
    """Rows of a training and of its continuation, without what the continuation did again."""
    if not rows:
        return before
    first = rows[0]
    if _is_training(first):
        kept = [row for row in before if row['step'] < (first['iter'] if _is_training(row) else first['epoch'])]
    else:
        kept = [row for row in before if (row['epoch'] - 1 if _is_training(row) else row['step']) < first['step']]
    return kept + rows


def _curves(rows: Iterable[dict], step: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    points: dict[str, dict[int, float]] = {}
    for row in rows:
        for key, value in row.items():
            if isinstance(value, int | float):
                points.setdefault(key.removeprefix('train/').removeprefix('val/'), {})[row[step]] = value
    return {
        key: (np.array(list(found)), np.array(list(found.values()), dtype=np.float64)) for key, found in points.items()
    }
