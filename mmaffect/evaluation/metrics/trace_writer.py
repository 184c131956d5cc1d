"""Merged predictions as tables and pictures."""

import json
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from ...registry import METRICS
from ...structures import AFFECT
from ...utils.files import write_text
from ...utils.tables import write_table
from ...visualization import draw_traces
from ..functional import concordance_correlation_coefficient, merge_windows
from .ccc_metric import SYNTHETIC_NOTICE, window_entry

ABOUT = 'about.json'


@METRICS.register_module()
class TraceWriter(BaseMetric):
    """Write ``<trial>.csv`` (frame, time, predicted and annotated affect) and ``<trial>.png`` for every trial.

    ``about.json`` says of which split they are, and whether the corpus is synthetic.

    Args:
        out_dir: folder, made if needed.
        plot: also draw the pictures.
        collect_device: as in :class:`CCCMetric`.
    """

    default_prefix = ''  # None would warn

    def __init__(self, out_dir: str, plot: bool = True, collect_device: str = 'gpu') -> None:
        super().__init__(collect_device)
        self.out_dir = Path(out_dir)
        self.plot = plot

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep one entry a window."""
        self.results += [{**window_entry(sample), 'times': sample['timestamps'].numpy()} for sample in data_samples]

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Merge and write; returns no figures."""
        targets = results[0]['targets']
        columns = [AFFECT.index(target) for target in targets]
        times: dict[str, dict[int, float]] = {}
        for entry in results:
            frames = count(entry['start'], entry['stride'])
            times.setdefault(entry['trial'], {}).update(zip(frames, entry['times'].tolist(), strict=False))
        merged = merge_windows(results)
        meta = self.dataset_meta or {}
        about = {'split': meta.get('split'), 'synthetic': bool(meta.get('synthetic'))}
        write_text(self.out_dir / ABOUT, json.dumps(about) + '\n')
        note = SYNTHETIC_NOTICE if about['synthetic'] else ''
        for name, trial in merged.items():
            seconds = np.array([times[name][frame] for frame in range(len(trial.pred))])
            truth = np.where(trial.valid[:, None], trial.affect[:, columns], np.nan)
            table = {'frame': np.arange(1, len(seconds) + 1), 'time': seconds}
            table |= dict(zip(targets, trial.pred.T, strict=True))
            table |= {f'annotated_{target}': truth[:, k] for k, target in enumerate(targets)}
            write_table(self.out_dir / f'{name}.csv', table)
            if self.plot:
                labels = [
                    f'CCC {concordance_correlation_coefficient(trial.pred[trial.valid, k], truth[trial.valid, k]):.3f}'
                    for k in range(len(targets))
                ]
                draw_traces(
                    self.out_dir / f'{name}.png', seconds, trial.pred, truth,
                    targets=targets, title=name, labels=labels if trial.valid.any() else None, note=note,
                )  # fmt: skip
        MMLogger.get_current_instance().info(f'traces of {len(merged)} trials are in {self.out_dir}')
        return {}
