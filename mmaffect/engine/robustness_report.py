"""What a measurement of robustness says to people."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError
from ..evaluation.functional import Moments
from ..evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE
from ..utils.files import write_text
from ..visualization.figure import png, save_figure
from ..visualization.notebook import block_html, figure_html
from ..visualization.robustness import robustness_figure
from .cross_validation_report import plain_json
from .robustness import CLEAN, Condition

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAN = float('nan')


@dataclass(frozen=True)
class Robustness:
    """CCC of a model on clean and on corrupted trials.

    Attributes:
        model: its name.
        checkpoint: file of its weights.
        corpus: name of the corpus.
        split: of the trials, with the fold.
        synthetic: whether the corpus is.
        trials: how many.
        frames: valid ones that figures are pooled over.
        seed: of the corruptions.
        corruptions: modality by name.
        severities: of every corruption, ascending.
        ccc: by key of the condition (:attr:`mmaffect.engine.robustness.Condition.key`), by target and ``'mean'``.
        left_out: corruptions of a modality that the model has not, with that modality.
    """

    model: str
    checkpoint: str
    corpus: str
    split: str
    synthetic: bool
    trials: int
    frames: int
    seed: int
    corruptions: dict[str, str]
    severities: list[int]
    ccc: dict[str, dict[str, float]]
    left_out: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, out_dir: str | Path) -> Robustness:
        """Read what :meth:`write` wrote.

        Raises:
            ConfigError: if there is no ``robustness.json`` in the folder.
        """
        path = Path(out_dir) / 'robustness.json'
        try:
            found = json.loads(path.read_text(encoding='utf-8'))['measured']
            found['ccc'] = {
                key: {t: NAN if v is None else v for t, v in row.items()} for key, row in found['ccc'].items()
            }
            robustness = cls(**found)
            robustness.markdown()
        except FileNotFoundError:
            raise ConfigError(
                f'{out_dir}: no robustness.json; expected what tools/analysis/robustness.py wrote'
            ) from None
        except (ValueError, TypeError, KeyError, AttributeError):
            raise ConfigError(f'{path}: damaged; expected what tools/analysis/robustness.py wrote') from None
        return robustness

    @property
    def targets(self) -> list[str]:
        """Columns of the figures, ``'mean'`` last."""
        return list(self.ccc[CLEAN.key])

    def over_severities(self, corruption: str) -> dict[str, float]:
        """Mean over the severities of a corruption, by target and ``'mean'``; NaN where one has no CCC."""
        rows = [self.ccc[Condition(corruption, severity).key] for severity in self.severities]
        return {target: float(np.mean([row[target] for row in rows])) for target in self.targets}

    @property
    def mean_robustness(self) -> float:
        """Mean over corruptions and severities of ``CCC/mean``."""
        return float(np.mean([self.over_severities(name)['mean'] for name in self.corruptions]))

    @property
    def relative_robustness(self) -> float:
        """:attr:`mean_robustness` by the clean ``CCC/mean``; NaN where that is not above 0."""
        clean = self.ccc[CLEAN.key]['mean']
        return self.mean_robustness / clean if clean > 0 else NAN

    @property
    def title(self) -> str:
        """What the figures are of."""
        return (
            f'CCC of {self.model} ({Path(self.checkpoint).name}) on {self.corpus}, {self.split}, clean and corrupted '
            f'(seed {self.seed}); pooled over {self.frames} valid frames of {self.trials} trials'
        )

    @property
    def note(self) -> str:
        """What must be said beside the figures."""
        return SYNTHETIC_NOTICE if self.synthetic else ''

    def summary(self) -> str:
        """Clean figures, mean robustness, and what was left out."""
        clean = ', '.join(f'{target} {_text(value)}' for target, value in self.ccc[CLEAN.key].items())
        what = f'{len(self.corruptions)} corruptions and severities {", ".join(map(str, self.severities))}'
        parts = [
            f'Clean: {clean}.',
            f'Mean robustness: {_text(self.mean_robustness)}, the mean of CCC/mean over {what}; '
            f'{_text(self.relative_robustness)} of the clean {_text(self.ccc[CLEAN.key]["mean"])}.',
        ]
        by_modality: dict[str, list[str]] = {}
        for name, modality in self.left_out.items():
            by_modality.setdefault(modality, []).append(name)
        for modality, names in by_modality.items():
            parts.append(f'Left out, since the model has no {modality} stream: {", ".join(names)}.')
        return ' '.join(parts)

    def table(self, target: str = 'mean') -> str:
        """Markdown: a row a corruption, a column a severity, and the mean over severities.

        Args:
            target: one of :attr:`targets`.
        """
        header = ['corruption', 'modality', 'clean', *map(str, self.severities), 'mean over severities']
        lines = [f'| {" | ".join(header)} |', f'|---|---|{"---:|" * (len(header) - 2)}']
        for name, modality in self.corruptions.items():
            values = [*self._curve(name, target), self.over_severities(name)[target]]
            lines.append(f'| {" | ".join([name, modality, *map(_text, values)])} |')
        return '\n'.join(lines)

    def markdown(self) -> str:
        """Title, summary, a table for the mean and one for each target, and the note."""
        targets = ['mean', *(target for target in self.targets if target != 'mean')]
        tables = [f'CCC {target}:\n\n{self.table(target)}' for target in targets]
        return '\n\n'.join(part for part in (self.title, self.summary(), *tables, self.note) if part)

    def csv(self) -> str:
        """A row a condition, below a comment; empty where there is no CCC."""
        file = io.StringIO()
        file.write(f'# {self.title}{f". {self.note}" if self.note else ""}\n')
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(['corruption', 'modality', 'severity', *(f'CCC_{target}' for target in self.targets)])
        for corruption, modality in ((None, ''), *self.corruptions.items()):
            for severity in (0,) if corruption is None else self.severities:
                row = self.ccc[Condition(corruption, severity).key]
                cells = ['' if np.isnan(row[target]) else f'{row[target]:.6f}' for target in self.targets]
                writer.writerow([corruption or CLEAN.key, modality, severity, *cells])
        return file.getvalue()

    def curves(self) -> dict[str, dict[str, list[float]]]:
        """By target and ``'mean'``, by corruption: CCC on the clean trials and with every severity."""
        return {target: {name: self._curve(name, target) for name in self.corruptions} for target in self.targets}

    def plot(self) -> Figure:
        """One panel a corruption, one line a target."""
        title = self.title.replace('; pooled', '\npooled')
        return robustness_figure(self.curves(), [0, *self.severities], title=title, note=self.note)

    def write(self, out_dir: str | Path) -> None:
        """Write ``robustness.csv``, ``.json``, ``.md`` and ``.png``."""
        out_dir = Path(out_dir)
        content = {
            'title': self.title,
            'note': self.note,
            'clean': self.ccc[CLEAN.key],
            'mean_over_severities': {name: self.over_severities(name) for name in self.corruptions},
            'mean_robustness': self.mean_robustness,
            'relative_robustness': self.relative_robustness,
            'measured': asdict(self),
        }
        write_text(out_dir / 'robustness.csv', self.csv())
        write_text(out_dir / 'robustness.json', json.dumps(plain_json(content), indent=1))
        write_text(out_dir / 'robustness.md', f'{self.markdown()}\n')
        save_figure(self.plot(), out_dir / 'robustness.png')

    def _curve(self, corruption: str, target: str) -> list[float]:
        conditions = [CLEAN, *(Condition(corruption, severity) for severity in self.severities)]
        return [self.ccc[condition.key][target] for condition in conditions]

    def _repr_html_(self) -> str:
        return block_html(figure_html(self.plot(), self.title), note=f'{self.summary()} {self.note}'.strip())

    def _repr_png_(self) -> bytes:
        return png(self.plot())


def pooled_ccc(moments: Mapping[str, np.ndarray], targets: Sequence[str]) -> dict[str, dict[str, float]]:
    """CCC over all trials by condition and target, and their mean.

    Args:
        moments: by condition ``(T, k, 6)``, as :func:`mmaffect.engine.robustness_run.measure_robustness` gives them.
        targets: the k targets.
    """
    found = {}
    for key, values in moments.items():
        ccc = Moments(values.sum(axis=0)).ccc()
        found[key] = {**dict(zip(targets, map(float, ccc), strict=True)), 'mean': float(ccc.mean())}
    return found


def _text(value: float) -> str:
    return '–' if np.isnan(value) else f'{value:.3f}'
