"""Concordance correlation coefficient from moments."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Moments:
    """Sums over frames, shifted for precision; the moments of two sets of frames add up.

    Attributes:
        values: ``(..., 6)`` float64: n, sum p, sum t, sum p^2, sum t^2, sum p t.
    """

    values: np.ndarray

    @classmethod
    def of(cls, pred: np.ndarray, target: np.ndarray, shift: float = 0.0) -> 'Moments':
        """Moments of ``pred`` and ``target`` ``(N,)``, both less ``shift``."""
        p = np.asarray(pred, np.float64) - shift
        t = np.asarray(target, np.float64) - shift
        return cls(np.array([len(p), p.sum(), t.sum(), p @ p, t @ t, p @ t]))

    def centred(self) -> tuple[np.ndarray, ...]:
        """n, mean p, mean t, variance p, variance t, covariance (population)."""
        n, p, t, pp, tt, pt = np.moveaxis(self.values, -1, 0)
        with np.errstate(invalid='ignore', divide='ignore'):
            p, t = p / n, t / n
            return n, p, t, np.maximum(pp / n - p * p, 0), np.maximum(tt / n - t * t, 0), pt / n - p * t

    def ccc(self) -> np.ndarray:
        """CCC; NaN where it is undefined."""
        _, p, t, var_p, var_t, cov = self.centred()
        with np.errstate(invalid='ignore', divide='ignore'):
            return 2 * cov / (var_p + var_t + (p - t) ** 2)

    def pcc(self) -> np.ndarray:
        """Pearson's correlation coefficient; NaN where it is undefined."""
        *_, var_p, var_t, cov = self.centred()
        with np.errstate(invalid='ignore', divide='ignore'):
            return cov / np.sqrt(var_p * var_t)

    def rmse(self) -> np.ndarray:
        """Root of the mean squared error."""
        n, _, _, pp, tt, pt = np.moveaxis(self.values, -1, 0)
        with np.errstate(invalid='ignore', divide='ignore'):
            return np.sqrt(np.maximum(pp + tt - 2 * pt, 0) / n)


def concordance_correlation_coefficient(pred: np.ndarray, target: np.ndarray) -> float:
    """Concordance correlation coefficient with population moments.

    ``2 cov / (var_pred + var_target + (mean_pred - mean_target)^2)``, computed in float64; Lin, "A concordance
    correlation coefficient to evaluate reproducibility", Biometrics 1989. The form of the ABAW challenge.

    Args:
        pred: ``(N,)``, predictions.
        target: ``(N,)``, annotations.

    Returns:
        CCC in [-1, 1]; NaN if it is undefined: N < 2, either signal constant, or any value not finite.

    Raises:
        ValueError: if the shapes differ or have more than one axis.

    Examples:
        >>> concordance_correlation_coefficient([0.1, 0.2, 0.3], [0.2, 0.3, 0.4])
        0.571...
    """
    pred, target = np.asarray(pred, np.float64), np.asarray(target, np.float64)
    if pred.ndim != 1 or pred.shape != target.shape:
        raise ValueError(f'pred {pred.shape} and target {target.shape}; expected two of shape (N,)')
    if degenerate(pred, target):
        return float('nan')
    return float(Moments.of(pred, target, shift=float(target.mean())).ccc())


def degenerate(pred: np.ndarray, target: np.ndarray) -> str | None:
    """Say why CCC is undefined, or return ``None`` if it is defined.

    Examples:
        >>> degenerate(np.zeros(3), np.arange(3.0))
        'constant prediction'
    """
    if len(target) < 2:
        return f'{len(target)} frame(s)'
    for name, values in (('prediction', pred), ('annotation', target)):
        if not np.isfinite(values).all():
            return f'{name} not finite in {int((~np.isfinite(values)).sum())} frame(s)'
    for name, values in (('prediction', pred), ('annotation', target)):
        if np.ptp(values) == 0:
            return f'constant {name}'
    return None


def bootstrap_interval(
    moments: np.ndarray, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the pooled CCC, resampling whole trials.

    Args:
        moments: ``(T, 6)``, the :class:`Moments` of every trial, all with one shift.
        level: share of the interval.
        resamples: number of bootstrap samples.
        seed: of the resampling.

    Returns:
        Lower and upper bound; NaN with fewer than two trials or a value that is not finite.
    """
    trials = len(moments)
    if trials < 2 or not np.isfinite(moments).all():
        return float('nan'), float('nan')
    counts = np.random.default_rng(seed).multinomial(trials, np.full(trials, 1 / trials), resamples)
    ccc = Moments(counts @ moments).ccc()
    tail = (1 - level) / 2 * 100
    low, high = np.nanpercentile(ccc, [tail, 100 - tail])
    return float(low), float(high)
