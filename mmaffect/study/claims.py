"""What can be said of a study's table: figures with intervals, differences with tests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ..demo.conditions import KINDS
from ..errors import ConfigError
from .design import FUSIONS, Fusion
from .gates import ANY, NORMAL
from .statistics import MEAN, Estimate, bootstrap, difference, drop_difference, holm, mean_ccc, permutation_test
from .table import StudyTable

REFERENCE = 'grjca'
BEST_SINGLE = 'best_single'
NOTHING = Estimate(math.nan, math.nan, math.nan)
SINGLE_LABEL = 'the better single modality'
LEVEL = 0.05
RESAMPLES, PERMUTATIONS = 2000, 10000


@dataclass(frozen=True)
class Contrast:
    """Two fusions at one w, or in the mean over all.

    Attributes:
        difference: of the CCC, the first less the second.
        p: of the permutation test, two-sided.
        p_holm: corrected by Holm over the family.
        family: how many comparisons it was corrected over: the first fusion against every other of this w, or those
            that are told together in the mean over all w.

    All but the last are NaN if the two have no seed in common.
    """

    difference: Estimate
    p: float
    p_holm: float
    family: int

    @property
    def significant(self) -> bool:
        """Whether the corrected p value is below 0.05."""
        return self.p_holm < LEVEL

    @property
    def sure(self) -> bool:
        """Whether the interval has no 0 either: the test knows nothing of other trainings, the interval does."""
        return self.significant and self.difference.clear

    @property
    def known(self) -> bool:
        """Whether there is a p value."""
        return not math.isnan(self.p)


def in_order(conditions: Iterable[str]) -> list[str]:
    """Conditions, each once: normal, any kind, those of sound, those of the face, both; then others by name."""
    known = {word: place for place, word in enumerate((NORMAL, ANY, *KINDS))}
    return sorted(set(conditions), key=lambda word: (known.get(word, len(known)), word))


class StudyClaims:
    """Figures of a table, each computed once.

    The figure of a fusion is the mean over seeds of the CCC pooled over all valid frames, unless said otherwise of the
    mean over valence and arousal. Fusions are compared on the seeds that both have.

    Args:
        table: of the study.
        designs: fusions by name, in the order of tables.

    Raises:
        ConfigError: if the table is empty or has a fusion of another name.
    """

    def __init__(self, table: StudyTable, designs: Mapping[str, Fusion] = FUSIONS) -> None:
        self.table, self.designs = table, designs
        self.weak = table.weak
        if not self.weak:
            raise ConfigError('a table without runs; expected at least one')
        found = {name for weak in self.weak for name in table.fusions(weak)}
        unknown = sorted(found - set(designs))
        if unknown:
            raise ConfigError(f'fusion {unknown[0]!r} in the table; expected one of {", ".join(designs)}')
        self.names = [name for name in designs if name in found]
        """All fusions of the table, in the order of tables."""
        self._figures: dict[tuple, Estimate] = {}
        self._tests: dict[tuple, float] = {}
        self._contrasts: dict[tuple, Contrast] = {}
        self._overall: dict[tuple, tuple[Estimate, float]] = {}

    def fusions(self, weak: float) -> list[str]:
        """Fusions that were measured at this w, in the order of tables."""
        found = set(self.table.fusions(weak))
        return [name for name in self.names if name in found]

    def group(self, group: str) -> list[str]:
        """Fusions of the table that are of a group."""
        return [name for name in self.names if self.designs[name].group == group]

    def label(self, name: str) -> str:
        """What readers call a fusion."""
        return SINGLE_LABEL if name == BEST_SINGLE else self.designs[name].label

    def has(self, name: str, weak: float | None = None) -> bool:
        """Whether a fusion, or a single modality for the better one, was measured, at any w or at one."""
        names = self.names if weak is None else self.fusions(weak)
        return any(self.designs[one].group == 'single' for one in names) if name == BEST_SINGLE else name in names

    def conditions(self, weak: float) -> list[str]:
        """Conditions that frames have at this w."""
        return in_order(word for word, frames in self.table.frames(weak).items() if frames.sum())

    def single(self, weak: float) -> str:
        """The single modality with the higher CCC at this w."""
        names = [name for name in self.group('single') if name in self.fusions(weak)]
        if not names:
            raise ConfigError(f'w = {weak:g}: no single modality in the table; expected one for {BEST_SINGLE}')
        return max(names, key=lambda name: self.ccc(name, weak).value)

    def values(self, name: str, weak: float, target: str = MEAN) -> np.ndarray:
        """Figure of every seed, ``(S,)``."""
        return mean_ccc(self.table.moments(weak, self._resolved(name, weak)), target)

    def ccc(self, name: str, weak: float, target: str = MEAN, condition: str | None = None) -> Estimate:
        """Figure of a fusion, over all frames or those of a condition."""
        name = self._resolved(name, weak)
        key = (name, weak, target, condition)
        if key not in self._figures:
            conditions = None if condition is None else [condition]
            moments = {name: self.table.moments(weak, name, conditions)}
            self._figures[key] = bootstrap(moments, target, resamples=RESAMPLES)[name]
        return self._figures[key]

    def difference(self, first: str, second: str, weak: float) -> Estimate:
        """Figure of the first fusion less that of the second; NaN if they have no seed in common."""
        if not (self.has(first, weak) and self.has(second, weak)):
            return NOTHING
        key = (self._resolved(first, weak), self._resolved(second, weak), weak)
        if key not in self._figures:
            pair = self._pair(*key)
            self._figures[key] = difference(*pair, resamples=RESAMPLES) if pair else NOTHING
        return self._figures[key]

    def compare(self, first: str, second: str, weak: float) -> Contrast:
        """The difference of two fusions, and its test among all of the first with another."""
        if not (self.has(first, weak) and self.has(second, weak)):
            return Contrast(NOTHING, math.nan, math.nan, 0)
        first, second = self._resolved(first, weak), self._resolved(second, weak)
        if first == second:
            raise ConfigError(f'{first} against itself; expected two fusions')
        if (first, second, weak) not in self._contrasts:
            others = [name for name in self.fusions(weak) if name != first]
            p = [self._test(first, other, weak) for other in others]
            family = int(np.isfinite(p).sum())
            for other, one, corrected in zip(others, p, holm(p), strict=True):
                found = Contrast(self.difference(first, other, weak), one, float(corrected), family)
                self._contrasts[first, other, weak] = found
        return self._contrasts[first, second, weak]

    def overall(self, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Contrast]:
        """Pairs of fusions in the mean over all w; p values are corrected over these pairs.

        A draw or an exchange takes a trial with all its w, since they have the person and the trajectories in common.

        Args:
            pairs: of names, ``'best_single'`` for the better single modality of each w. Those without a seed that both
                have at every w are left out.

        Raises:
            ConfigError: if the trials of the w differ.
        """
        if any(self.table.trials(w) != self.table.trials(self.weak[0]) for w in self.weak):
            raise ConfigError('other trials at every w; expected the same ones')
        found = {}
        for pair in pairs:
            if not all(self.has(one, w) for w in self.weak for one in pair):
                continue
            named = [(w, self._resolved(one, w)) for w in self.weak for one in pair]
            seeds = set.intersection(*(set(self.table.seeds(*one)) for one in named))
            if seeds:
                found[pair] = self._overall_pair(*pair, sorted(seeds))
        family = len(found)
        corrected = holm([p for _, p in found.values()])
        return {
            pair: Contrast(estimate, p, float(one), family)
            for (pair, (estimate, p)), one in zip(found.items(), corrected, strict=True)
        }

    def _overall_pair(self, first: str, second: str, seeds: list[int]) -> tuple[Estimate, float]:
        """Difference and p value in the mean over all w."""
        key = (first, second)
        if key not in self._overall:
            # Valence and arousal of every w, of which the figure is the mean.
            pair = [
                np.concatenate([self.table.moments(w, self._resolved(one, w), seeds=seeds) for w in self.weak], axis=2)
                for one in key
            ]
            self._overall[key] = (
                difference(*pair, resamples=RESAMPLES),
                permutation_test(*pair, resamples=PERMUTATIONS),
            )
        return self._overall[key]

    def gate_seeds(self, name: str, gate: str, condition: str, weak: float) -> list[float]:
        """AUROC of a gate, of every seed."""
        found = self.table.gates(weak, name)
        return [one['auroc'] for one in found if (one['gate'], one['condition']) == (gate, condition)]

    def drop(self, first: str, second: str, weak: float) -> Estimate:
        """How far the lead of the first fusion over the second differs from that at the lowest w.

        NaN if the four have no seed in common.

        Raises:
            ConfigError: if the trials of the two w differ, whose draws are paired.
        """
        lowest = self.weak[0]
        if not all(self.has(one, w) for w in (weak, lowest) for one in (first, second)):
            return NOTHING
        if self.table.trials(weak) != self.table.trials(lowest):
            raise ConfigError(f'w = {weak:g} and {lowest:g}: other trials; expected the same ones')
        pairs = {w: [self._resolved(one, w) for one in (first, second)] for w in (weak, lowest)}
        seeds = [set(self.table.seeds(w, one)) for w, pair in pairs.items() for one in pair]
        common = sorted(set.intersection(*seeds))
        if not common:
            return NOTHING
        moments = [self.table.moments(w, one, seeds=common) for w, pair in pairs.items() for one in pair]
        if weak == lowest:
            moments *= 2
        return drop_difference(*moments, resamples=RESAMPLES)

    def gate(self, name: str, gate: str, condition: str, weak: float) -> Estimate:
        """AUROC of a gate: means over seeds of the value and of the bounds of its interval over trials."""
        found = [one for one in self.table.gates(weak, name) if (one['gate'], one['condition']) == (gate, condition)]
        if not found:
            known = ', '.join(self.gates(name, weak)) or 'none'
            raise ConfigError(f'w = {weak:g}, {name}: gate {gate} {condition}; its gates are {known}')
        return Estimate(*(float(np.mean([one[key] for one in found])) for key in ('auroc', 'low', 'high')))

    def gates(self, name: str, weak: float) -> list[str]:
        """Gates of a fusion that were measured at this w."""
        return list(dict.fromkeys(one['gate'] for one in self.table.gates(weak, name)))

    def gate_keys(self, name: str, weak: float) -> set[tuple[str, str]]:
        """Gates and conditions that were measured."""
        return {(one['gate'], one['condition']) for one in self.table.gates(weak, name)}

    def gate_conditions(self, weak: float) -> list[str]:
        """What gates were measured on at this w: any decoupled frame, then each kind."""
        found = [one['condition'] for name in self.fusions(weak) for one in self.table.gates(weak, name)]
        return in_order(found)

    def _resolved(self, name: str, weak: float) -> str:
        if weak not in self.weak:
            raise ConfigError(f'w = {weak:g}; expected one of {", ".join(f"{w:g}" for w in self.weak)}')
        return self.single(weak) if name == BEST_SINGLE else name

    def _pair(self, first: str, second: str, weak: float) -> list[np.ndarray]:
        """Moments of the seeds that both have; empty if there are none."""
        seeds = [one for one in self.table.seeds(weak, first) if one in self.table.seeds(weak, second)]
        return [self.table.moments(weak, name, seeds=seeds) for name in (first, second) if seeds]

    def _test(self, first: str, second: str, weak: float) -> float:
        # Of the same p in either direction.
        key = (*sorted((first, second)), weak)
        if key not in self._tests:
            pair = self._pair(*key)
            self._tests[key] = permutation_test(*pair, resamples=PERMUTATIONS) if pair else math.nan
        return self._tests[key]
