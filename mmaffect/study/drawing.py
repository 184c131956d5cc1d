"""Lines, intervals and names in the pictures of the study."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .claims import REFERENCE, StudyClaims
from .statistics import Estimate
from .wording import level

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours of Okabe and Ito; markers and the names beside the lines tell them apart without colour.
STYLES: dict[str, tuple[str, str, str]] = {
    'audio': ('0.55', ':', 'v'),
    'visual': ('0.55', '--', '^'),
    'concat': ('#0072b2', '-', 's'),
    'ca': ('#56b4e9', '-', 'P'),
    'jca_released': ('#009e73', '-', 'X'),
    'rjca_m2': ('#b58900', '-', 'D'),
    'grjca': ('#d55e00', '-', 'o'),
    'lfan': ('#cc79a7', '-', 'p'),
}
FURTHER = (
    ('#6a3d9a', '-', 'h'), ('#000000', '--', 'H'), ('#009e73', '--', '>'), ('#0072b2', ':', '<'),
    ('#cc79a7', '--', 'd'), ('#b58900', ':', '8'),
)  # fmt: skip
LINE_INCHES = 0.15
# Of a note, on an inch.
NOTE_CHARACTERS = 14


def styles_of(claims: StudyClaims, names: Sequence[str]) -> dict[str, tuple[str, str, str]]:
    """Colour, line and marker of fusions: those of the paper and extensions look the same in every picture."""
    fixed = STYLES | dict(zip(claims.group('extension'), FURTHER, strict=False))
    free = [style for style in FURTHER if style not in [fixed.get(name) for name in names]]
    others = [name for name in names if name not in fixed]
    return {**fixed, **{name: free[place % len(free)] for place, name in enumerate(others)}}


def draw_lines(
    panel: Axes, claims: StudyClaims, names: Sequence[str], measure: Callable[[str, float], Estimate]
) -> list[tuple[float, float, str, str]]:
    """Draw one line a fusion against w; what :func:`name_lines` takes."""
    ends = []
    styles = styles_of(claims, names)
    spread = 0.012 * (max(claims.weak) - min(claims.weak))
    for number, name in enumerate(names):
        weak = [w for w in claims.weak if name in claims.fusions(w)]
        figures = [measure(name, w) for w in weak]
        places = np.array(weak) + spread * (number - (len(names) - 1) / 2)
        draw_curve(panel, places, figures, *styles[name], width=2.2 if name == REFERENCE else 1.4)
        known = [place for place, one in enumerate(figures) if np.isfinite(one.value)]
        if known:
            ends.append((float(places[known[-1]]), figures[known[-1]].value, claims.label(name), styles[name][0]))
    panel.set_xticks(claims.weak, [level(weak) for weak in claims.weak])
    plain(panel, 'y')
    return ends


def name_lines(panel: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write names at the right of lines, apart from each other, joined to their ends.

    The limits of the panel must be final.

    Args:
        ends: of each line x, y, name and colour.
    """
    if not ends:
        return
    panel.figure.draw_without_rendering()
    low, high = panel.get_ylim()
    height = panel.get_position().height * panel.figure.get_figheight()
    places = apart([end[1] for end in ends], (high - low) * LINE_INCHES / height)
    right = max(end[0] for end in ends)
    width = max(right - panel.get_xlim()[0], 1e-9)
    for (x, y, name, colour), place in zip(ends, places, strict=True):
        panel.annotate(
            name,
            (x, y),
            (right + 0.06 * width, place),
            fontsize=8.5,
            color='0.35' if colour == '0.55' else colour,
            va='center',
            annotation_clip=False,
            arrowprops={'arrowstyle': '-', 'color': colour, 'linewidth': 0.6, 'relpos': (0, 0.5), 'shrinkB': 4},
        )


def write_note(figure: Figure, note: str) -> None:
    """Write below a figure, large enough to be read where the figure is 900 pixels wide."""
    figure.supxlabel(textwrap.fill(note, int(figure.get_figwidth() * NOTE_CHARACTERS)), fontsize=8.5, color='0.3')


def apart(values: Sequence[float], step: float) -> list[float]:
    """Places near the values, in their order, at least a step from each other.

    Of all such places they have the least sum of squared distances to the values.

    Examples:
        >>> apart([1.0, 1.0, 5.0], 1.0)
        [0.5, 1.5, 5.0]
    """
    order = np.argsort(values, kind='stable')
    blocks: list[list[float]] = []  # mean of the values less their steps, and how many
    for rank, index in enumerate(order):
        blocks.append([values[index] - rank * step, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, count = blocks.pop()
            before = blocks[-1]
            blocks[-1] = [(before[0] * before[1] + mean * count) / (before[1] + count), before[1] + count]
    means = [mean for mean, count in blocks for _ in range(int(count))]
    places = [0.0] * len(values)
    for rank, index in enumerate(order):
        places[index] = float(means[rank] + rank * step)
    return places


def draw_curve(
    panel: Axes,
    places: Sequence[float] | np.ndarray,
    figures: Sequence[Estimate],
    colour: str,
    line: str,
    marker: str,
    label: str | None = None,
    width: float = 1.4,
) -> None:
    """Draw figures and their intervals, joined by a line."""
    values = np.array([one.value for one in figures])
    low, high = np.array([one.low for one in figures]), np.array([one.high for one in figures])
    panel.vlines(places, low, high, color=colour, linewidth=1.0, alpha=0.75)
    panel.plot(
        places, values, color=colour, linestyle=line, linewidth=width, marker=marker, markersize=5.5,
        markeredgecolor='white', markeredgewidth=0.6, label=label,
    )  # fmt: skip


def draw_interval(
    panel: Axes,
    found: Estimate,
    row: float,
    colour: str,
    *,
    marker: str = 'o',
    filled: bool = True,
    label: str | None = None,
) -> None:
    """Draw a figure and its interval in a row."""
    panel.hlines(row, found.low, found.high, color=colour, linewidth=1.3)
    face = colour if filled else 'white'
    panel.plot(
        found.value, row, marker=marker, markersize=5.5, color=colour, markerfacecolor=face, linestyle='', zorder=3,
        label=label,
    )  # fmt: skip


def plain(panel: Axes, lines: str) -> None:
    """Take away what a panel does not need; leave the grid of one axis."""
    panel.grid(axis=lines, color='0.91')
    panel.set_axisbelow(True)
    panel.tick_params(labelsize=8)
    for side in ('top', 'right'):
        panel.spines[side].set_visible(False)
