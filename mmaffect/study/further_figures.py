"""Pictures of the study: gates as detectors, one trial, robustness to corruption."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from ..structures import AFFECT
from ..visualization.figure import shown_figure
from .claims import REFERENCE, StudyClaims, in_order
from .drawing import draw_curve, draw_interval, plain, styles_of, write_note
from .extras import Example, Robustness
from .figures import WIDTH
from .gates import NORMAL
from .statistics import Estimate
from .wording import NOTICE, condition_text, gates_text, level

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MODALITIES = {'audio': ('#0072b2', 's'), 'visual': ('#d55e00', 'o')}
BANDS = {
    'unrelated_voice': '#56b4e9', 'silence': '#0072b2', 'noise': '#009e73', 'covered_face': '#e69f00',
    'frozen_face': '#d55e00', 'av_offset': '#cc79a7',
}  # fmt: skip


def gates_figure(claims: StudyClaims, name: str = REFERENCE) -> Figure | None:
    """AUROC of every gate of a fusion by condition, a column a w; ``None`` if it has no gates."""
    weak = [w for w in claims.weak if claims.has(name, w) and claims.gates(name, w)]
    if not weak:
        return None
    gates = list(dict.fromkeys(gate for w in weak for gate in claims.gates(name, w)))
    conditions = in_order(word for w in weak for word in claims.gate_conditions(w))
    figure = shown_figure((WIDTH, 0.145 * (len(gates) + 1) * len(conditions) + 1.8))
    panels = figure.subplots(1, len(weak), sharey=True, sharex=True, squeeze=False)[0]
    step = 0.8 / max(len(gates) - 1, 1)
    for panel, w in zip(panels, weak, strict=True):
        for row, condition in enumerate(conditions):
            for number, gate in enumerate(gates):
                if (gate, condition) in claims.gate_keys(name, w):
                    found = claims.gate(name, gate, condition, w)
                    place = row + step * (number - (len(gates) - 1) / 2)
                    colour, marker, filled = gate_style(gate)
                    label = gate_label(gate) if row == 0 and panel is panels[0] else None
                    draw_interval(panel, found, place, colour, marker=marker, filled=filled, label=label)
                    seeds = claims.gate_seeds(name, gate, condition, w)
                    panel.plot(seeds, [place] * len(seeds), '|', color=colour, markersize=4.5, markeredgewidth=0.8)
        panel.axvline(0.5, color='0.2', linewidth=1.0, zorder=1)
        panel.set_title(f'w = {level(w)}', fontsize=10)
        panel.set_xlabel('AUROC', fontsize=9)
        plain(panel, 'x')
    for panel in panels:
        for row in range(1, len(conditions)):
            panel.axhline(row - 0.5, color='0.85', linewidth=0.7, zorder=0)
    panels[0].set_yticks(range(len(conditions)), [condition_text(condition) for condition in conditions])
    panels[0].set_ylim(len(conditions) - 0.5, -0.5)
    _draw_gate_legend(figure, panels[0])
    write_note(
        figure,
        f'Gates of {claims.label(name)}: the share that they give as a detector of decoupled frames. '
        f'{gates_text(gates)} Bars: 95 % intervals, bootstrap over trials, none where a single trial has such frames; '
        f'value and bounds are means over seeds; ticks: seeds. {NOTICE}',
    )
    return figure


def _draw_gate_legend(figure: Figure, panel: Axes) -> None:
    """A row a modality."""
    handles, labels = panel.get_legend_handles_labels()
    rows: dict[str, list] = {}
    for handle, label in zip(handles, labels, strict=True):
        rows.setdefault(label.partition(',')[0], []).append(handle)
    # Legends are filled by columns.
    order = [one for column in zip_longest(*rows.values()) for one in column if one is not None]
    columns = max(map(len, rows.values()))
    figure.legend(handles=order, loc='outside upper center', ncols=columns, fontsize=8, frameon=False)


def gate_style(gate: str) -> tuple[str, str, bool]:
    """Colour, marker and whether it is filled, of a gate ``<modality>/<name>``: open ones are of the stage gate."""
    modality, _, name = gate.partition('/')
    colour, marker = MODALITIES.get(modality, ('0.4', 'D'))
    return (
        colour,
        ('^' if name.endswith('_2') else 'v' if name.endswith('_3') else marker),
        not name.startswith('stage'),
    )


def gate_label(gate: str) -> str:
    """What readers call a gate.

    Examples:
        >>> gate_label('audio/iteration_1')
        'audio, iteration 1'
    """
    return gate.replace('/', ', ').replace('_', ' ')


def example_figure(claims: StudyClaims, example: Example) -> Figure:
    """Annotation, predictions and gates of one trial, decoupled stretches behind them."""
    rows: dict[tuple[str, str], list[str]] = {}
    for fusion, gates in example.gates.items():
        for gate in gates:
            rows.setdefault((fusion, gate.partition('/')[0]), []).append(gate)
    heights = [2.0] * len(AFFECT) + [1.1] * len(rows)
    figure = shown_figure((WIDTH, sum(heights) + 1.1))
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    styles = styles_of(claims, list(example.predicted))
    for panel, target in zip(panels, AFFECT, strict=False):
        panel.plot(example.times, example.annotated[target], color='black', linewidth=2.0, label='annotated')
        for name, values in example.predicted.items():
            colour, line, _ = styles[name]
            panel.plot(
                example.times, values[target], color=colour, linestyle=line, linewidth=1.3, label=_label(claims, name)
            )
        panel.axhline(0, color='0.8', linewidth=0.8, zorder=0)
        panel.set(ylabel=f'{target}, −1 to 1', ylim=(-1.05, 1.05))
    for panel, ((fusion, modality), gates) in zip(panels[len(AFFECT) :], rows.items(), strict=True):
        for number, gate in enumerate(gates):
            style = ('-', (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))[number % 4]
            label = gate.partition('/')[2].replace('_', ' ')
            shares = example.gates[fusion][gate]
            panel.plot(example.times, shares, color=styles[fusion][0], linewidth=1.2, linestyle=style, label=label)
        panel.set(ylabel=f'{modality} gates,\nshare', ylim=(-0.04, 1.04))
        panel.legend(
            loc='center left', bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False, handlelength=1.6,
            title=_label(claims, fusion), title_fontsize=8, alignment='left',
        )  # fmt: skip
    for panel in panels:
        _draw_bands(panel, example)
        plain(panel, 'y')
        panel.yaxis.label.set_size(9)
    panels[0].legend(loc='center left', bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False, handlelength=1.6)
    _name_bands(panels[0], example)
    panels[-1].set_xlabel('time [s]')
    panels[-1].set_xlim(example.times[0], example.times[-1])
    figure.align_ylabels(list(panels))
    write_note(figure, f'{NOTICE} Shaded: decoupled stretches. {_meaning(example)}')
    return figure


def _meaning(example: Example) -> str:
    """What the gates of an example are shares of."""
    weights = {gate.partition('/')[2].startswith('weight') for gates in example.gates.values() for gate in gates}
    said = {False: 'Gates: share of the attended features.', True: 'Weights: share of the modality.'}
    return ' '.join(said[kind] for kind in sorted(weights))


def _label(claims: StudyClaims, name: str) -> str:
    return claims.label(name) if name in claims.designs else name


def _draw_bands(panel: Axes, example: Example) -> None:
    for word, begin, end in example.spans():
        if word != NORMAL:
            panel.axvspan(begin, end, color=BANDS.get(word, '0.5'), alpha=0.16, linewidth=0, zorder=0)


def _name_bands(panel: Axes, example: Example) -> None:
    for word, begin, end in example.spans():
        if word != NORMAL:
            place = ((begin + end) / 2, 1.02)
            panel.annotate(
                condition_text(word).replace(' ', '\n'), place, xycoords=('data', 'axes fraction'), ha='center',
                va='bottom', fontsize=8, color='0.25',
            )  # fmt: skip


def spread_over_seeds(values: np.ndarray) -> Estimate:
    """Mean over seeds, less and plus the standard deviation (n - 1)."""
    mean, deviation = float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return Estimate(mean, mean - deviation, mean + deviation)


def split_words(name: str) -> str:
    """Name of a class in words.

    Examples:
        >>> split_words('AudioNoise'), split_words('FaceJPEG')
        ('audio noise', 'face JPEG')
    """
    parts = re.findall(r'[A-Z]+(?![a-z])|[A-Z]?[^A-Z]+', name)
    return ' '.join(part if part.isupper() else part.lower() for part in parts)


def robustness_figure(claims: StudyClaims, robustness: Robustness, weak: float) -> Figure:
    """CCC against severity, a panel a corruption."""
    names = [name for name in claims.designs if name in robustness.fusions(weak)]
    corruptions, severities = robustness.corruptions, [0, *robustness.severities]
    styles = styles_of(claims, names)
    columns = min(4, len(corruptions))
    rows = -(-len(corruptions) // columns)
    figure = shown_figure((WIDTH, 2.1 * rows + 1.2))
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for panel in axes.ravel()[len(corruptions) :]:
        panel.set_axis_off()
    for panel, corruption in zip(axes.ravel(), corruptions, strict=False):
        for name in names:
            colour, line, marker = styles[name]
            found = [robustness.of(weak, name, corruption, severity) for severity in severities]
            places = [severity for severity, one in zip(severities, found, strict=True) if len(one)]
            figures = [spread_over_seeds(one) for one in found if len(one)]
            label = claims.label(name) if panel is axes[0, 0] else None
            draw_curve(panel, places, figures, colour, line, marker, label, 2.0 if name == REFERENCE else 1.2)
        panel.set_title(split_words(corruption), fontsize=10)
        panel.set_xticks(severities, ['clean', *map(str, severities[1:])])
        plain(panel, 'y')
    for panel in axes[-1]:
        panel.set_xlabel('severity', fontsize=9)
    for panel in axes[:, 0]:
        panel.set_ylabel('CCC, mean', fontsize=9)
    figure.legend(loc='outside upper center', ncols=5, fontsize=8, frameon=False)
    write_note(
        figure,
        f'Trained at w = {level(weak)}, corrupted trials of w = 0. Bars: standard deviation over seeds. {NOTICE}',
    )
    return figure
