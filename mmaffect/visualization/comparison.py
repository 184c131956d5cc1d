"""Picture of a comparison of models."""

from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path

from ..utils.files import replacing


def draw_comparison(
    path: str | Path,
    rows: Mapping[str, Mapping[str, tuple[float, float]]],
    figures: Sequence[str],
    *,
    title: str,
    note: str = '',
) -> None:
    """Draw mean and standard deviation of every model, one panel a figure, to a PNG, SVG or PDF file.

    Args:
        path: file, written whole or not at all.
        rows: by model, by figure: mean and standard deviation (NaN: none).
        figures: which figures, from left to right.
        title: above the picture.
        note: small print below it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(rows)
    picture = Figure(figsize=(3.1 * len(figures) + 1.6, 0.3 * len(names) + 1.4), layout='constrained')
    FigureCanvasAgg(picture)
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
    picture.supxlabel(note, fontsize=7, color='0.4')
    with replacing(path) as temporary:
        picture.savefig(temporary, dpi=120)
