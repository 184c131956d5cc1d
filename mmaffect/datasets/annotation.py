"""Annotation files of the valence-arousal track: a header and one row a frame."""

import math
from pathlib import Path

import numpy as np

from ..errors import AnnotationError
from ..utils.text import read_lines

INVALID = -5.0
HEADER = ['valence', 'arousal']
# Forty hours of video: no trial, and a hundred times the longest.
MAX_BYTES = 1 << 26
EXPECTED = 'two numbers in [-1, 1], or -5 for a frame without annotation'


def read_annotation(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Read an annotation file; row ``i`` (from 0) belongs to frame ``i + 1``.

    A byte order mark, line ends of any system, spaces, letter case of the header and blank lines at the end are of no
    consequence.

    Args:
        path: text file with the header ``valence,arousal``; each row holds two numbers in [-1, 1] or -5.

    Returns:
        targets: ``(T, 2)`` float32, valence and arousal in [-1, 1], NaN where invalid.
        valid: ``(T,)`` bool; ``False`` where either number is -5.

    Raises:
        AnnotationError: if the file is anything else; names file, line, what was found and what is expected.
    """
    header = ','.join(HEADER)
    what = 'the annotation of one trial'
    lines = read_lines(path, AnnotationError, what=what, rows=EXPECTED, max_bytes=MAX_BYTES, header=header)
    values = _fast(lines)
    if values is None:
        values = _exact(Path(path), lines)
    valid = (values != INVALID).all(axis=1)
    targets = values.astype(np.float32)
    targets[~valid] = np.nan
    return targets, valid


def _fast(lines: list[str]) -> np.ndarray | None:
    """All rows at once; ``None`` if any of them is not what is expected."""
    try:
        values = np.loadtxt(lines, delimiter=',', comments=None, skiprows=1, dtype=np.float64, ndmin=2)
    except ValueError:
        return None
    # loadtxt leaves blank lines out, which would shift all rows after them.
    if values.shape != (len(lines) - 1, 2) or not _accepted(values).all():
        return None
    return values


def _exact(path: Path, lines: list[str]) -> np.ndarray:
    """The same row by row, so as to name the first wrong one."""
    rows = []
    for number, line in enumerate(lines[1:], 2):
        cells = line.split(',')
        try:
            row = [float(cell) for cell in cells]
        except ValueError:
            row = []
        if len(row) != 2 or not all(math.isfinite(value) and _accepted(value) for value in row):
            hint = '; decimal commas?' if len(cells) == 4 else ''
            raise AnnotationError(f'{path}, line {number}: found {line[:60]!r}{hint}, expected {EXPECTED}')
        rows.append(row)
    return np.array(rows, np.float64)


def _accepted(value: np.ndarray | float) -> np.ndarray | bool:
    return (value == INVALID) | ((value >= -1) & (value <= 1))
