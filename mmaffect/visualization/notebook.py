"""How results show themselves in a notebook: a picture, a small table, the notice."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from .figure import png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..traces.trace import Trace

STATISTICS = ('mean', 'sd', 'min', 'median', 'max')


def figure_html(figure: Figure, alt: str, dpi: int = 80) -> str:
    """An ``img`` element that holds the figure."""
    data = base64.b64encode(png(figure, dpi)).decode()
    return f'<img alt="{escape(alt)}" style="max-width:100%" src="data:image/png;base64,{data}">'


def table_html(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A ``table`` element; the first cell of a row is its name."""
    head = ''.join(f'<th>{escape(cell)}</th>' for cell in header)
    body = ''.join(
        f'<tr><th>{escape(name)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>'
        for name, *cells in rows
    )
    return f'<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def block_html(*parts: str, note: str = '') -> str:
    """Parts below each other, then small print."""
    small = f'<p style="font-size:smaller;opacity:.75">{escape(note)}</p>' if note else ''
    return f'<div>{"".join(parts)}{small}</div>'


def trace_html(trace: Trace) -> str:
    """Picture and figures of a trace."""
    figures = trace.summary()
    annotated = trace.annotated is not None
    header = ['', *STATISTICS, *(['CCC'] if annotated else [])]
    keys = [*(f'{{}}/{name}' for name in STATISTICS), *(['CCC/{}'] if annotated else [])]
    rows = [[target, *(_figure(figures[key.format(target)]) for key in keys)] for target in trace.targets]
    line = f'<p><b>{escape(trace.trial)}</b>: {escape(_described(figures))}</p>'
    picture = figure_html(trace.plot(), f'valence and arousal of {trace.trial} over time')
    return block_html(line, picture, table_html(header, rows), note=trace.notice)


def _described(figures: Mapping[str, float]) -> str:
    shares = [f'{name} in {figures[name]:.0%}' for name in ('face', 'voice') if figures[name] == figures[name]]
    return ', '.join([f'{figures["frames"]:.0f} frames, {figures["duration"]:.2f} s', *shares])


def _figure(value: float) -> str:
    return f'{value:.3f}'.replace('-', '−') if value == value else '–'
