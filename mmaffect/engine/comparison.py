"""Several configs, each trained with several seeds."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError
from ..evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE
from ..utils.files import write_text
from ..visualization import comparison_figure
from ..visualization.figure import png, save_figure
from ..visualization.notebook import block_html, figure_html, table_html
from .running import load_config, use_randomness
from .training import check_data, train_or_keep

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Comparison:
    """Runs of several configs; a notebook shows them as a table and a picture.

    Attributes:
        runs: by name of the config, in the order of the table, as :func:`train_once` returns them; at least one each.
        failed: what went wrong, a line a run.
    """

    runs: dict[str, list[dict]]
    failed: Sequence[str] = ()

    @classmethod
    def load(cls, work_dir: str | Path) -> 'Comparison':
        """Read what :meth:`write` wrote.

        Raises:
            ConfigError: if there is no ``comparison.json`` of a comparison in the folder.
        """
        path = Path(work_dir) / 'comparison.json'
        try:
            found = json.loads(path.read_text(encoding='utf-8'))
            comparison = cls({name: list(runs) for name, runs in found['runs'].items()}, found.get('failed', []))
            comparison.markdown()
        except FileNotFoundError:
            raise ConfigError(f'{work_dir}: no comparison.json; expected the work dir of a comparison') from None
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, StopIteration):
            raise ConfigError(f'{path}: damaged; expected what tools/analysis/compare.py wrote') from None
        return comparison

    @property
    def rows(self) -> dict[str, dict[str, tuple[float, float]]]:
        """By config what :func:`summarise` says of its runs."""
        return {name: summarise(found) for name, found in self.runs.items()}

    @property
    def title(self) -> str:
        """What the figures are of."""
        first = next(iter(self.runs.values()))[0]
        seeds = sorted({run['seed'] for found in self.runs.values() for run in found})
        return (
            f'CCC on {first["corpus"]}, {first["split"]}: mean ± standard deviation over seeds '
            f'{", ".join(map(str, seeds))}; best epoch by CCC/mean, chosen on these trials'
        )

    @property
    def note(self) -> str:
        """What must be said beside the figures."""
        return SYNTHETIC_NOTICE if next(iter(self.runs.values()))[0]['synthetic'] else ''

    def markdown(self) -> str:
        """Title, table, failures and note."""
        failed = map('failed: {}'.format, self.failed)
        return '\n\n'.join(part for part in (self.title, comparison_table(self.runs), *failed, self.note) if part)

    def plot(self) -> 'Figure':
        """Mean and standard deviation of every config, one panel a figure."""
        rows = self.rows
        figures = list(dict.fromkeys(key for row in rows.values() for key in row if key.startswith('best/')))
        return comparison_figure(rows, figures, title=self.title.replace('; best', '\nbest'), note=self.note)

    def write(self, work_dir: str | Path) -> None:
        """Write ``comparison.md``, ``comparison.json`` and ``comparison.png``."""
        work_dir = Path(work_dir)
        content = {'rows': self.rows, 'runs': self.runs, 'failed': list(self.failed)}
        write_text(work_dir / 'comparison.md', f'{self.markdown()}\n')
        write_text(work_dir / 'comparison.json', json.dumps(content, indent=1))
        save_figure(self.plot(), work_dir / 'comparison.png')

    def _repr_html_(self) -> str:
        header, rows = _cells(self.runs)
        title = f'<p>{escape(self.title)}</p>'
        picture = figure_html(self.plot(), 'CCC of every config')
        return block_html(title, table_html(header, rows), picture, note=' '.join([*self.failed, self.note]).strip())

    def _repr_png_(self) -> bytes:
        return png(self.plot())


def train_once(
    config: str,
    seed: int,
    work_dir: str,
    data_root: str | None = None,
    features: str | None = None,
    options: Mapping[str, object] | None = None,
) -> dict:
    """Train a config with a seed and keep what its validation said; a finished run of the same config is not repeated.

    As :func:`mmaffect.engine.training.train_or_keep`; what another process trains is waited for.

    Args:
        config: config file.
        seed: of the run.
        work_dir: folder of its logs and checkpoints, and of ``result.json``.
        data_root: corpus, instead of the config's.
        features: cached features in the place of the backbones.
        options: ``--cfg-options``.

    Returns:
        As :func:`mmaffect.engine.training.train_or_keep`.

    Raises:
        ConfigError: if the work dir has the finished run of another config.
        MMAffectError: as :func:`mmaffect.engine.running.build_runner`.
    """
    cfg = load_config(config, options=options, data_root=data_root, work_dir=work_dir, features=features)
    check_data(cfg)
    use_randomness(cfg, seed)
    return train_or_keep(cfg)


def summarise(runs: Sequence[dict]) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation (n - 1) over the runs of a config.

    Args:
        runs: as :func:`train_once` returns them.

    Returns:
        ``best/<figure>``: at the epoch with the highest ``CCC/mean``, chosen on the trials that it is measured on; and
        ``last/<figure>``: after the last epoch, which nothing was chosen by.
    """
    return mean_and_deviation([best_and_last(run) for run in runs])


def best_index(run: Mapping) -> int:
    """Index of the highest ``CCC/mean`` in the history of a run; that of the last, if there never was one."""
    means = np.array(run['history']['CCC/mean'])
    return len(means) - 1 if np.isnan(means).all() else int(np.nanargmax(means))


def best_and_last(run: Mapping) -> dict[str, float]:
    """CCC of a run at its best epoch and after its last one, keyed as by :func:`summarise`."""
    best = best_index(run)
    figures = {}
    for key, numbers in run['history'].items():
        if key.startswith('CCC/'):
            figures |= {f'best/{key}': numbers[best], f'last/{key}': numbers[-1]}
    return figures


def mean_and_deviation(rows: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation (n - 1; NaN of one value) by name, of the rows that have it."""
    values: dict[str, list[float]] = {}
    for row in rows:
        for key, value in row.items():
            values.setdefault(key, []).append(value)
    return {
        key: (float(np.mean(found)), float(np.std(found, ddof=1)) if len(found) > 1 else float('nan'))
        for key, found in values.items()
    }


def comparison_table(runs: Mapping[str, Sequence[dict]]) -> str:
    """Markdown table, one row a config.

    Args:
        runs: by name of the config, as :func:`train_once` returns them; configs may predict different targets.
    """
    header, rows = _cells(runs)
    lines = [f'| {" | ".join(header)} |', f'|{"---|" * len(header)}', *(f'| {" | ".join(row)} |' for row in rows)]
    return '\n'.join(lines)


def _cells(runs: Mapping[str, Sequence[dict]]) -> tuple[list[str], list[list[str]]]:
    rows = {name: summarise(found) for name, found in runs.items()}
    targets = list(dict.fromkeys(key[9:] for row in rows.values() for key in row if key.startswith('best/CCC/')))
    header = ['config', *targets, 'mean after the last epoch', 'runs', 'parameters', 'seconds an epoch']
    lines = []
    for name, found in runs.items():
        cells = [spread(rows[name].get(f'best/CCC/{target}')) for target in targets]
        cells += [spread(rows[name]['last/CCC/mean']), str(len(found)), f'{found[0]["parameters"]:,}']
        seconds = [run['seconds'] for run in found if run['seconds'] is not None]
        lines.append([name, *cells, f'{np.mean(seconds):.2f}' if seconds else '–'])
    return header, lines


def spread(value: tuple[float, float] | None) -> str:
    """Mean and standard deviation as text.

    Examples:
        >>> spread((0.512, 0.013))
        '0.512 ± 0.013'
        >>> spread((0.512, float('nan')))  # of a single run
        '0.512'
    """
    if value is None:
        return '–'
    return f'{value[0]:.3f}' if math.isnan(value[1]) else f'{value[0]:.3f} ± {value[1]:.3f}'
