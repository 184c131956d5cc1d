"""Figures of an evaluation as a table for people."""

from collections.abc import Mapping


def figures_table(figures: Mapping[str, float]) -> str:
    """One row a target, one column a measure.

    Args:
        figures: ``measure/target`` to value, as :class:`mmaffect.evaluation.CCCMetric` returns them.

    Examples:
        >>> print(figures_table({'CCC/valence': 0.5, 'RMSE/valence': 0.25, 'CCC/mean': 0.5}))
        target    CCC     RMSE
        valence  0.5000  0.2500
        mean     0.5000
    """
    measures = list(dict.fromkeys(key.rpartition('/')[0] for key in figures))
    targets = list(dict.fromkeys(key.rpartition('/')[2] for key in figures))
    widths = [max(6, len(measure)) for measure in measures]
    first = max(len('target'), *(len(target) for target in targets))
    rows = [['target', *measures]]
    for target in targets:
        values = [figures.get(f'{measure}/{target}') for measure in measures]
        rows.append([target, *('' if value is None else f'{value:.4f}' for value in values)])
    lines = []
    for row in rows:
        cells = [cell.center(width) for cell, width in zip(row[1:], widths, strict=True)]
        lines.append('  '.join([row[0].ljust(first), *cells]).rstrip())
    return '\n'.join(lines)
