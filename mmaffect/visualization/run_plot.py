"""Picture of a training."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..utils.files import replacing
from .run_log import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import MaxNLocator

COLOURS = {'valence': '#0072b2', 'arousal': '#d55e00', 'mean': '0.25'}
FURTHER = ('#009e73', '#cc79a7', '#e69f00', '#56b4e9')


def draw_runs(path: str | Path, runs: Sequence[Run], *, smooth: int = 1, note: str = '') -> None:
    """Draw loss, CCC, learning rate and gates over epochs, one column a run, to a PNG, SVG or PDF file.

    Dashed vertical lines are releases of layers, at which the line of the learning rate is broken; the highest mean CCC
    is marked.

    Args:
        path: file, written whole or not at all.
        runs: as :func:`read_run` gives them.
        smooth: logged losses over which the line is a running mean; the losses themselves stay visible behind it.
        note: small print below the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows: list[tuple[str, Callable[[Axes, Run], None]]] = [
        ('loss', lambda panel, run: _draw_loss(panel, run, smooth)),
        ('CCC', _draw_ccc),
        ('learning rate', _draw_rates),
    ]
    for modality in ('audio', 'visual'):
        prefix = f'gate/{modality}/'
        if any(key.startswith(prefix) for run in runs for key in run.validation):
            rows.append((f'{modality} gates, share', lambda panel, run, prefix=prefix: _draw_gates(panel, run, prefix)))

    figure = Figure(figsize=(max(8.0, 5.0 * len(runs)), 2.1 * len(rows) + 1.0), layout='constrained')
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(rows), len(runs), sharex='col', sharey='row', squeeze=False)
    for column, run in enumerate(runs):
        for (label, draw), panel in zip(rows, panels[:, column], strict=True):
            draw(panel, run)
            for epoch in run.releases:
                panel.axvline(epoch, color='0.45', linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
            panel.grid(color='0.92')
            panel.set_axisbelow(True)
            panel.tick_params(which='both', labelsize=8)
            for side in ('top', 'right'):
                panel.spines[side].set_visible(False)
            if column == 0:
                panel.set_ylabel(label)
        panels[-1, column].set(xlabel='epoch', xlim=(0, _epochs(run)))
        panels[-1, column].xaxis.set_major_locator(_integers())
        panels[0, column].set_title(run.name, fontsize=11, fontweight='bold')
    figure.align_ylabels(panels[:, 0])
    if note:
        figure.supxlabel(note, fontsize=7, color='0.4')
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)


def running_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Mean of each value and those before it, ``width`` in all, at the beginning fewer."""
    sums = np.cumsum(np.concatenate(([0.0], values)))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - width, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def _draw_loss(panel: 'Axes', run: Run, smooth: int) -> None:
    iterations, losses = run.training.get('loss', (np.zeros(0), np.zeros(0)))
    if smooth > 1:
        panel.plot(iterations / run.batches, losses, color='0.8', linewidth=0.8)
        losses = running_mean(losses, smooth)
    panel.plot(iterations / run.batches, losses, color='0.25', linewidth=1.4, **_dots(iterations, most=1))
    top = panel.secondary_xaxis('top', functions=(lambda x: x * run.batches, lambda x: x / run.batches))
    top.xaxis.set_major_locator(_integers())
    top.set_xlabel('iteration', fontsize=8, color='0.4')
    top.tick_params(labelsize=7, colors='0.4')
    top.spines['top'].set_visible(False)


def _draw_ccc(panel: 'Axes', run: Run) -> None:
    panel.axhline(0, color='0.8', linewidth=0.8)
    curves = {key[4:]: curve for key, curve in run.validation.items() if key.startswith('CCC/')}
    further = iter(FURTHER)
    for name, (epochs, values) in curves.items():
        colour = COLOURS.get(name) or next(further, '0.6')
        width = 2.0 if name == 'mean' else 1.4
        panel.plot(epochs, values, color=colour, linewidth=width, label=name, **_dots(epochs))
    epochs, means = curves.get('mean', (np.zeros(0), np.zeros(0)))
    if not np.isnan(means).all():
        best = int(np.nanargmax(means))
        panel.plot(epochs[best], means[best], marker='*', color=COLOURS['mean'], markersize=12, markeredgecolor='white')
        panel.set_title(f'best mean {means[best]:.3f}, epoch {epochs[best]}', loc='right', fontsize=9)
    _legend(panel)


def _draw_rates(panel: 'Axes', run: Run) -> None:
    iterations, rates = run.training.get('lr', (np.zeros(0), np.zeros(0)))
    if 'min_lr' in run.training:
        at, lowest = run.training['min_lr']
        highest = run.training['max_lr'][1]
        for part in _between_releases(run, at):
            label = 'all parts' if part.start == 0 else None
            panel.fill_between(at[part] / run.batches, lowest[part], highest[part], color='0.88', label=label)
    for part in _between_releases(run, iterations):
        steps = iterations[part]
        panel.plot(steps / run.batches, rates[part], color='#009e73', linewidth=1.6, **_dots(steps, most=1))
    if (rates > 0).any():
        panel.set_yscale('log')
    if run.releases:
        epochs = ('epoch ' if len(run.releases) == 1 else 'epochs ') + ', '.join(map(str, run.releases))
        panel.set_title(f'layers released after {epochs}', loc='right', fontsize=9)
    _legend(panel)


def _between_releases(run: Run, iterations: np.ndarray) -> Iterator[slice]:
    """Parts of a curve of the training, within each of which no layers were released."""
    at, epochs = run.training.get('epoch', (iterations, np.ceil(iterations / run.batches)))
    # Of rows that were logged seldom, the epoch is not the iteration over the batches that are known of.
    cuts = [
        np.searchsorted(iterations, at[epochs > release][0]) for release in run.releases if (epochs > release).any()
    ]
    edges = sorted({0, *map(int, cuts), len(iterations)})
    return (slice(start, stop) for start, stop in pairwise(edges))


def _integers() -> 'MaxNLocator':
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(integer=True, steps=[1, 2, 5, 10])


def _draw_gates(panel: 'Axes', run: Run, prefix: str) -> None:
    panel.set_ylim(0, 1)
    others = 0
    for key, (epochs, values) in run.validation.items():
        if not key.startswith(prefix):
            continue
        name = key.removeprefix(prefix)
        found = re.fullmatch(r'(iteration|stage)_(\d+)', name)
        number = int(found[2]) - 1 if found else others
        others += not found
        panel.plot(
            epochs,
            values,
            color=FURTHER[number % len(FURTHER)],
            linestyle=(0, (3, 1.5)) if found and found[1] == 'stage' else '-',
            linewidth=1.4,
            label=name.replace('_', ' '),
            **_dots(epochs),
        )
    if not panel.lines:
        panel.text(0.5, 0.5, 'no gates', transform=panel.transAxes, ha='center', va='center', color='0.5')
    _legend(panel)


def _dots(steps: np.ndarray, most: int = 30) -> dict:
    """Few steps are points, many a line."""
    return {'marker': 'o', 'markersize': 3} if len(steps) <= most else {}


def _legend(panel: 'Axes') -> None:
    handles, labels = panel.get_legend_handles_labels()
    if handles:
        panel.legend(
            handles, labels, loc='lower left', bbox_to_anchor=(0, 1), borderaxespad=0.2, ncols=len(labels),
            fontsize=8, frameon=False, columnspacing=1.2, handlelength=1.8,
        )  # fmt: skip


def _epochs(run: Run) -> float:
    ends = chain(
        (epochs[-1] for epochs, _ in run.validation.values()),
        (iterations[-1] / run.batches for iterations, _ in run.training.values()),
        run.releases,
    )
    return 1.02 * max(ends, default=1)
