"""What a preparation tells at its end."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from .conditions import ordered_words
from .corpus import SPLITS


def summarise(
    entries: list[dict],
    broken: dict[str, str],
    unused: Mapping[str, list[Path]],
    notes: Mapping[str, Mapping[str, object]] | None = None,
) -> str:
    """A table by split and what to look at, as plain text.

    Args:
        entries: of the prepared trials.
        broken: reason by trial that was left out.
        unused: files of no trial, by what they are.
        notes: settings by what they are of.
    """
    table = [('split', 'trials', 'frames', 'invalid', 'no face', 'no sound', 'other length', 'largest', 'flagged')]
    remarks = []
    for split in SPLITS:
        part = [entry for entry in entries if entry['info']['split'] == split]
        infos = [entry['info'] for entry in part]
        frames = sum(info['num_frames'] for info in infos)
        differences = {entry['info']['name']: _difference(entry) for entry in part}
        gross = [entry for entry in part if _is_gross(entry)]
        remarks += [
            f'{entry["info"]["name"]}: {entry["notes"]["video_frames"]} frames of video, '
            f'{entry["info"]["num_frames"]} rows of annotation'
            for entry in gross
        ]
        table.append(
            (
                split,
                f'{len(part)}',
                f'{frames:,}',
                _share(frames, sum(info['valid_frames'] for info in infos)),
                _share(frames, sum(info['faces_present'] for info in infos)),
                f'{sum(not info["has_audio"] for info in infos)}',
                f'{sum(value != 0 for value in differences.values())}',
                f'{max(differences.values(), key=abs, default=0):+d}',
                f'{sum(bool(entry["notes"]["flags"]) or entry in gross for entry in part)}',
            )
        )
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        '  '.join(f'{cell:<{width}}' if i == 0 else f'{cell:>{width}}' for i, (cell, width) in enumerate(pairs))
        for pairs in (zip(row, widths, strict=True) for row in table)
    ]
    lines += [
        f'{key}: ' + ', '.join(f'{name} {value}' for name, value in part.items()) for key, part in (notes or {}).items()
    ]
    lines += [f'length: {remark}' for remark in remarks]
    beyond = sum(entry['notes']['faces_beyond'] for entry in entries)
    if beyond:
        lines.append(f'faces: {beyond} images beyond the last row of their annotation, left out')
    conditions = Counter()
    for entry in entries:
        conditions.update(entry['notes'].get('conditions', {}))
    if conditions:
        total = sum(conditions.values())
        shares = (f'{word} {conditions[word] / total:.2%}' for word in ordered_words(conditions))
        lines.append('conditions: ' + ', '.join(shares))
    flags = Counter(flag for entry in entries for flag in set(entry['notes']['flags']))
    if flags:
        lines.append('flags: ' + ', '.join(f'{flag} {count}' for flag, count in sorted(flags.items())))
    for what, paths in unused.items():
        if paths:
            more = f' and {len(paths) - 5} more' if len(paths) > 5 else ''
            names = ', '.join(path.name for path in paths[:5])
            lines.append(f'warning: {len(paths)} {what}: {names}{more}')
    lines += [f'broken: {trial}: {reason}' for trial, reason in sorted(broken.items())]
    return '\n'.join(lines) + '\n'


def _difference(entry: dict) -> int:
    return entry['notes']['video_frames'] - entry['info']['num_frames']


def _is_gross(entry: dict) -> bool:
    return abs(_difference(entry)) > max(25, 0.1 * entry['info']['num_frames'])


def _share(total: int, present: int) -> str:
    if not total:
        return '-'
    return f'{(total - present) / total:.2%}' if present else 'all'
