"""Figures that are files and that notebooks show, without pyplot."""

from __future__ import annotations

import functools
import io
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from ..utils.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 120
# Of small print, on an inch.
CHARACTERS = 17


@functools.cache
def _shown() -> type[Figure]:
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        """A figure that shows itself where pyplot was not asked to."""

        def _repr_png_(self) -> bytes:
            return png(self)

    return ShownFigure


def shown_figure(size: tuple[float, float]) -> Figure:
    """An empty figure, drawn by Agg and laid out by constraints.

    Args:
        size: width and height in inches.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = _shown()(figsize=size, layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a PNG, SVG or PDF file, whole or not at all."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=DPI)


def png(figure: Figure, dpi: int = DPI) -> bytes:
    """The bytes of a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format='png', dpi=dpi)
    return file.getvalue()


def note_below(figure: Figure, note: str) -> None:
    """Put small print below a figure, in as many lines as it needs."""
    if note:
        text = textwrap.fill(note, int(figure.get_figwidth() * CHARACTERS))
        figure.supxlabel(text, fontsize=7, color='0.4')
