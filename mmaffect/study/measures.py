"""What a run is measured by: moments of its predictions by trial and condition, and what its gates chose."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..evaluation.functional import Moments, TrialPrediction
from ..structures import AFFECT
from .gates import detector


def moments_by_condition(merged: Mapping[str, TrialPrediction], words: Sequence[str]) -> list[dict]:
    """Population moments of predictions and annotations over the valid frames of each trial and condition.

    Args:
        merged: by trial, with conditions.
        words: of the conditions' numbers.

    Returns:
        Dicts of ``trial``, ``condition``, ``frames`` and of each target ``[mean_pred, var_pred, mean_truth, var_truth,
        cov]``, for those that have frames.
    """
    rows = []
    for trial, found in merged.items():
        for number, word in enumerate(words):
            frames = found.valid & (found.condition == number)
            if not frames.any():
                continue
            row = {'trial': trial, 'condition': word, 'frames': int(frames.sum())}
            for column, target in enumerate(AFFECT):
                moments = Moments.of(found.pred[frames, column], found.affect[frames, column])
                _, mean_pred, mean_truth, var_pred, var_truth, cov = map(float, moments.centred())
                row[target] = [mean_pred, var_pred, mean_truth, var_truth, cov]
            rows.append(row)
    return rows


def merge_shares(windows: Sequence[Mapping], frames: Mapping[str, int]) -> dict[str, dict[str, np.ndarray]]:
    """Average the shares of gates over the windows that hold a frame.

    Args:
        windows: dicts of ``trial``, ``start``, ``stride`` and ``shares``: by gate ``(n,)``, NaN in frames that do not
            have its modality.
        frames: by trial, its number T.

    Returns:
        By trial and gate ``(T,)``, NaN where no window says anything.
    """
    sums: dict[str, dict[str, np.ndarray]] = {}
    for window in windows:
        trial, start, stride = window['trial'], window['start'], window['stride']
        for gate, share in window['shares'].items():
            total, count = sums.setdefault(trial, {}).setdefault(gate, np.zeros((2, frames[trial])))
            span = slice(start, start + stride * len(share), stride)
            known = np.isfinite(share)
            total[span] += np.where(known, share, 0)
            count[span] += known
    with np.errstate(invalid='ignore'):
        return {trial: {gate: total / count for gate, (total, count) in found.items()} for trial, found in sums.items()}


def gate_records(shares: Mapping[str, Mapping[str, np.ndarray]], conditions: Mapping[str, np.ndarray]) -> list[dict]:
    """How well every gate tells decoupled frames, as :func:`mmaffect.study.gates.detector` measures it.

    The hypothesis is that attended features get less in decoupled frames, and unattended ones (``stage_0``) more. A
    gate that always says the same is left out: that of a single choice.

    Args:
        shares: by trial and gate ``(T,)``.
        conditions: by trial ``(T,)`` words.
    """
    gates = list(dict.fromkeys(gate for found in shares.values() for gate in found))
    records = []
    for gate in gates:
        own = {trial: {gate: found[gate]} for trial, found in shares.items() if gate in found}
        values = np.concatenate([found[gate] for found in own.values()])
        values = values[np.isfinite(values)]
        if len(values) and np.ptp(values) > 0:
            records += detector(own, conditions, lower=not gate.endswith('/stage_0'))
    return records
