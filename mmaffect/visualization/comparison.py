"""Picture of a comparison of models."""

from collections.abc import Mapping, Sequence
from math import nan
from typing import TYPE_CHECKING

from .figure import note_below, shown_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def comparison_figure(
    rows: Mapping[str, Mapping[str, tuple[float, float]]],
    figures: Sequence[str],
    *,
    title: str,
    note: str = '',
) -> 'Figure':
    """Draw mean and standard deviation of every model, one panel a figure.

    Args:
        rows: by model, by figure: mean and standard deviation (NaN: none).
        figures: which figures, from left to right.
        title: above the picture.
        note: small print below it.
    """
    names = list(rows)
    picture = shown_figure((3.1 * len(figures) + 1.6, 0.3 * len(names) + 1.4))
    panels = picture.subplots(1, len(figures), sharey=True, squeeze=False)[0]
    places = range(len(names))
    for panel, figure, colour in zip(panels, figures, ('#0072b2', '#d55e00', '0.35'), strict=False):
        means, deviations = zip(*(rows[name].get(figure, (nan, nan)) for name in names), strict=True)
        panel.errorbar(means, places, xerr=deviations, fmt='o', color=colour, markersize=5, capsize=3, linewidth=1.2)
        panel.set_title(figure.rpartition('/')[2], fontsize=10)
        panel.grid(axis='x', color='0.9')
        panel.set_axisbelow(True)
        panel.tick_params(labelsize=8)
        for side in ('top', 'right'):
            panel.spines[side].set_visible(False)
    panels[0].set_yticks(places, names)
    panels[0].invert_yaxis()
    picture.suptitle(title, fontsize=10)
    note_below(picture, note)
    return picture
