"""Pictures of the study: CCC and differences against w, by condition, by number of iterations and by temperature."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..visualization.figure import shown_figure
from .claims import BEST_SINGLE, REFERENCE, StudyClaims
from .drawing import STYLES, draw_curve, draw_interval, draw_lines, name_lines, plain, styles_of, write_note
from .wording import NOTICE, level

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INTERVALS = 'Bars: 95 % intervals, bootstrap over trials and seeds.'
WIDTH = 9.0
SHARE = 'share of decoupled time w'
CCC = 'CCC, mean of valence and arousal'
MOST_LINES = 9
ITERATIONS = {'RJCA': ('rjca_m1', 'rjca_m2', 'rjca_m3'), 'GRJCA': ('grjca_m1', 'grjca', 'grjca_m3')}
TEMPERATURES = {0.05: 'grjca_t005', 0.1: 'grjca', 0.5: 'grjca_t05', 1.0: 'grjca_t1'}


def main_fusions(claims: StudyClaims) -> list[str]:
    """Fusions of the first pictures: single modalities, published ones, extensions while there is room."""
    known = [name for name in STYLES if name in claims.names]
    return known + claims.group('extension')[: MOST_LINES - len(known)]


def ccc_figure(claims: StudyClaims) -> Figure:
    """CCC of the main fusions against w; below, those of both modalities alone, which are close to each other."""
    names = main_fusions(claims)
    both = [name for name in names if claims.designs[name].group != 'single']
    parts = [names, *([both] if both and len(both) < len(names) else [])]
    figure = shown_figure((WIDTH, 4.2 * len(parts) + 0.3))
    panels = figure.subplots(len(parts), 1, squeeze=False)[:, 0]
    ends = [draw_lines(panel, claims, part, claims.ccc) for panel, part in zip(panels, parts, strict=True)]
    for panel, found in zip(panels, ends, strict=True):
        panel.set(xlabel=SHARE, ylabel=CCC)
        name_lines(panel, found)
    write_note(figure, f'{NOTICE} {INTERVALS}')
    return figure


def hurt_figure(claims: StudyClaims) -> Figure:
    """Differences to the better single modality and to concatenation against w: below 0, fusion hurts."""
    names = [name for name in main_fusions(claims) if claims.designs[name].group != 'single']
    others = {'the better single modality': BEST_SINGLE, 'concatenation': 'concat'}
    others = {label: other for label, other in others.items() if claims.has(other)}
    figure = shown_figure((WIDTH, 4.4))
    panels = figure.subplots(1, max(len(others), 1), squeeze=False)[0]
    for panel, (label, other) in zip(panels, others.items(), strict=False):
        shown = [name for name in names if name != other and _shared(claims, name, other)]
        ends = draw_lines(panel, claims, shown, lambda name, weak, other=other: claims.difference(name, other, weak))
        panel.axhline(0, color='0.2', linewidth=1.0, zorder=1)
        panel.set_title(f'CCC less that of {label}', fontsize=10)
        panel.set(xlabel=SHARE, ylabel='difference of CCC')
        name_lines(panel, ends)
    write_note(figure, f'{NOTICE} Below 0 the fusion is worse. {INTERVALS}')
    return figure


def forest_figure(claims: StudyClaims) -> Figure:
    """Differences of GRJCA to every other fusion that is published or an extension."""
    names = [name for name in claims.names if claims.designs[name].group not in ('single', 'ablation')]
    reference = claims.label(REFERENCE)
    pairs = [(REFERENCE, name) for name in names if name != REFERENCE]
    note = f'CCC of {reference} less that of the fusion of the row: right of 0 {reference} is better.'
    return _differences(claims, pairs, [claims.label(other) for _, other in pairs], note)


def pairs_figure(claims: StudyClaims, pairs: Sequence[tuple[str, str]]) -> Figure:
    """Differences of pairs of fusions, a row a pair; the first is better right of 0."""
    labels = [f'{claims.label(first)}\nless {claims.label(second)}' for first, second in pairs]
    return _differences(claims, pairs, labels, 'Right of 0 the first of the two is better.')


def _differences(claims: StudyClaims, pairs: Sequence[tuple[str, str]], labels: list[str], note: str) -> Figure:
    """Differences of CCC, a row a pair, a column a w."""
    inches = 0.24 * max(label.count('\n') + 1 for label in labels) + 0.06 if labels else 0
    figure = shown_figure((WIDTH, inches * len(pairs) + 1.6))
    panels = figure.subplots(1, len(claims.weak), sharey=True, sharex=True, squeeze=False)[0]
    for panel, weak in zip(panels, claims.weak, strict=True):
        for row, (first, second) in enumerate(pairs):
            found = claims.compare(first, second, weak)
            if found.known:
                colour = ('#0072b2', '#d55e00')[found.difference.value > 0] if found.sure else '0.5'
                draw_interval(panel, found.difference, row, colour, filled=found.sure)
        panel.axvline(0, color='0.2', linewidth=1.0, zorder=1)
        panel.set_title(f'w = {level(weak)}', fontsize=10)
        panel.set_xlabel('difference of CCC', fontsize=9)
        plain(panel, 'x')
    panels[0].set_yticks(range(len(pairs)), labels)
    panels[0].set_ylim(len(pairs) - 0.5, -0.5)
    write_note(
        figure, f'{note} Filled: p < 0.05 (permutation test, Holm) and no 0 in the interval. {INTERVALS} {NOTICE}'
    )
    return figure


def conditions_figure(claims: StudyClaims) -> Figure | None:
    """CCC of the main fusions by condition, at the highest w; ``None`` if its frames are all of one condition."""
    weak, names = claims.weak[-1], main_fusions(claims)
    conditions = claims.conditions(weak)
    if len(conditions) < 2:
        return None
    names = [name for name in names if name in claims.fusions(weak)]
    styles = styles_of(claims, names)
    columns = 4
    rows = -(-len(conditions) // columns)
    figure = shown_figure((WIDTH, rows * (0.24 * len(names) + 0.6) + 0.6))
    axes = figure.subplots(rows, columns, sharey=True, sharex=True, squeeze=False).ravel()
    for panel, condition in zip(axes, conditions, strict=False):
        for row, name in enumerate(names):
            colour, _, marker = styles[name]
            draw_interval(panel, claims.ccc(name, weak, condition=condition), row, colour, marker=marker)
        panel.set_title(condition.replace('_', ' '), fontsize=10)
        plain(panel, 'x')
    for panel in axes[len(conditions) :]:
        panel.set_axis_off()
    for panel in axes[max(0, len(conditions) - columns) : len(conditions)]:
        panel.tick_params(labelbottom=True)
        panel.set_xlabel('CCC, mean', fontsize=9)
    axes[0].set_yticks(range(len(names)), [claims.label(name) for name in names])
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    write_note(figure, f'At w = {level(weak)}, pooled over the frames of each condition. {INTERVALS} {NOTICE}')
    return figure


def sweeps_figure(claims: StudyClaims) -> Figure | None:
    """CCC against the number of iterations and the temperature, a column a w; ``None`` if neither was varied."""
    iterations = {
        family: {count: name for count, name in enumerate(names, 1) if name in claims.names}
        for family, names in ITERATIONS.items()
    }
    temperatures = {'GRJCA': {value: name for value, name in TEMPERATURES.items() if name in claims.names}}
    rows = [
        (title, lines, log)
        for title, lines, log in (('iterations M', iterations, False), ('temperature T', temperatures, True))
        if max(map(len, lines.values())) > 1
    ]
    if not rows:
        return None
    figure = shown_figure((WIDTH, 2.3 * len(rows) + 0.6))
    axes = figure.subplots(len(rows), len(claims.weak), sharey='col', sharex='row', squeeze=False)
    for line, (title, families, log) in zip(axes, rows, strict=True):
        for panel, weak in zip(line, claims.weak, strict=True):
            for family, found in families.items():
                colour, _, marker = STYLES['grjca' if family == 'GRJCA' else 'rjca_m2']
                places = [value for value, name in found.items() if name in claims.fusions(weak)]
                figures = [claims.ccc(found[value], weak) for value in places]
                # Side by side, since intervals of the two overlap.
                shift = 0.06 * (family == 'RJCA') - 0.03 if not log else 0.0
                draw_curve(panel, np.array(places) + shift, figures, colour, '-', marker, family)
            panel.set_xlabel(title, fontsize=9)
            if title == rows[0][0]:
                panel.set_title(f'w = {level(weak)}', fontsize=10)
            plain(panel, 'y')
            if log:
                panel.set_xscale('log')
            ticks = sorted({value for found in families.values() for value in found})
            panel.set_xticks(ticks, [f'{value:g}' for value in ticks], minor=False)
            panel.minorticks_off()
        line[0].set_ylabel('CCC, mean', fontsize=9)
        if len(families) > 1:
            handles, labels = line[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc='outside upper center', ncols=2, fontsize=8, frameon=False)
    write_note(figure, f'{NOTICE} {INTERVALS}')
    return figure


def _shared(claims: StudyClaims, name: str, other: str) -> bool:
    """Whether the two can be compared at any w."""
    return any(not math.isnan(claims.difference(name, other, weak).value) for weak in claims.weak)
