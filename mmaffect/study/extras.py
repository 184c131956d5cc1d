"""What lies beside a study's table: robustness to corruption, and one trial as an example."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ConfigError
from ..structures import AFFECT

ROBUSTNESS, EXAMPLE = 'robustness.csv', 'example.csv'
CLEAN = 'clean'
COLUMNS = ('weak', 'fusion', 'seed', 'corruption', 'severity', *AFFECT, 'mean')
FIRST = ('time', 'condition', *(f'annotated_{target}' for target in AFFECT))
DECIMALS = 4


@dataclass(frozen=True)
class Robustness:
    """CCC of corrupted corpora, the mean of valence and arousal.

    Attributes:
        values: by w, fusion, corruption and severity, of every seed; severity 0 is :data:`CLEAN`.
    """

    values: dict[tuple[float, str, str, int], tuple[float, ...]]

    @property
    def weak(self) -> list[float]:
        """Shares of decoupled time of the corpora, ascending."""
        return sorted({key[0] for key in self.values})

    def fusions(self, weak: float) -> list[str]:
        """Fusions at one w, in the order of the file."""
        return list(dict.fromkeys(key[1] for key in self.values if key[0] == weak))

    @property
    def corruptions(self) -> list[str]:
        """Names of the corruptions, in the order of the file."""
        return list(dict.fromkeys(key[2] for key in self.values if key[2] != CLEAN))

    @property
    def severities(self) -> list[int]:
        """Severities, from 1."""
        return sorted({key[3] for key in self.values} - {0})

    def of(self, weak: float, fusion: str, corruption: str, severity: int) -> np.ndarray:
        """CCC of every seed, ``(S,)``; empty where it was not measured."""
        name = CLEAN if severity == 0 else corruption
        return np.array(self.values.get((weak, fusion, name, severity), ()))

    def mean(self, weak: float, fusion: str, corruption: str | None = None) -> np.ndarray:
        """Of every seed the mean over severities, of one corruption or of all, ``(S,)``."""
        names = self.corruptions if corruption is None else [corruption]
        found = [self.of(weak, fusion, name, severity) for name in names for severity in self.severities]
        found = [one for one in found if len(one)]
        if len({len(one) for one in found}) > 1:
            raise ConfigError(f'{ROBUSTNESS}: w = {weak:g}, {fusion}: not every seed has every corruption')
        return np.mean(found, axis=0) if found else np.zeros(0)


@dataclass(frozen=True)
class Example:
    """One trial.

    Attributes:
        times: ``(T,)``, seconds.
        conditions: a word a frame.
        annotated: of valence and arousal ``(T,)``, NaN where there is none.
        predicted: by fusion the same.
        gates: by fusion and name, such as ``audio/iteration_1``, ``(T,)`` in [0, 1], NaN where there is none.
    """

    times: np.ndarray
    conditions: tuple[str, ...]
    annotated: dict[str, np.ndarray]
    predicted: dict[str, dict[str, np.ndarray]]
    gates: dict[str, dict[str, np.ndarray]]

    def spans(self) -> list[tuple[str, float, float]]:
        """Stretches of one condition: word, begin and end in seconds."""
        words = self.conditions
        starts = [k for k, word in enumerate(words) if k == 0 or word != words[k - 1]]
        edges = [*(float(self.times[k]) for k in starts), float(2 * self.times[-1] - self.times[-2])]
        return [(words[k], begin, end) for k, begin, end in zip(starts, edges, edges[1:], strict=False)]


def robustness_text(
    values: Mapping[tuple[float, str, int], Mapping[tuple[str, int], Mapping[str, float]]],
) -> str:
    """``robustness.csv``.

    Args:
        values: by w, fusion and seed, then by corruption and severity, CCC by target and ``'mean'``; in the order of
            the file.
    """
    rows = [
        (f'{run[0]:g}', *run[1:], *condition, *(_number(ccc[name]) for name in COLUMNS[5:]))
        for run, conditions in values.items()
        for condition, ccc in conditions.items()
    ]
    return _text(COLUMNS, rows)


def example_text(example: Example) -> str:
    """``example.csv``; columns ``<fusion>_<target>`` and ``<fusion>/<gate>``."""
    columns: dict[str, Sequence] = dict(zip(FIRST, (example.times, example.conditions), strict=False))
    columns |= {f'annotated_{target}': values for target, values in example.annotated.items()}
    for fusion, found in example.predicted.items():
        columns |= {f'{fusion}_{target}': values for target, values in found.items()}
    for fusion, found in example.gates.items():
        columns |= {f'{fusion}/{gate}': values for gate, values in found.items()}
    cells = [[one if isinstance(one, str) else _number(one) for one in column] for column in columns.values()]
    return _text(list(columns), zip(*cells, strict=True))


def _number(value: float) -> str:
    """Empty where there is none; no negative zero."""
    return '' if math.isnan(value) else f'{round(float(value), DECIMALS) + 0.0:.{DECIMALS}f}'


def _text(names: Sequence[str], rows: Iterable[Sequence]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(names)
    writer.writerows(rows)
    return file.getvalue()


def read_robustness(folder: str | Path) -> Robustness | None:
    """Read ``robustness.csv`` of a folder; ``None`` if there is none.

    Raises:
        ConfigError: if it is damaged; names file, line, what was found and what is expected.
    """
    path = Path(folder) / ROBUSTNESS
    if not path.is_file():
        return None
    values: dict[tuple[float, str, str, int], dict[int, float]] = {}
    for line, row in _rows(path, COLUMNS):
        try:
            weak, fusion, seed, corruption, severity = float(row[0]), row[1], int(row[2]), row[3], int(row[4])
            mean = float(row[7] or math.nan)
        except ValueError:
            raise ConfigError(f'{path}, line {line}: {",".join(row)!r}; expected {",".join(COLUMNS)}') from None
        if (severity == 0) != (corruption == CLEAN) or severity < 0:
            raise ConfigError(f'{path}, line {line}: {corruption}, severity {severity}; expected 0 of {CLEAN} alone')
        seeds = values.setdefault((weak, fusion, corruption, severity), {})
        if seed in seeds:
            raise ConfigError(f'{path}, line {line}: {fusion}, seed {seed}, {corruption} {severity} again')
        seeds[seed] = mean
    return Robustness({key: tuple(found[seed] for seed in sorted(found)) for key, found in values.items()})


def read_example(folder: str | Path) -> Example | None:
    """Read ``example.csv`` of a folder; ``None`` if there is none.

    Raises:
        ConfigError: if it is damaged; names file, line, what was found and what is expected.
    """
    path = Path(folder) / EXAMPLE
    if not path.is_file():
        return None
    rows = list(_rows(path, FIRST, more=True))
    (_, names), *rows = rows
    if len(rows) < 2:
        raise ConfigError(f'{path}: {len(rows)} rows; expected at least 2')
    columns: dict[str, list[float]] = {name: [] for name in names if name != 'condition'}
    for line, row in rows:
        for name, cell in zip(names, row, strict=True):
            if name != 'condition':
                try:
                    columns[name].append(float(cell) if cell else math.nan)
                except ValueError:
                    raise ConfigError(f'{path}, line {line}: {name} {cell[:40]!r}; expected a number') from None
    arrays = {name: np.array(cells) for name, cells in columns.items()}
    of_fusions = [name for name in names[len(FIRST) :] if '/' not in name]
    fusions = [name.removesuffix('_valence') for name in of_fusions if name.endswith('_valence')]
    predicted = {}
    for fusion in fusions:
        missing = [f'{fusion}_{target}' for target in AFFECT if f'{fusion}_{target}' not in arrays]
        if missing:
            raise ConfigError(f'{path}, line 1: no column {missing[0]}; expected one beside {fusion}_valence')
        predicted[fusion] = {target: arrays[f'{fusion}_{target}'] for target in AFFECT}
    gates: dict[str, dict[str, np.ndarray]] = {}
    taken = {*FIRST, *(f'{fusion}_{target}' for fusion in fusions for target in AFFECT)}
    for name in names:
        fusion, _, gate = name.partition('/')
        if name not in taken:
            if fusion not in fusions or not gate:
                raise ConfigError(f'{path}, line 1: column {name!r}; expected <fusion>/<gate> of {", ".join(fusions)}')
            gates.setdefault(fusion, {})[gate] = arrays[name]
    return Example(
        arrays['time'],
        tuple(row[1] for _, row in rows),
        {target: arrays[f'annotated_{target}'] for target in AFFECT},
        predicted,
        gates,
    )


def _rows(path: Path, columns: Sequence[str], *, more: bool = False) -> list[tuple[int, list[str]]]:
    """Lines and cells of a CSV file; with ``more`` there may be further columns, and the first line is returned too."""
    try:
        with open(path, encoding='utf-8', newline='') as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f'{path}: not a table ({error})') from None
    names = rows[0][1] if rows else []
    if (names[: len(columns)] if more else names) != list(columns):
        raise ConfigError(f'{path}, line 1: {",".join(names)[:80]!r}; expected {",".join(columns)!r}')
    for line, row in rows:
        if len(row) != len(names):
            raise ConfigError(f'{path}, line {line}: {len(row)} cells; expected {len(names)}')
    return rows if more else rows[1:]
