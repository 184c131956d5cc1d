"""Whether a gate tells where the modalities are decoupled."""

from collections.abc import Mapping

import numpy as np

from ..errors import ConfigError

NORMAL, ANY = 'normal', 'any'
BINS = 256


def auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Area under the receiver operating characteristic.

    The probability that a frame with the label has a higher score than one without, ties counting half: the rank sum of
    Mann and Whitney, ``(R_1 - n_1 (n_1 + 1) / 2) / (n_1 n_0)`` with average ranks.

    Args:
        scores: ``(N,)``.
        labels: ``(N,)`` bool.

    Returns:
        0 to 1; 0.5 is chance. NaN if all labels are equal.

    Examples:
        >>> auroc([0.1, 0.4, 0.4, 0.8], [False, False, True, True])
        0.875
    """
    from scipy.stats import rankdata

    labels = np.asarray(labels, bool)
    positive = int(labels.sum())
    negative = len(labels) - positive
    if positive == 0 or negative == 0:
        return float('nan')
    ranks = rankdata(scores)[labels].sum()
    return float((ranks - positive * (positive + 1) / 2) / (positive * negative))


def detector(
    shares: Mapping[str, Mapping[str, np.ndarray]],
    conditions: Mapping[str, np.ndarray],
    *,
    lower: bool = True,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> list[dict]:
    """Measure every gate as a detector of decoupled frames.

    The unit that is resampled for the interval is the trial: frames of a trial are not independent. The interval tells
    what other trials would do to this trained gate, not another training.

    Args:
        shares: by trial and gate, ``(T,)``; NaN where the gate says nothing, such as frames without sound. A gate may
            miss in a trial.
        conditions: by trial, ``(T,)`` words: ``'normal'`` or a kind of decoupling.
        lower: the hypothesis. ``True``: the share is lower in decoupled than in normal frames, as the paper says of the
            attended features; ``False``: higher.
        level: share of the interval.
        resamples: bootstrap samples.
        seed: of the resampling.

    Returns:
        For each gate, for ``'any'`` kind and for each kind that has frames, against all normal frames: ``gate``,
        ``condition``, ``frames`` (decoupled), ``auroc`` (above 0.5 as the hypothesis says), ``low`` and ``high`` of its
        interval (NaN with fewer than two trials that have such frames), ``mean_normal`` and ``mean_decoupled`` of the
        share. A gate without normal or without decoupled frames gives none.

    Raises:
        ConfigError: if a share has another length than its trial's conditions, or its trial has none.
    """
    records = []
    for gate in dict.fromkeys(gate for found in shares.values() for gate in found):
        values, words, trials = [], [], []
        for number, (trial, found) in enumerate(shares.items()):
            if gate not in found:
                continue
            share, own = np.asarray(found[gate], np.float64), np.asarray(conditions.get(trial, ()), str)
            if share.shape != own.shape:
                raise ConfigError(f'{gate}, {trial}: {share.shape} shares; expected {own.shape}, as the conditions')
            known = np.isfinite(share)
            values.append(share[known])
            words.append(own[known])
            trials.append(np.full(known.sum(), number))
        records += _records(gate, *map(np.concatenate, (values, words, trials)), lower, level, resamples, seed)
    return records


def _records(
    gate: str,
    values: np.ndarray,
    words: np.ndarray,
    trials: np.ndarray,
    lower: bool,
    level: float,
    resamples: int,
    seed: int,
) -> list[dict]:
    """Records of one gate over the frames of all trials, ``(N,)`` each."""
    normal = words == NORMAL
    kinds = [str(word) for word in np.unique(words[~normal])]
    if not kinds or not normal.any():
        return []
    scores = -values if lower else values
    names, trials = np.unique(trials, return_inverse=True)
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), resamples)
    draws = draws.astype(np.float64)
    bins = _bins(scores)

    def drawn(group: np.ndarray) -> np.ndarray:
        counts = np.zeros((len(names), bins.max() + 1))
        np.add.at(counts, (trials[group], bins[group]), 1)
        return draws @ counts

    background, records = drawn(normal), []
    for kind in (ANY, *kinds):
        group = ~normal if kind == ANY else words == kind
        either = normal | group
        low = high = float('nan')
        if len(np.unique(trials[group])) > 1:
            areas = _areas(drawn(group), background)
            low, high = np.nanpercentile(areas, [50 * (1 - level), 50 * (1 + level)])
        records.append(
            {
                'gate': gate,
                'condition': kind,
                'frames': int(group.sum()),
                'auroc': auroc(scores[either], group[either]),
                'low': float(low),
                'high': float(high),
                'mean_normal': float(values[normal].mean()),
                'mean_decoupled': float(values[group].mean()),
            }
        )
    return records


def _bins(scores: np.ndarray) -> np.ndarray:
    """A bin for every score, ascending and about equally filled; equal scores share one, few distinct ones do not."""
    distinct = np.unique(scores)
    if len(distinct) > BINS:
        distinct = np.unique(np.quantile(scores, np.linspace(0, 1, BINS + 1)[1:-1], method='lower'))
        return np.searchsorted(distinct, scores, side='right')
    return np.searchsorted(distinct, scores)


def _areas(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """AUROC of histograms ``(..., K)``, scores of a bin counting as ties; NaN where one is empty."""
    below = np.cumsum(negative, axis=-1) - negative / 2
    with np.errstate(invalid='ignore'):
        return (positive * below).sum(-1) / (positive.sum(-1) * negative.sum(-1))
