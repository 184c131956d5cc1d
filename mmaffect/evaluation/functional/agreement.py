"""Agreement of predicted and annotated values over trials."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .ccc import Moments, bootstrap_interval, concordance_correlation_coefficient, degenerate


@dataclass(frozen=True, eq=False)
class Agreement:
    """Of one target over trials; NaN what is undefined.

    Attributes:
        ccc: pooled over all frames, population form.
        interval: of ``ccc``, 95 %, by bootstrap over trials.
        pcc: Pearson's correlation, pooled.
        rmse: root of the mean squared error, pooled.
        per_trial: ``(T,)``, CCC of each trial.
        reasons: of each trial why its CCC is undefined, ``None`` where it is defined.
        frames: number of frames.
        trials: number of trials with a frame.
    """

    ccc: float
    interval: tuple[float, float]
    pcc: float
    rmse: float
    per_trial: np.ndarray
    reasons: tuple[str | None, ...]
    frames: int
    trials: int

    @property
    def defined(self) -> int:
        """Number of trials that have a CCC."""
        return int(np.isfinite(self.per_trial).sum())

    @property
    def mean_per_trial(self) -> float:
        """Mean CCC of the trials that have one."""
        return float(np.nanmean(self.per_trial)) if self.defined else float('nan')


def agreement(pairs: Sequence[tuple[np.ndarray, np.ndarray]], resamples: int = 2000) -> Agreement:
    """Compare predictions with annotations, pooled and trial by trial.

    Args:
        pairs: of each trial predicted and annotated values, both ``(n,)``, of its valid frames; n may be 0.
        resamples: bootstrap samples of the interval.

    Examples:
        >>> found = agreement([([0.1, 0.2, 0.3], [0.2, 0.3, 0.4]), ([0.5], [0.5])])
        >>> found.frames, found.reasons
        (4, (None, '1 frame(s)'))
    """
    pairs = [(np.asarray(pred, np.float64), np.asarray(truth, np.float64)) for pred, truth in pairs]
    moments = np.array([Moments.of(*pair).values for pair in pairs if len(pair[0])]).reshape(-1, 6)
    pooled = Moments(moments.sum(axis=0))
    return Agreement(
        ccc=float(pooled.ccc()),
        interval=bootstrap_interval(moments, resamples=resamples),
        pcc=float(pooled.pcc()),
        rmse=float(pooled.rmse()),
        per_trial=np.array([concordance_correlation_coefficient(*pair) for pair in pairs]),
        reasons=tuple(degenerate(*pair) for pair in pairs),
        frames=int(moments[:, 0].sum()),
        trials=len(moments),
    )
