"""What a cross-validation says to people."""

import math
from collections.abc import Mapping, Sequence

from ..evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE
from .comparison import mean_and_deviation, spread


def cross_validation_report(rows: Sequence[Mapping], missing: Sequence[int] = ()) -> str:
    """Markdown: a row a fold, mean and standard deviation, and what must be known to read them.

    Args:
        rows: of each finished fold what :func:`mmaffect.engine.cross_validation.describe_fold` returns, ``figures``,
            ``epochs`` (the best of each of its models), ``seed``, ``corpus`` and ``synthetic``.
        missing: folds that are not finished.
    """
    first = rows[0]
    title = (
        f'CCC on {first["corpus"]}, seed {first["seed"]}: each fold at its best epoch by CCC/mean, '
        'chosen on the trials that it is measured on'
    )
    notes = [
        f'Not finished with this config: fold {", ".join(map(str, missing))}.' if missing else '',
        'Folds 1 to 5 are cut from the training trials; their figures are not comparable with those of the official '
        'split (fold 0).'
        if any(row['fold'] for row in rows)
        else '',
        *identity_notes(rows),
        SYNTHETIC_NOTICE if first['synthetic'] else '',
    ]
    return '\n\n'.join([title, _table(rows), '\n'.join(note for note in notes if note)])


def identity_notes(rows: Sequence[Mapping]) -> list[str]:
    """What is known about people and videos in training and in validation of the folds, a line each.

    Args:
        rows: as :func:`mmaffect.engine.cross_validation.describe_fold` returns them.
    """
    known = rows[0]['known']
    total = sum(rows[0][part] for part in ('train', 'val', 'left_out'))
    notes = []
    if known == 0:
        notes.append(
            'The corpus does not tell who is in its trials: the folds are cut by the order of the trials, and a person '
            'may be in training and in validation.'
        )
    else:
        who = 'People' if known == total else f'People, known for {known / total:.0%} of the trials,'
        apart = [row for row in rows if not row['shared_people']]
        where = 'any fold' if len(apart) == len(rows) else f'folds {", ".join(str(row["fold"]) for row in apart)}'
        if apart:
            nobody = 'nobody' if known == total else 'nobody known'
            notes.append(f'{who} are in training or in validation of {where}, {nobody} is in both.')
    for row in rows:
        for kind, what in (('shared_people', 'person'), ('shared_videos', 'video')):
            if shared := row[kind]:
                name, (train, val) = next(iter(shared.items()))
                more = f'; so are {len(shared) - 1} more' if len(shared) > 1 else ''
                notes.append(
                    f'Fold {row["fold"]}: {what} {name} is in training (trial {train}) and in validation '
                    f'(trial {val}){more}.'
                )
        if row['left_out']:
            notes.append(
                f'Fold {row["fold"]}: {row["left_out"]} official validation trials are left out, since its validation '
                'has their people.'
            )
    if not any(row['shared_videos'] for row in rows):
        notes.append('No video is in training and in validation of a fold.')
    return notes


def fold_line(row: Mapping) -> str:
    """A finished fold in a line.

    Args:
        row: as for :func:`cross_validation_report`.
    """
    figures = ', '.join(
        f'{key.removeprefix("best/CCC/")} {value:.3f}'
        for key, value in row['figures'].items()
        if key.startswith('best/')
    )
    epochs = ', '.join(map(str, row['epochs']))
    return f'{row["name"]}: CCC {figures} at epoch {epochs}'


def plain_json(value: object) -> object:
    """A value for JSON of others, which has no NaN: ``null`` in its place."""
    if isinstance(value, Mapping):
        return {str(key): plain_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table(rows: Sequence[Mapping]) -> str:
    figures = [row['figures'] for row in rows]
    keys = [key for key in figures[0] if key.startswith('best/')] + ['last/CCC/mean']
    names = [key.removeprefix('best/CCC/') for key in keys[:-1]] + ['mean after the last epoch']
    lines = [
        f'| fold | trials to train, to validate on | best epoch | {" | ".join(names)} |',
        f'|---|---|---|{"---|" * len(keys)}',
    ]
    for row in rows:
        cells = [f'{row["figures"][key]:.3f}' for key in keys]
        epochs = ', '.join(map(str, row['epochs']))
        lines.append(f'| {row["name"]} | {row["train"]}, {row["val"]} | {epochs} | {" | ".join(cells)} |')
    if len(rows) > 1:
        means = mean_and_deviation(figures)
        undefined = sum(math.isnan(row['best/CCC/mean']) for row in figures)
        over = f'mean ± standard deviation of {len(rows)} folds{f", {undefined} without a CCC" if undefined else ""}'
        lines.append(f'| {over} | | | {" | ".join(spread(means[key]) for key in keys)} |')
    return '\n'.join(lines)
