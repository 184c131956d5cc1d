"""Pictures of valence and arousal over time."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .figure import note_below, save_figure, shown_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {'valence': '#0072b2', 'arousal': '#d55e00'}
PRESENCE = {'face': '#cc79a7', 'voice': '#009e73'}


def draw_traces(
    path: str | Path,
    times: np.ndarray,
    pred: np.ndarray,
    truth: np.ndarray,
    *,
    targets: Sequence[str] = ('valence', 'arousal'),
    title: str = '',
    labels: Sequence[str] | None = None,
    note: str = '',
) -> None:
    """Draw predicted against true affect, one panel a target, to a PNG, SVG or PDF file.

    Args:
        path: file, written whole or not at all.
        times, pred, truth, targets, title, labels, note: as for :func:`trace_figure`.
    """
    save_figure(trace_figure(times, pred, truth, targets=targets, title=title, labels=labels, note=note), path)


def trace_figure(
    times: np.ndarray,
    pred: np.ndarray,
    truth: np.ndarray | None = None,
    *,
    targets: Sequence[str] = ('valence', 'arousal'),
    presence: Mapping[str, np.ndarray] | None = None,
    gates: Mapping[str, np.ndarray] | None = None,
    plane: bool = False,
    title: str = '',
    labels: Sequence[str] | None = None,
    note: str = '',
) -> Figure:
    """Draw affect over time, one panel a target, and below it who is there and what the gates of the fusion chose.

    Args:
        times: ``(T,)``, seconds.
        pred: ``(T, k)`` in [-1, 1], NaN where there is no prediction.
        truth: ``(T, k)``, NaN where there is no annotation.
        targets: names of the k columns.
        presence: ``(T,)`` bool by name, a band each.
        gates: ``(T,)`` in [0, 1] by ``<modality>/<name>``, a panel a modality: those named ``stage_<m>`` share the
            output and are areas, the others lines.
        plane: also draw the path in the plane of the first two targets.
        title: above the picture.
        labels: text at each panel, such as its CCC.
        note: small print below the picture.

    Returns:
        A figure that a notebook shows, and that pyplot does not know of.
    """
    modalities: dict[str, dict[str, np.ndarray]] = {}
    for name, values in (gates or {}).items():
        modality, _, gate = name.partition('/')
        modalities.setdefault(modality, {})[gate] = values
    heights = [2.2] * len(targets) + ([0.22 * len(presence) + 0.1] if presence else []) + [1.1] * len(modalities)
    plane = plane and len(targets) > 1
    figure = shown_figure((10.0 + 4.2 * plane, sum(heights) + 0.9 + 0.12 * bool(note)))
    grid = figure.add_gridspec(len(heights), 1 + plane, height_ratios=heights, width_ratios=[10, 4.2][: 1 + plane])
    panels: list[Axes] = []
    for row in range(len(heights)):
        panels.append(figure.add_subplot(grid[row, 0], sharex=panels[0] if panels else None))
        panels[-1].tick_params(labelbottom=row == len(heights) - 1)
    for k, (panel, target) in enumerate(zip(panels, targets, strict=False)):
        _draw_target(panel, times, pred[:, k], None if truth is None else truth[:, k], target)
        if labels:
            panel.set_title(labels[k], loc='right', fontsize=9)
    rest = iter(panels[len(targets) :])
    if presence:
        _draw_presence(next(rest), times, presence)
    for modality, found in modalities.items():
        _draw_gates(next(rest), times, modality, found)
    panels[0].set_xlim(times[0], max(times[-1], times[0] + 1e-3))
    panels[-1].set_xlabel('time [s]')
    figure.align_ylabels(panels)
    if plane:
        _draw_plane(figure, figure.add_subplot(grid[: len(targets), 1]), times, pred, targets)
    if title:
        figure.suptitle(textwrap.shorten(title, 120), fontsize=11)
    note_below(figure, note)
    return figure


def _draw_target(panel: Axes, times: np.ndarray, pred: np.ndarray, truth: np.ndarray | None, target: str) -> None:
    panel.axhline(0, color='0.8', linewidth=0.8)
    if truth is not None:
        panel.plot(times, truth, color='0.35', linewidth=1.6, label='annotated')
    if np.isfinite(pred).any() or truth is None:
        panel.plot(times, pred, color=COLOURS.get(target, '0.2'), linewidth=1.4, label='predicted')
    panel.set(ylabel=target, ylim=(-1.05, 1.05))
    if truth is not None:
        panel.legend(loc='lower left', bbox_to_anchor=(0, 1), borderaxespad=0.2, ncols=2, fontsize=8, frameon=False)


def _draw_presence(panel: Axes, times: np.ndarray, presence: Mapping[str, np.ndarray]) -> None:
    edges = np.append(times, times[-1] + (np.median(np.diff(times)) if len(times) > 1 else 1e-3))
    for row, (name, present) in enumerate(presence.items()):
        changes = np.flatnonzero(np.diff(np.concatenate(([0], np.asarray(present, np.int8), [0]))))
        spans = [(edges[start], edges[stop] - edges[start]) for start, stop in changes.reshape(-1, 2)]
        panel.broken_barh(spans, (row - 0.36, 0.72), color=PRESENCE.get(name, '0.4'), linewidth=0)
    panel.set_yticks(range(len(presence)), list(presence), fontsize=8)
    panel.set_ylim(len(presence) - 0.5, -0.5)
    panel.tick_params(left=False)
    for side in ('top', 'right', 'left'):
        panel.spines[side].set_visible(False)


def _draw_gates(panel: Axes, times: np.ndarray, modality: str, gates: Mapping[str, np.ndarray]) -> None:
    from matplotlib import colormaps

    stages = {name: values for name, values in gates.items() if name.startswith('stage_')}
    if stages:
        colours = colormaps['Blues'](np.linspace(0.15, 0.55, len(stages)))
        areas = np.cumsum([np.zeros(len(times)), *stages.values()], axis=0)
        for number, name in enumerate(stages):
            label = name.replace('_', ' ')
            panel.fill_between(times, areas[number], areas[number + 1], color=colours[number], linewidth=0, label=label)
    others = {name: values for name, values in gates.items() if name not in stages}
    for number, (name, values) in enumerate(others.items()):
        style = ('-', (0, (4, 1.5)), (0, (1, 1)))[number % 3]
        panel.plot(times, values, color='#8a3b00', linewidth=1.3, linestyle=style, label=name.replace('_', ' '))
    panel.set(ylabel=f'{modality}\ngates', ylim=(0, 1))
    panel.yaxis.label.set_size(9)
    panel.tick_params(labelsize=8)
    panel.legend(loc='center left', bbox_to_anchor=(1, 0.5), fontsize=7, frameon=False, handlelength=1.6)


def _draw_plane(figure: Figure, panel: Axes, times: np.ndarray, pred: np.ndarray, targets: Sequence[str]) -> None:
    angles = np.linspace(0, 2 * np.pi, 200)
    panel.plot(np.cos(angles), np.sin(angles), color='0.85', linewidth=0.8)
    panel.axhline(0, color='0.8', linewidth=0.8)
    panel.axvline(0, color='0.8', linewidth=0.8)
    panel.plot(pred[:, 0], pred[:, 1], color='0.75', linewidth=0.6, zorder=1)
    points = panel.scatter(pred[:, 0], pred[:, 1], c=times, s=5, cmap='viridis', linewidths=0, zorder=2)
    panel.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), xlabel=targets[0], ylabel=targets[1], aspect='equal')
    bar = figure.colorbar(points, ax=panel, shrink=0.6, aspect=28, pad=0.02)
    bar.set_label('time [s]', fontsize=8)
    bar.ax.tick_params(labelsize=8)
