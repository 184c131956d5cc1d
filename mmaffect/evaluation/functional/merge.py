"""Predictions of overlapping windows to one prediction a frame."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TrialPrediction:
    """Merged predictions of a trial.

    Attributes:
        pred: ``(T, k)`` float64, mean over the windows that hold the frame; NaN where none does.
        affect: ``(T, 2)`` float32, annotated valence and arousal.
        valid: ``(T,)`` bool, frames that have a valid annotation and a prediction.
        condition: ``(T,)`` uint8, what the windows say of it, or ``None`` if they say nothing.
    """

    pred: np.ndarray
    affect: np.ndarray
    valid: np.ndarray
    condition: np.ndarray | None = None


def merge_windows(windows: Iterable[dict]) -> dict[str, TrialPrediction]:
    """Average overlapping windows per (trial, frame).

    The result depends neither on the order of the windows nor on a window that is given twice, as the padding of a
    distributed sampler does.

    Args:
        windows: dicts with ``trial``, ``start`` (first frame), ``stride`` (to the next frame), ``pred (n, k)``,
            ``affect (n, 2)``, ``valid (n,)`` and, in all windows of a trial or in none,
            ``condition (n,)``.

    Returns:
        One :class:`TrialPrediction` a trial, in lexicographic order.
    """
    trials: dict[str, dict[int, dict]] = {}
    for window in windows:
        trials.setdefault(window['trial'], {})[window['start']] = window
    merged = {}
    for trial in sorted(trials):
        parts = [trials[trial][start] for start in sorted(trials[trial])]
        length = max(_frames(part).stop for part in parts)
        total = np.zeros((length, parts[0]['pred'].shape[1]))
        count = np.zeros(length)
        affect = np.full((length, 2), np.nan, np.float32)
        valid = np.zeros(length, bool)
        condition = np.zeros(length, np.uint8) if 'condition' in parts[0] else None
        for part in parts:
            span = _frames(part)
            total[span] += part['pred']
            count[span] += 1
            affect[span] = part['affect']
            valid[span] = part['valid']
            if condition is not None:
                condition[span] = part['condition']
        with np.errstate(invalid='ignore'):
            merged[trial] = TrialPrediction(total / count[:, None], affect, valid, condition)
    return merged


def _frames(part: dict) -> slice:
    start, stride = part['start'], part['stride']
    return slice(start, start + stride * (len(part['valid']) - 1) + 1, stride)
