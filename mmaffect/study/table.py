"""What the runs of a study measured, as small text files."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import ConfigError
from ..evaluation.functional import Moments
from .table_files import DECIMALS, FILES, Row, read_rows, write_rows

NORMAL, ALL = 'normal', 'all'
TARGETS = ('valence', 'arousal')
GATE_FIGURES = ('auroc', 'low', 'high', 'mean_normal', 'mean_decoupled')
ROUNDING = 10**-DECIMALS


@dataclass(frozen=True)
class _Truth:
    """Of one w: the pairs of trial and condition, in order, their frames and the moments of their annotations."""

    keys: tuple[tuple[str, str], ...]
    frames: np.ndarray
    moments: np.ndarray


@dataclass(frozen=True)
class _Run:
    parameters: int
    epochs: int
    seconds: float
    moments: np.ndarray
    gates: tuple[dict, ...]


class StudyTable:
    """Runs of a study by share of decoupled time w, fusion and seed.

    Of every run it holds the moments of its predictions by trial and condition, so that a CCC over any choice of trials
    and conditions can be computed without the predictions; and how well its gates tell decoupled frames. Numbers are
    rounded as they enter, to 5 decimals: what is computed from the files is what was computed from the runs.

    Examples:
        >>> rows = [dict(trial='a', condition='normal', frames=9, valence=[0, 1, 0, 1, 1], arousal=[0, 1, 0, 1, 0.5])]
        >>> run = dict(weak=0.2, fusion='grjca', seed=0, parameters=5, epochs=1, seconds=2, trials=rows, gates=[])
        >>> table = StudyTable.from_records([run])
        >>> table.weak, table.fusions(0.2), table.moments(0.2, 'grjca').shape
        ((0.2,), ('grjca',), (1, 1, 2, 6))
    """

    def __init__(self) -> None:
        self._truth: dict[float, _Truth] = {}
        self._runs: dict[tuple[float, str, int], _Run] = {}

    @classmethod
    def from_records(cls, records: Iterable[Mapping]) -> 'StudyTable':
        """Table of what runs recorded, as :meth:`add` takes it; of two records of a run the later counts."""
        table = cls()
        for record in records:
            table.add(record)
        return table

    def add(self, record: Mapping) -> None:
        """Add a run, or put it in the place of an earlier one of the same w, fusion and seed.

        Args:
            record: ``weak``, ``fusion``, ``seed``, ``parameters``, ``epochs``, ``seconds``; ``trials``, of each trial
                and condition a dict of ``trial``, ``condition``, ``frames`` (at least 1) and of each target
                ``[mean_pred, var_pred, mean_truth, var_truth, cov]``, population moments over these frames; ``gates``,
                dicts as :func:`mmaffect.study.gates.detector` gives them.

        Raises:
            ConfigError: if a key is missing, a moment is not finite, a variance is negative, or frames or annotations
                differ from those of other runs with the same w.
        """
        try:
            key = float(f'{record["weak"]:g}'), str(record['fusion']), int(record['seed'])
            rows = sorted(record['trials'], key=lambda row: _order(row['trial'], row['condition']))
            keys = tuple((row['trial'], row['condition']) for row in rows)
            frames = np.array([row['frames'] for row in rows], np.int64)
            given = np.array([[row[target] for target in TARGETS] for row in rows], np.float64)
            gates = tuple(sorted(map(_gate, record['gates']), key=_gate_order))
            numbers = int(record['parameters']), int(record['epochs']), round(float(record['seconds']), 1)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f'record of a run: {type(error).__name__} {error}; expected what a run writes') from None
        name = f'w={key[0]:g}, {key[1]}, seed {key[2]}'
        if given.shape != (len(keys), len(TARGETS), 5) or not keys or len(set(keys)) < len(keys):
            raise ConfigError(f'{name}: moments {given.shape}; expected 5 of each target, once a trial and condition')
        if not np.isfinite(given).all() or (given[..., [1, 3]] < 0).any() or (frames < 1).any():
            raise ConfigError(f'{name}: a moment that is not finite, a negative variance or no frames')
        given = _rounded(given)
        truth = _Truth(keys, frames, given[..., 2:4])
        if any(other[0] == key[0] and other != key for other in self._runs):
            known = self._truth[key[0]]
            if known.keys != keys or (known.frames != frames).any():
                raise ConfigError(f'{name}: other trials, conditions or frames than the runs before with this w')
            if np.abs(known.moments - truth.moments).max() > 2.5 * 10**-DECIMALS:
                raise ConfigError(f'{name}: other annotations than the runs before with this w')
        else:
            self._truth[key[0]] = truth
        self._runs[key] = _Run(*numbers, given[..., [0, 1, 4]], gates)

    @classmethod
    def load(cls, folder: str | Path) -> 'StudyTable':
        """Read what :meth:`write` wrote.

        Raises:
            ConfigError: if a file is missing or damaged; names file, line, what was found and what is expected.
        """
        table = cls()
        rows = {name: read_rows(Path(folder) / name) for name in FILES}
        truth: dict[float, dict[tuple[str, str], Row]] = {}
        for row in rows['truth.csv']:
            weak, trial, condition, frames, *values = row.cells
            row.check(frames >= 1, f'frames {frames}; expected at least 1')
            row.check(min(values[1::2]) >= 0, 'a negative variance')
            row.check((trial, condition) not in truth.setdefault(weak, {}), f'{trial}, {condition} for the second time')
            truth[weak][trial, condition] = row
        for weak, found in truth.items():
            keys = tuple(sorted(found, key=lambda key: _order(*key)))
            values = np.array([found[key].cells[4:] for key in keys]).reshape(-1, len(TARGETS), 2)
            table._truth[weak] = _Truth(keys, np.array([found[key].cells[3] for key in keys]), values)
        runs = {}
        for row in rows['runs.csv']:
            key = row.cells[:3]
            row.check(key not in runs, f'{key} for the second time')
            row.check(key[0] in truth, f'weak {key[0]:g}; expected one of truth.csv')
            runs[key] = row
        moments: dict[tuple, dict[tuple[str, str], list[float]]] = {key: {} for key in runs}
        gates: dict[tuple, list[dict]] = {key: [] for key in runs}
        for row in (*rows['moments.csv'], *rows['gates.csv']):
            row.check(row.cells[:3] in runs, f'run {row.cells[:3]}; expected one of runs.csv')
        for row in rows['moments.csv']:
            own, key = moments[row.cells[:3]], row.cells[3:5]
            row.check(key in truth[row.cells[0]], f'{", ".join(key)}; expected trial and condition of truth.csv')
            row.check(key not in own, f'{", ".join(key)} for the second time')
            row.check(min(row.cells[6::3]) >= 0, 'a negative variance')
            variances = zip(row.cells[6::3], truth[row.cells[0]][key].cells[5::2], strict=True)
            # All three are rounded.
            most = [math.sqrt((a + ROUNDING) * (b + ROUNDING)) + ROUNDING for a, b in variances]
            possible = all(abs(cov) <= bound for cov, bound in zip(row.cells[7::3], most, strict=True))
            row.check(possible, 'a covariance that the variances do not allow')
            own[key] = row.cells[5:]
        for row in rows['gates.csv']:
            names = ('gate', 'condition', 'frames', *GATE_FIGURES)
            gate, own = dict(zip(names, row.cells[3:], strict=True)), gates[row.cells[:3]]
            row.check(not any(gate[name] < 0 or gate[name] > 1 for name in GATE_FIGURES), 'a figure outside [0, 1]')
            row.check(_gate_order(gate) not in map(_gate_order, own), f'{row.cells[3]}, {row.cells[4]} again')
            own.append(gate)
        for key, row in runs.items():
            keys = table._truth[key[0]].keys
            row.check(len(moments[key]) == len(keys), f'{len(moments[key])} rows in moments.csv; expected {len(keys)}')
            values = np.array([moments[key][one] for one in keys]).reshape(-1, len(TARGETS), 3)
            found = tuple(sorted(gates[key], key=_gate_order))
            table._runs[key] = _Run(*row.cells[3:], values, found)
        return table

    @classmethod
    def joined(cls, *tables: 'StudyTable') -> 'StudyTable':
        """The runs that all tables have, measured on the trials of all: each by the run of its own table.

        Trials are called ``<number of the table>_<name>``. Parameters, epochs and seconds are those of the first table;
        gates are left out.

        Args:
            tables: of studies with other corpora, at least one.
        """
        whole = cls()
        common = set.intersection(*(set(table._runs) for table in tables))
        for weak in {key[0] for key in common}:
            truths = [table._truth[weak] for table in tables]
            keys = [(f'{n}_{trial}', word) for n, truth in enumerate(truths, 1) for trial, word in truth.keys]
            frames, moments = (np.concatenate([getattr(one, name) for one in truths]) for name in ('frames', 'moments'))
            whole._truth[weak] = _Truth(tuple(keys), frames, moments)
        for key in common:
            runs = [table._runs[key] for table in tables]
            whole._runs[key] = replace(runs[0], moments=np.concatenate([run.moments for run in runs]), gates=())
        return whole

    def pooled(self) -> 'StudyTable':
        """The same runs with one row a trial: over all its frames, in the condition ``'all'``."""
        whole = StudyTable()
        for weak in self.weak:
            trials = self.trials(weak)
            keys = tuple((trial, ALL) for trial in trials)
            frames = np.sum(list(self.frames(weak).values()), axis=0)
            for name in self.fusions(weak):
                sums = self.moments(weak, name)
                _, mean_p, mean_t, var_p, var_t, cov = Moments(sums).centred()
                whole._truth[weak] = _Truth(keys, frames, _rounded(np.stack([mean_t, var_t], axis=-1)[0]))
                predicted = _rounded(np.stack([mean_p, var_p, cov], axis=-1))
                for seed, moments in zip(self.seeds(weak, name), predicted, strict=True):
                    run = self._runs[weak, name, seed]
                    whole._runs[weak, name, seed] = replace(run, moments=moments)
        return whole

    def write(self, folder: str | Path) -> None:
        """Write ``runs.csv``, ``truth.csv``, ``moments.csv`` and ``gates.csv``, sorted, each whole or not at all."""
        runs = sorted(self._runs.items())
        content: dict[str, list[tuple]] = {name: [] for name in FILES}
        for weak in self.weak:
            truth = self._truth[weak]
            for key, frames, values in zip(truth.keys, truth.frames.tolist(), truth.moments, strict=True):
                content['truth.csv'].append((weak, *key, frames, *values.ravel().tolist()))
        for (weak, *name), run in runs:
            content['runs.csv'].append((weak, *name, run.parameters, run.epochs, run.seconds))
            for key, values in zip(self._truth[weak].keys, run.moments, strict=True):
                content['moments.csv'].append((weak, *name, *key, *values.ravel().tolist()))
            content['gates.csv'] += [(weak, *name, *gate.values()) for gate in run.gates]
        for name, rows in content.items():
            write_rows(Path(folder) / name, rows)

    def __len__(self) -> int:
        """Number of runs."""
        return len(self._runs)

    @property
    def weak(self) -> tuple[float, ...]:
        """Shares of decoupled time, ascending."""
        return tuple(sorted({weak for weak, *_ in self._runs}))

    @property
    def conditions(self) -> tuple[str, ...]:
        """All conditions, ``'normal'`` first."""
        found = {condition for weak in self.weak for _, condition in self._truth[weak].keys}
        return tuple(sorted(found, key=lambda word: _order('', word)))

    @property
    def decoupled(self) -> tuple[str, ...]:
        """All conditions but ``'normal'``."""
        return tuple(word for word in self.conditions if word != NORMAL)

    def fusions(self, weak: float) -> tuple[str, ...]:
        """Names of the fusions that have a run with this w, sorted."""
        return tuple(sorted({fusion for w, fusion, _ in self._runs if w == weak}))

    def seeds(self, weak: float, fusion: str) -> tuple[int, ...]:
        """Seeds of the runs, ascending."""
        return tuple(sorted(seed for w, name, seed in self._runs if (w, name) == (weak, fusion)))

    def trials(self, weak: float) -> tuple[str, ...]:
        """Trials that the runs with this w were measured on, sorted."""
        if weak not in self.weak:
            raise ConfigError(f'w={weak:g}; expected one of {", ".join(f"{w:g}" for w in self.weak) or "no runs"}')
        return tuple(dict.fromkeys(trial for trial, _ in self._truth[weak].keys))

    def frames(self, weak: float) -> dict[str, np.ndarray]:
        """Valid frames of every trial ``(T,)``, by condition of the table."""
        at, truth = self._places(weak), self._truth[weak]
        kind = np.array([condition for _, condition in truth.keys])
        return {
            word: np.bincount(at[kind == word], truth.frames[kind == word], len(self.trials(weak))).astype(int)
            for word in self.conditions
        }

    def moments(
        self,
        weak: float,
        fusion: str,
        conditions: Collection[str] | None = None,
        seeds: Collection[int] | None = None,
    ) -> np.ndarray:
        """Sums over frames, as :class:`mmaffect.evaluation.functional.Moments` holds them.

        Args:
            weak: share of decoupled time.
            fusion: name.
            conditions: of the frames that count; ``None`` for all.
            seeds: of the runs that count, in this order; ``None`` for all, ascending.

        Returns:
            ``(S, T, 2, 6)`` float64: seeds, trials, valence and arousal; n, sum p, sum t, sum p^2, sum t^2, sum p t. A
            trial without such a frame has zeros.

        Raises:
            ConfigError: if there is no such run or condition.
        """
        unknown = sorted(set(conditions or ()) - set(self.conditions))
        if unknown:
            raise ConfigError(f'condition {unknown[0]!r}; expected one of {", ".join(self.conditions)}')
        at, truth = self._places(weak), self._truth[weak]
        runs = self._found(weak, fusion, seeds)
        used = np.array([conditions is None or condition in conditions for _, condition in truth.keys])
        n = (truth.frames * used)[:, None]
        mean_p, var_p, cov = np.moveaxis(np.stack([run.moments for run in runs]), -1, 0)
        mean_t, var_t = np.broadcast_to(np.moveaxis(truth.moments, -1, 0)[:, None], (2, *mean_p.shape))
        ones = np.ones_like(mean_p)
        sums = n[..., None] * np.stack(
            (ones, mean_p, mean_t, var_p + mean_p**2, var_t + mean_t**2, cov + mean_p * mean_t), axis=-1
        )
        total = np.zeros((len(runs), len(self.trials(weak)), len(TARGETS), 6))
        np.add.at(total, (slice(None), at), sums)
        return total

    def runs(self, weak: float, fusion: str) -> list[dict]:
        """``seed``, ``parameters``, ``epochs`` and ``seconds`` of every run, by seed."""
        seeds = self.seeds(weak, fusion)
        return [
            {'seed': seed, 'parameters': run.parameters, 'epochs': run.epochs, 'seconds': run.seconds}
            for seed, run in zip(seeds, self._found(weak, fusion, None), strict=True)
        ]

    def gates(self, weak: float, fusion: str) -> list[dict]:
        """What the gates told, a dict a seed, gate and condition, as :meth:`add` takes them, with ``seed``."""
        seeds, runs = self.seeds(weak, fusion), self._found(weak, fusion, None)
        return [{'seed': seed, **gate} for seed, run in zip(seeds, runs, strict=True) for gate in run.gates]

    def _places(self, weak: float) -> np.ndarray:
        """Index into the trials of every pair of trial and condition."""
        index = {trial: place for place, trial in enumerate(self.trials(weak))}
        return np.array([index[trial] for trial, _ in self._truth[weak].keys])

    def _found(self, weak: float, fusion: str, seeds: Collection[int] | None) -> list[_Run]:
        known = self.seeds(weak, fusion)
        if not known:
            names = ', '.join(self.fusions(weak)) or 'no runs'
            raise ConfigError(f'w={weak:g}: fusion {fusion!r}; expected one of {names}')
        wanted = known if seeds is None else tuple(seeds)
        missing = [seed for seed in wanted if seed not in known]
        if missing or not wanted:
            raise ConfigError(f'w={weak:g}, {fusion}: seeds {wanted}; expected of {known}')
        return [self._runs[weak, fusion, seed] for seed in wanted]


def _order(trial: str, condition: str) -> tuple:
    return trial, condition != NORMAL, condition


def _gate(gate: Mapping) -> dict:
    figures = {name: float(_rounded(np.float64(gate[name]))) for name in GATE_FIGURES}
    return {'gate': str(gate['gate']), 'condition': str(gate['condition']), 'frames': int(gate['frames']), **figures}


def _gate_order(gate: Mapping) -> tuple:
    return gate['gate'], gate['condition'] != 'any', gate['condition']


def _rounded(values: np.ndarray) -> np.ndarray:
    """To what the files hold; no negative zero, which text would show."""
    return np.round(values, DECIMALS) + 0.0
