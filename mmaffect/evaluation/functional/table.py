"""Figures of an evaluation as a table for people."""

from collections.abc import Mapping


def figures_table(figures: Mapping[str, float]) -> str:
    """One row a target, one column a measure; below it one row a condition, if there are any.

    Args:
        figures: ``measure/target`` or ``measure_by_condition/condition/target`` to value, as
            :class:`mmaffect.evaluation.CCCMetric` returns them.

    Examples:
        >>> print(figures_table({'CCC/valence': 0.5, 'RMSE/valence': 0.25, 'CCC/mean': 0.5}))
        target    CCC     RMSE
        valence  0.5000  0.2500
        mean     0.5000
    """
    whole: dict[str, float] = {}
    parts: dict[str, float] = {}
    for key, value in figures.items():
        measure, *word, target = key.rsplit('/', 2)
        if word and measure.endswith('_by_condition'):
            parts[f'{measure}/{target}/{word[0]}'] = value
        else:
            whole[key] = value
    tables = [_table(whole, 'target')] + ([_table(parts, 'condition')] if parts else [])
    return '\n\n'.join(tables)


def _table(figures: Mapping[str, float], name: str) -> str:
    measures = list(dict.fromkeys(key.rpartition('/')[0] for key in figures))
    targets = list(dict.fromkeys(key.rpartition('/')[2] for key in figures))
    widths = [max(6, len(measure)) for measure in measures]
    first = max(len(name), *(len(target) for target in targets))
    rows = [[name, *measures]]
    for target in targets:
        values = [figures.get(f'{measure}/{target}') for measure in measures]
        rows.append([target, *('' if value is None else f'{value:.4f}' for value in values)])
    lines = []
    for row in rows:
        cells = [cell.center(width) for cell, width in zip(row[1:], widths, strict=True)]
        lines.append('  '.join([row[0].ljust(first), *cells]).rstrip())
    return '\n'.join(lines)
