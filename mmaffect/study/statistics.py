"""How sure a difference between fusions is: intervals, a test, a correction.

Everything is computed from moments ``(S, T, 2, 6)`` as :meth:`mmaffect.study.table.StudyTable.moments` gives them: S
runs that differ in their seed, T trials, valence and arousal. The figure is always the mean over seeds of the CCC
pooled over all valid frames, of one target or the mean of both.

What is drawn again, and why:

- **Trials** are the unit that generalises: another test would have other recordings. Frames are not drawn, since the
  frames of a recording depend on each other, and intervals over frames would be far too narrow.
- **Seeds** are the unit of training noise: another training would end elsewhere. With five seeds their part of an
  interval is a little too narrow, by a factor of about ``sqrt((S - 1) / S)``, as with every bootstrap of few.
- Fusions are **paired**: all are measured on the same trials, so a draw is the same for all of them, and what makes a
  trial hard for everybody cancels.

The people and encoders of a study stay as they are; nothing here says what others would change.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..errors import ConfigError
from ..evaluation.functional import Moments
from .table import TARGETS

RESAMPLES = 10_000
MEAN = 'mean'
# Of draws: what fits into caches takes half the time.
_AT_ONCE = 2000


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval.

    Attributes:
        value: of the data as they are.
        low: lower bound; NaN where there is no interval.
        high: upper bound.

    Examples:
        >>> print(Estimate(0.5123, 0.4, 0.6))
        0.512 [0.400, 0.600]
        >>> Estimate(0.0123, 0.0041, 0.0209).signed
        '+0.012 [0.004, 0.021]'
        >>> Estimate(0.0123, 0.0041, 0.0209).clear
        True
    """

    value: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether 0 is outside the interval."""
        return self.low > 0 or self.high < 0

    @property
    def signed(self) -> str:
        """The text of a difference: as ``str``, and a plus before a positive value."""
        return f'{round(self.value, 3) + 0.0:+.3f}{self._bounds}'

    @property
    def _bounds(self) -> str:
        return f' [{round(self.low, 3) + 0.0:.3f}, {round(self.high, 3) + 0.0:.3f}]'

    def __str__(self) -> str:
        return f'{round(self.value, 3) + 0.0:.3f}{self._bounds}'


def mean_ccc(moments: np.ndarray, target: str = MEAN) -> np.ndarray:
    """CCC of every run, pooled over all frames of all trials.

    Args:
        moments: ``(..., S, T, 2, 6)``.
        target: ``'valence'``, ``'arousal'`` or ``'mean'`` of both.

    Returns:
        ``(..., S)``; NaN where it is undefined.
    """
    return _chosen(np.asarray(moments).sum(axis=-3), target)


def resampled(moments: np.ndarray, target: str = MEAN, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """The figure of resampled trials and runs: T trials and, independently of them, S runs with replacement.

    The draws depend only on ``seed``, S and T, so that they are the same for all fusions and all w.

    Args:
        moments: ``(S, T, 2, 6)``.
        target: as in :func:`mean_ccc`.
        resamples: number B of draws.
        seed: of the draws.

    Returns:
        ``(B,)``; NaN where a draw has no frames.
    """
    runs, trials = moments.shape[:2]
    drawn, weights = _draws(runs, trials, resamples, seed)
    flat = np.moveaxis(moments, 1, 0).reshape(trials, -1)
    found = []
    for start in range(0, resamples, _AT_ONCE):
        pooled = (drawn[start : start + _AT_ONCE] @ flat).reshape(-1, runs, *moments.shape[2:])
        found.append((_chosen(pooled, target) * weights[start : start + _AT_ONCE]).sum(axis=-1))
    return np.concatenate(found)


def bootstrap(
    moments: Mapping[str, np.ndarray],
    target: str = MEAN,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Figure of every fusion and its percentile interval, over trials and seeds.

    Args:
        moments: by fusion, ``(S, T, 2, 6)``.
        target: as in :func:`mean_ccc`.
        level: share of the interval.
        resamples: number of draws.
        seed: of the draws.
    """
    return {
        name: _estimate(mean_ccc(one, target).mean(), resampled(one, target, resamples, seed), level)
        for name, one in moments.items()
    }


def difference(
    a: np.ndarray,
    b: np.ndarray,
    target: str = MEAN,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Figure of ``a`` less that of ``b``, and its percentile interval: both have the same draws of trials and seeds.

    Args:
        a: ``(S, T, 2, 6)``.
        b: of the same seeds and trials.
        target: as in :func:`mean_ccc`.
        level: share of the interval.
        resamples: number of draws.
        seed: of the draws.

    Raises:
        ConfigError: if the shapes differ.
    """
    _check_pair(a, b)
    draws = resampled(a, target, resamples, seed) - resampled(b, target, resamples, seed)
    return _estimate(mean_ccc(a, target).mean() - mean_ccc(b, target).mean(), draws, level)


def drop_difference(
    a: np.ndarray,
    b: np.ndarray,
    a_before: np.ndarray,
    b_before: np.ndarray,
    target: str = MEAN,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """How the lead of a fusion changes with w: ``(a - b) - (a_before - b_before)``, with its percentile interval.

    All four have the same draws, since the trials have the same people and trajectories whatever w is. There is no
    permutation test of it: exchanging the fusions would test that they do not differ at all.

    Args:
        a: ``(S, T, 2, 6)`` of a fusion at some w.
        b: of another one at the same w.
        a_before: of the first fusion at the w that is compared with, commonly 0.
        b_before: of the other one there.
        target: as in :func:`mean_ccc`.
        level: share of the interval.
        resamples: number of draws.
        seed: of the draws.

    Raises:
        ConfigError: if the shapes differ.
    """
    parts = [(a, 1), (b, -1), (a_before, -1), (b_before, 1)]
    for other, _ in parts[1:]:
        _check_pair(a, other)
    value = sum(sign * mean_ccc(part, target).mean() for part, sign in parts)
    return _estimate(value, sum(sign * resampled(part, target, resamples, seed) for part, sign in parts), level)


def permutation_test(
    a: np.ndarray, b: np.ndarray, target: str = MEAN, *, resamples: int = RESAMPLES, seed: int = 0
) -> float:
    """Two-sided p that fusions ``a`` and ``b`` are exchangeable within every trial.

    An exchange takes all frames and all seeds of a trial together: they have the trial in common. The test is of these
    trained models; that another training would differ is told by the interval of :func:`difference`.

    Args:
        a: ``(S, T, 2, 6)``.
        b: of the same seeds and trials.
        target: as in :func:`mean_ccc`.
        resamples: number n of random exchanges. If there are no more than n exchanges, all are taken.
        seed: of the random exchanges.

    Returns:
        Share of exchanges whose difference is at least as far from 0 as the measured one: of all, or ``(k + 1) /
        (n + 1)`` of random ones. NaN where a figure is undefined.

    Raises:
        ConfigError: if the shapes differ.
    """
    _check_pair(a, b)
    # Trials without such frames change nothing.
    used = (a[..., 0] > 0).any(axis=(0, 2))
    a, b = a[:, used], b[:, used]
    trials = a.shape[1]
    measured = abs(mean_ccc(a, target).mean() - mean_ccc(b, target).mean())
    if not np.isfinite(measured):
        return float('nan')
    whole_a, whole_b = a.sum(axis=1), b.sum(axis=1)
    flat = np.moveaxis(b - a, 1, 0).reshape(trials, -1)
    exact = trials < 63 and 2**trials <= resamples
    count = 2**trials if exact else resamples
    generator = np.random.default_rng(seed)
    extreme = 0
    for start in range(0, count, _AT_ONCE):
        if exact:
            exchanged = np.arange(start, min(start + _AT_ONCE, count))[:, None] >> np.arange(trials) & 1
        else:
            exchanged = generator.integers(0, 2, (min(_AT_ONCE, count - start), trials))
        change = (exchanged.astype(np.float64) @ flat).reshape(-1, *whole_a.shape)
        found = _chosen(whole_a + change, target).mean(-1) - _chosen(whole_b - change, target).mean(-1)
        # Sums in another order differ in their last digits.
        extreme += int((np.abs(found) >= measured - 1e-10).sum())
    return extreme / count if exact else (extreme + 1) / (count + 1)


def holm(p_values: Collection[float]) -> np.ndarray:
    """Holm's correction: p values with which the chance of any false claim in the family stays below the level.

    The smallest of m is multiplied by m, the next by m - 1 and so on; none is less than one before it, none above 1.
    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 1979.

    Args:
        p_values: m of them; NaN stay and do not count.

    Examples:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    p = np.array(list(p_values), np.float64)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind='stable')]
    p[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return p


@lru_cache(maxsize=4)
def _draws(runs: int, trials: int, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each trial is drawn ``(B, T)``, and the share of each run ``(B, S)``."""
    drawn = np.random.default_rng((seed, 0)).multinomial(trials, np.full(trials, 1 / trials), resamples)
    weights = np.random.default_rng((seed, 1)).multinomial(runs, np.full(runs, 1 / runs), resamples)
    # A product of floats is faster than one with integers.
    return drawn.astype(np.float64), weights / runs


def _chosen(pooled: np.ndarray, target: str) -> np.ndarray:
    """CCC ``(...)`` of pooled moments ``(..., 2, 6)``."""
    if target not in (MEAN, *TARGETS):
        raise ConfigError(f'target={target!r}; expected one of {(MEAN, *TARGETS)}')
    if target == MEAN:
        return Moments(pooled).ccc().mean(axis=-1)
    return Moments(pooled[..., TARGETS.index(target), :]).ccc()


def _estimate(value: float, draws: np.ndarray, level: float) -> Estimate:
    draws = draws[np.isfinite(draws)]
    if not len(draws) or not np.isfinite(value):
        return Estimate(float(value), float('nan'), float('nan'))
    low, high = np.percentile(draws, [50 * (1 - level), 50 * (1 + level)])
    return Estimate(float(value), float(low), float(high))


def _check_pair(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape != b.shape:
        raise ConfigError(f'moments {a.shape} and {b.shape}; expected the same seeds and trials')
