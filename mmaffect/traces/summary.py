"""Figures of a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..structures import AFFECT

if TYPE_CHECKING:
    from .trace import Trace

QUADRANTS = {
    'positive_active': (1, 1),
    'negative_active': (-1, 1),
    'negative_passive': (-1, -1),
    'positive_passive': (1, -1),
}
"""By name, the signs of valence and arousal; 0 counts as positive."""


def summarise_trace(trace: Trace) -> dict[str, float]:
    """Figures of a trace, NaN where there is nothing to compute one of.

    Returns:
        By name:

        - ``frames``, ``duration`` (seconds), ``fps``; ``face`` and ``voice``, shares of the frames;
        - for each target ``<target>/mean``, ``sd`` (population), ``min``, ``q25``, ``median``, ``q75`` and ``max`` over
          the predicted frames;
        - of two targets ``quadrant/<name>``, shares of the time of predicted frames (:data:`QUADRANTS`);
        - of an annotated trace ``CCC/<target>`` over the frames that have annotation and prediction.
    """
    lengths = frame_lengths(trace.times)
    header = trace.header
    span = float(lengths.sum())
    found = {
        'frames': float(len(trace)),
        'duration': float(header.get('duration') or span),
        'fps': float(header.get('fps') or (len(trace) / span if span else np.nan)),
        'face': np.nan if 'face_unknown' in trace.flags else float(trace.face.mean()),
        'voice': np.nan if 'voice_unknown' in trace.flags else float(trace.voice.mean()),
    }
    affect = trace.affect.astype(np.float64)
    predicted = np.isfinite(affect).all(axis=1)
    for k, target in enumerate(trace.targets):
        values = affect[predicted, k]
        quantiles = np.quantile(values, (0, 0.25, 0.5, 0.75, 1)) if len(values) else np.full(5, np.nan)
        names = ('min', 'q25', 'median', 'q75', 'max')
        figures = dict(zip(names, map(float, quantiles), strict=True))
        figures = {
            'mean': float(values.mean()) if len(values) else np.nan,
            'sd': float(values.std()) if len(values) else np.nan,
            **figures,
        }
        found |= {f'{target}/{name}': value for name, value in figures.items()}
    if len(trace.targets) == len(AFFECT):
        found |= _quadrants(affect[:, [trace.targets.index(target) for target in AFFECT]], lengths * predicted)
    if trace.annotated is not None:
        found |= _agreement(trace, affect)
    return found


def frame_lengths(times: np.ndarray) -> np.ndarray:
    """Seconds from each frame to the next, ``(T,)``; the last one lasts as long as the median."""
    steps = np.diff(times)
    return np.append(steps, np.median(steps) if len(steps) else 0.0)


def _quadrants(affect: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    if not weights.any():
        weights = np.isfinite(affect).all(axis=1).astype(np.float64)
    signs = np.where(affect < 0, -1, 1)
    total = weights.sum()
    return {
        f'quadrant/{name}': float(weights[(signs == sign).all(axis=1)].sum() / total) if total else np.nan
        for name, sign in QUADRANTS.items()
    }


def _agreement(trace: Trace, affect: np.ndarray) -> dict[str, float]:
    from ..evaluation.functional import concordance_correlation_coefficient

    found = {}
    for k, target in enumerate(trace.targets):
        truth = trace.annotated[:, AFFECT.index(target)]
        valid = np.isfinite(truth) & np.isfinite(affect[:, k])
        found[f'CCC/{target}'] = concordance_correlation_coefficient(affect[valid, k], truth[valid])
    return found
