"""Picture of what corruptions cost."""

from collections.abc import Mapping, Sequence
from itertools import chain, cycle
from typing import TYPE_CHECKING

from .figure import note_below, shown_figure
from .run_plot import COLOURS, FURTHER

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 4


def robustness_figure(
    curves: Mapping[str, Mapping[str, Sequence[float]]],
    severities: Sequence[int],
    *,
    title: str,
    note: str = '',
    label: str = 'CCC',
) -> 'Figure':
    """Draw a figure over severity, one panel a corruption, one line a target or a model.

    Args:
        curves: by line, by corruption: the figure of each severity; NaN leaves a gap.
        severities: on the axis, ascending; 0 is the clean corpus.
        title: above the picture.
        note: small print below it.
        label: what the figure is.
    """
    corruptions = list(dict.fromkeys(name for line in curves.values() for name in line))
    columns = min(COLUMNS, len(corruptions))
    rows = -(-len(corruptions) // columns)
    picture = shown_figure((max(2.5 * columns + 0.8, 6.0), 2.1 * rows + 1.4))
    grid = picture.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    panels = list(chain.from_iterable(grid))
    further = cycle(FURTHER)
    colours = {name: COLOURS.get(name) or next(further) for name in curves}
    for panel, corruption in zip(panels, corruptions, strict=False):
        for name, line in curves.items():
            if corruption in line:
                width = 2.0 if name == 'mean' else 1.3
                panel.plot(severities, line[corruption], 'o-', color=colours[name], linewidth=width, markersize=3)
        panel.axhline(0, color='0.8', linewidth=0.8, zorder=0)
        panel.set_title(corruption, fontsize=10)
        panel.set_xticks(severities, ['clean' if one == 0 else str(one) for one in severities])
        panel.grid(color='0.92')
        panel.set_axisbelow(True)
        panel.tick_params(labelsize=8, labelbottom=True)
        for side in ('top', 'right'):
            panel.spines[side].set_visible(False)
    for panel in panels[len(corruptions) :]:
        panel.set_visible(False)
    for row in grid:
        row[0].set_ylabel(label)
    for panel in panels[max(0, len(corruptions) - columns) : len(corruptions)]:
        panel.set_xlabel('severity', fontsize=8)
    handles = [panels[0].plot([], [], 'o-', color=colours[name], label=name, markersize=3)[0] for name in curves]
    picture.legend(handles=handles, loc='outside right upper', fontsize=8, frameon=False)
    picture.suptitle(title, fontsize=10)
    note_below(picture, note)
    return picture
