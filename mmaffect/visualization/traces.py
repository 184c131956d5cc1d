"""Pictures of valence and arousal over time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..utils.files import replacing


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
        times: ``(T,)``, seconds.
        pred: ``(T, k)`` in [-1, 1].
        truth: ``(T, k)``, NaN where there is no annotation.
        targets: names of the k columns.
        title: above the picture.
        labels: text at each panel, such as its CCC.
        note: small print below the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 2.2 * len(targets) + 0.9), layout='constrained')
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(targets), 1, sharex=True, squeeze=False)[:, 0]
    for k, (panel, target) in enumerate(zip(panels, targets, strict=True)):
        panel.axhline(0, color='0.8', linewidth=0.8)
        panel.plot(times, truth[:, k], color='0.35', linewidth=1.6, label='annotated')
        panel.plot(times, pred[:, k], color=('#0072b2', '#d55e00')[k % 2], linewidth=1.4, label='predicted')
        panel.set(ylabel=target, ylim=(-1.05, 1.05), xlim=(times[0], max(times[-1], times[0] + 1e-3)))
        panel.legend(loc='lower left', bbox_to_anchor=(0, 1), borderaxespad=0.2, ncols=2, fontsize=8, frameon=False)
        if labels:
            panel.set_title(labels[k], loc='right', fontsize=9)
    panels[-1].set_xlabel('time [s]')
    if title:
        figure.suptitle(title, fontsize=11)
    if note:
        figure.supxlabel(note, fontsize=7, color='0.4')
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
