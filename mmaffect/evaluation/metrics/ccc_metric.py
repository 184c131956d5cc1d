"""CCC of valence and arousal over a whole split."""

from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from ...errors import ConfigError
from ...registry import METRICS
from ...structures import AFFECT
from ...structures.conditions import DECOUPLED, NORMAL
from ..functional import TrialPrediction, agreement, merge_windows


@METRICS.register_module()
class CCCMetric(BaseMetric):
    """CCC, PCC and RMSE pooled over all valid frames of all trials, and the mean CCC per trial.

    Windows that overlap are averaged per (trial, frame) first, so that the figures do not depend on batch size, order
    of windows, workers or ranks. The log says what the figure is: form, aggregation, frames, trials, split, fold, and a
    95 % interval by bootstrap over trials. ``CCC/mean`` is the mean over targets, to select checkpoints by.

    With ``by_condition``, ``CCC_by_condition/<word>/<target>`` is pooled over the valid frames of one condition, NaN
    where there are none, and ``CCC_by_condition/decoupled/<target>`` over those of all conditions but ``normal``, a
    condition of that name among them.

    Args:
        resamples: bootstrap samples of the interval.
        collect_device: where ranks exchange results, ``'cpu'`` (files) or ``'gpu'`` (the process group).
        prefix: before the names of the figures.
        by_condition: also the CCC of each condition, of a corpus that tells those of its frames.

    Raises:
        ConfigError: with the dataset, if ``by_condition`` is asked for and the corpus has no conditions.
    """

    default_prefix = ''  # None would warn

    def __init__(
        self,
        resamples: int = 2000,
        collect_device: str = 'gpu',
        prefix: str | None = None,
        by_condition: bool = False,
    ) -> None:
        super().__init__(collect_device, prefix)
        self.resamples = resamples
        self.by_condition = by_condition

    @property
    def dataset_meta(self) -> dict | None:
        """What is known of the dataset; on all ranks, and before the first epoch."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict | None) -> None:
        if self.by_condition:
            _words(dataset_meta)
        self._dataset_meta = dataset_meta

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
        if self.by_condition:
            found, more = self._evaluate_conditions(trials, targets)
            figures.update(found)
            lines += more
        if (self.dataset_meta or {}).get('synthetic'):
            lines.append(SYNTHETIC_NOTICE)
        if not any(trial.valid.any() for trial in trials.values()):
            lines = [f'{self._split}: no valid annotation in {len(trials)} trials, so there is no CCC']
        for line in lines:
            MMLogger.get_current_instance().info(line)
        return figures

    def _evaluate(self, trials: dict[str, TrialPrediction], column: int, target: str) -> tuple[dict[str, float], str]:
        valid = {name: trial for name, trial in trials.items() if trial.valid.any()}
        place = AFFECT.index(target)
        found = agreement(
            [(trial.pred[trial.valid, column], trial.affect[trial.valid, place]) for trial in valid.values()],
            self.resamples,
        )
        figures = {
            f'CCC/{target}': found.ccc,
            f'PCC/{target}': found.pcc,
            f'RMSE/{target}': found.rmse,
            f'CCC_per_trial/{target}': found.mean_per_trial,
        }
        low, high = found.interval
        line = (
            f'CCC {target} {found.ccc:.4f} [95 % {low:.4f}, {high:.4f}] (pooled over {found.frames} valid frames of '
            f'{found.trials} trials, {self._split}, population form, no smoothing); mean per trial '
            f'{found.mean_per_trial:.4f} over {found.defined} trials; PCC {found.pcc:.4f}, RMSE {found.rmse:.4f}'
        )
        named = [f'{name}: {reason}' for name, reason in zip(valid, found.reasons, strict=True) if reason]
        if named:
            line += f'; undefined in {len(named)} trial(s), left out of the mean per trial: ' + ', '.join(named)
        return figures, line

    def _evaluate_conditions(
        self, trials: dict[str, TrialPrediction], targets: Sequence[str]
    ) -> tuple[dict[str, float], list[str]]:
        words = _words(self.dataset_meta)
        groups = {word: [number] for number, word in enumerate(words)}
        if len(words) > 1 and NORMAL in words:
            groups[DECOUPLED] = [number for number, word in enumerate(words) if word != NORMAL]
        known = [trial for trial in trials.values() if trial.condition is not None]
        figures: dict[str, float] = {}
        lines = []
        for word, numbers in groups.items():
            frames = [trial.valid & np.isin(trial.condition, numbers) for trial in known]
            texts = []
            for column, target in enumerate(targets):
                place = AFFECT.index(target)
                found = agreement(
                    [(t.pred[at, column], t.affect[at, place]) for t, at in zip(known, frames, strict=True)],
                    self.resamples,
                )
                low, high = found.interval
                figures[f'CCC_by_condition/{word}/{target}'] = found.ccc
                texts.append(f'{target} {found.ccc:.4f} [95 % {low:.4f}, {high:.4f}]')
            lines.append(
                f'CCC where {word}: {", ".join(texts)} (pooled over {found.frames} valid frames of {found.trials} '
                f'trials, {self._split})'
            )
        if len(known) < len(trials):
            lines.append(f'{len(trials) - len(known)} of {len(trials)} trials tell no conditions: left out of these')
        return figures, lines


def _words(meta: dict | None) -> Sequence[str]:
    """The conditions that a dataset has."""
    meta = meta or {}
    if not meta.get('conditions'):
        raise ConfigError(
            f'CCCMetric: by_condition=True, but the corpus {meta.get("corpus")!r} tells no conditions of its frames; '
            'prepare it again from a raw corpus with conditions/<trial>.txt, such as the demo corpus'
        )
    return meta['conditions']


SYNTHETIC_NOTICE = (
    'These figures are of a synthetic corpus: they show that the pipeline learns, and are no accuracy on people.'
)


def window_entry(sample: dict) -> dict:
    """What a metric keeps of a predicted window: one entry, since MMEngine cuts results to one a dataset item.

    Args:
        sample: an :class:`AffectDataSample` as a dict.
    """
    known = {'condition': sample['condition'].numpy()} if 'condition' in sample else {}
    return {
        'trial': sample['trial'],
        'start': sample['start'],
        'stride': sample['stride'],
        'targets': tuple(sample['targets']),
        'pred': sample['pred_affect'].numpy(),
        'affect': sample['gt_affect'].numpy(),
        'valid': sample['valid'].numpy(),
        **known,
    }
