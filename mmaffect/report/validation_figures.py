"""Agreement of predicted and annotated affect, pooled and by trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..evaluation.functional import Agreement, agreement, concordance_correlation_coefficient, degenerate
from ..structures import AFFECT

if TYPE_CHECKING:
    from ..traces.trace import Trace


@dataclass(frozen=True, eq=False)
class Trial:
    """A trial and its CCC.

    Attributes:
        trace: what was predicted and annotated.
        ccc: by target; NaN where it is undefined.
        reasons: by target why it is undefined.
    """

    trace: Trace
    ccc: dict[str, float]
    reasons: dict[str, str]

    @property
    def mean(self) -> float:
        """Mean CCC of the targets that have one; NaN without."""
        defined = [value for value in self.ccc.values() if np.isfinite(value)]
        return float(np.mean(defined)) if defined else float('nan')


def valid_values(trace: Trace, target: str) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and annotated values, both ``(n,)`` float64, of the frames that have both."""
    pred = trace.affect[:, trace.targets.index(target)].astype(np.float64)
    truth = np.full(len(pred), np.nan) if trace.annotated is None else trace.annotated[:, AFFECT.index(target)]
    valid = np.isfinite(pred) & np.isfinite(truth)
    return pred[valid], truth[valid].astype(np.float64)


def trial_figures(trace: Trace) -> Trial:
    """CCC of each target over the valid frames of a trial."""
    ccc, reasons = {}, {}
    for target in trace.targets:
        pred, truth = valid_values(trace, target)
        ccc[target] = concordance_correlation_coefficient(pred, truth)
        reason = degenerate(pred, truth) if len(truth) else 'no valid annotation'
        if reason:
            reasons[target] = reason
    return Trial(trace, ccc, reasons)


def pooled_figures(trials: Sequence[Trial], target: str) -> Agreement:
    """Figures of one target over all valid frames of all trials."""
    return agreement([valid_values(trial.trace, target) for trial in trials])


def density(trials: Sequence[Trial], target: str, bins: int = 64) -> np.ndarray:
    """Number of valid frames by predicted value (rows, from -1 up) and annotated value (columns)."""
    pairs = [valid_values(trial.trace, target) for trial in trials]
    pred, truth = (np.concatenate([pair[k] for pair in pairs]) for k in (0, 1))
    return np.histogram2d(pred, truth, bins, ((-1, 1), (-1, 1)))[0]
