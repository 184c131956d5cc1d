"""Predictions of several models to one."""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np

from ...errors import ConfigError, CorpusError
from .ccc import concordance_correlation_coefficient

EnsembleMethod = Literal['mean', 'ccc_centred']


def combine(predictions: Sequence[Mapping[str, np.ndarray]], method: EnsembleMethod = 'mean') -> dict[str, np.ndarray]:
    """Combine the predictions of several models, each trial and each target by itself.

    ``'mean'`` is the mean over the models, frame by frame. ``'ccc_centred'`` is CCC-centering: the models' mean curve,
    moved so that its average is a weighted mean of the models' averages, in which a model counts as much as it agrees
    with the others (:func:`ccc_centred`).

    Args:
        predictions: of each model by trial, ``(T, k)``, k targets.
        method: ``'mean'`` or ``'ccc_centred'``.

    Returns:
        By trial, ``(T, k)`` float64, in the order of the first model's trials; with ``'ccc_centred'`` and more than one
        model clipped to [-1, 1]. A single model is returned as it is.

    Raises:
        ConfigError: if there is no such method.
        CorpusError: if there are no models, if their trials, lengths or targets differ, or if a value is not finite.

    Examples:
        >>> combine([{'a': [[0.0], [0.5]]}, {'a': [[0.5], [1.0]]}])['a'].tolist()
        [[0.25], [0.75]]
    """
    if method not in get_args(EnsembleMethod):
        raise ConfigError(f'ensemble={method!r}; expected one of {", ".join(map(repr, get_args(EnsembleMethod)))}')
    if not predictions:
        raise CorpusError('an ensemble of no models; expected the predictions of at least one')
    merge = ccc_centred if method == 'ccc_centred' else _mean
    return {trial: merge(_stacked(predictions, trial)) for trial in _trials(predictions)}


def ccc_centred(curves: np.ndarray) -> np.ndarray:
    """CCC-centering of the curves of one trial.

    For each target, with curve ``x_i`` of model i and its average ``m_i`` over the trial: the agreement of model i is
    ``r_i = mean over j of CCC(x_i, x_j)``, the common level ``m = sum r_i m_i / sum r_i``, and the result the mean over
    i of ``x_i - m_i + m``, clipped to [-1, 1].

    Zhang et al., "Continuous Emotion Recognition with Audio-visual Leader-follower Attentive Fusion", arXiv 2107.01175;
    what it leaves open is done as in its released code: one trial at a time, clipped last. It is the gold standard of
    AVEC 2016, with models in the place of raters. Two things are our choice: CCC has population moments throughout (the
    released code divides the variances by T - 1), and an agreement below 0, or a CCC that is undefined since a curve is
    constant, counts as 0. Where no model agrees with another, all weigh the same, which is the plain mean.

    Args:
        curves: ``(n, T, k)``, of n models.

    Returns:
        ``(T, k)`` float64; a single curve unchanged.
    """
    curves = np.asarray(curves, np.float64)
    if len(curves) == 1:
        return curves[0].copy()
    averages = curves.mean(axis=1)
    weights = np.stack([_weights(curves[..., target]) for target in range(curves.shape[2])], axis=1)
    shift = (weights * averages).sum(axis=0) - averages.mean(axis=0)
    return np.clip(curves.mean(axis=0) + shift, -1, 1)


def _weights(curves: np.ndarray) -> np.ndarray:
    """Share ``(n,)`` of each of the curves ``(n, T)`` by its agreement with the others."""
    n = len(curves)
    pairs = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            pairs[i, j] = pairs[j, i] = np.nan_to_num(concordance_correlation_coefficient(curves[i], curves[j]))
    agreement = np.maximum(pairs.sum(axis=1), 0)
    return agreement / agreement.sum() if agreement.any() else np.full(n, 1 / n)


def _mean(curves: np.ndarray) -> np.ndarray:
    return curves.mean(axis=0)


def _trials(predictions: Sequence[Mapping[str, np.ndarray]]) -> list[str]:
    trials = list(predictions[0])
    for number, model in enumerate(predictions[1:], 2):
        if model.keys() != set(trials):
            missing, more = sorted(set(trials) - model.keys()), sorted(model.keys() - set(trials))
            which = f'lacks trial {missing[0]!r}' if missing else f'has trial {more[0]!r}'
            raise CorpusError(
                f'model {number} of {len(predictions)} {which}, unlike model 1 ({len(missing)} missing, '
                f'{len(more)} more); expected the same trials from every model'
            )
    return trials


def _stacked(predictions: Sequence[Mapping[str, np.ndarray]], trial: str) -> np.ndarray:
    curves = [np.asarray(model[trial], np.float64) for model in predictions]
    for number, curve in enumerate(curves, 1):
        if curve.ndim != 2 or len(curve) == 0 or curve.shape != curves[0].shape:
            raise CorpusError(
                f'trial {trial!r}: model {number} of {len(curves)} predicts {curve.shape}, model 1 {curves[0].shape}; '
                'expected (frames, targets), the same from every model'
            )
        if not np.isfinite(curve).all():
            frame = int(np.flatnonzero(~np.isfinite(curve).all(axis=1))[0]) + 1
            raise CorpusError(f'trial {trial!r}, frame {frame}: model {number} of {len(curves)} predicts no number')
    return np.stack(curves)
