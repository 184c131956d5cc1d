"""CCC of valence and arousal over a whole split."""

from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from ...registry import METRICS
from ...structures import AFFECT
from ..functional import Moments, TrialPrediction, bootstrap_interval, degenerate, merge_windows


@METRICS.register_module()
class CCCMetric(BaseMetric):
    """CCC, PCC and RMSE pooled over all valid frames of all trials, and the mean CCC per trial.

    Windows that overlap are averaged per (trial, frame) first, so that the figures do not depend on batch size, order
    of windows, workers or ranks. The log says what the figure is: form, aggregation, frames, trials, split, fold, and a
    95 % interval by bootstrap over trials. ``CCC/mean`` is the mean over targets, to select checkpoints by.

    Args:
        resamples: bootstrap samples of the interval.
        collect_device: where ranks exchange results, ``'cpu'`` (files) or ``'gpu'`` (the process group).
        prefix: before the names of the figures.
    """

    default_prefix = ''  # None would warn

    def __init__(self, resamples: int = 2000, collect_device: str = 'gpu', prefix: str | None = None) -> None:
        super().__init__(collect_device, prefix)
        self.resamples = resamples

    @property
    def _split(self) -> str:
        return (self.dataset_meta or {}).get('split', 'unnamed split')

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep one entry a window."""
        self.results += [window_entry(sample) for sample in data_samples]

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Merge the windows of all ranks and compute the figures."""
        trials = merge_windows(results)
        targets = results[0]['targets']
        figures: dict[str, float] = {}
        lines = []
        for column, target in enumerate(targets):
            found, line = self._evaluate(trials, column, target)
            figures.update(found)
            lines.append(line)
        figures['CCC/mean'] = float(np.mean([figures[f'CCC/{target}'] for target in targets]))
        if (self.dataset_meta or {}).get('synthetic'):
            lines.append(SYNTHETIC_NOTICE)
        if not any(trial.valid.any() for trial in trials.values()):
            lines = [f'{self._split}: no valid annotation in {len(trials)} trials, so there is no CCC']
        for line in lines:
            MMLogger.get_current_instance().info(line)
        return figures

    def _evaluate(self, trials: dict[str, TrialPrediction], column: int, target: str) -> tuple[dict[str, float], str]:
        moments, per_trial, named = [], [], []
        for name, trial in trials.items():
            pred = trial.pred[trial.valid, column]
            truth = trial.affect[trial.valid, AFFECT.index(target)].astype(np.float64)
            if len(truth) == 0:
                continue
            moments.append(Moments.of(pred, truth).values)
            reason = degenerate(pred, truth)
            if reason:
                named.append(f'{name}: {reason}')
            else:
                per_trial.append(float(Moments.of(pred, truth, truth.mean()).ccc()))
        table = np.array(moments).reshape(-1, 6)
        pooled = Moments(table.sum(0))
        low, high = bootstrap_interval(table, resamples=self.resamples)
        ccc = float(pooled.ccc())
        figures = {
            f'CCC/{target}': ccc,
            f'PCC/{target}': float(pooled.pcc()),
            f'RMSE/{target}': float(pooled.rmse()),
            f'CCC_per_trial/{target}': float(np.mean(per_trial)) if per_trial else float('nan'),
        }
        line = (
            f'CCC {target} {ccc:.4f} [95 % {low:.4f}, {high:.4f}] (pooled over {int(table[:, 0].sum())} valid '
            f'frames of {len(table)} trials, {self._split}, population form, no smoothing); mean per trial '
            f'{figures[f"CCC_per_trial/{target}"]:.4f} over {len(per_trial)} trials; '
            f'PCC {figures[f"PCC/{target}"]:.4f}, RMSE {figures[f"RMSE/{target}"]:.4f}'
        )
        if named:
            line += f'; undefined in {len(named)} trial(s), left out of the mean per trial: ' + ', '.join(named)
        return figures, line


SYNTHETIC_NOTICE = (
    'These figures are of a synthetic corpus: they show that the pipeline learns, and are no accuracy on people.'
)


def window_entry(sample: dict) -> dict:
    """What a metric keeps of a predicted window: one entry, since MMEngine cuts results to one a dataset item.

    Args:
        sample: an :class:`AffectDataSample` as a dict.
    """
    return {
        'trial': sample['trial'],
        'start': sample['start'],
        'stride': sample['stride'],
        'targets': tuple(sample['targets']),
        'pred': sample['pred_affect'].numpy(),
        'affect': sample['gt_affect'].numpy(),
        'valid': sample['valid'].numpy(),
    }
