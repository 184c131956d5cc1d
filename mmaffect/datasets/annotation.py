"""Annotation files of the valence-arousal track: a header and one row a frame."""

import math
from pathlib import Path

import numpy as np

from ..errors import AnnotationError

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
    lines = _lines(Path(path))
    values = _fast(lines)
    if values is None:
        values = _exact(Path(path), lines)
    valid = (values != INVALID).all(axis=1)
    targets = values.astype(np.float32)
    targets[~valid] = np.nan
    return targets, valid


def _lines(path: Path) -> list[str]:
    with open(path, 'rb') as file:
        # A video that is named .txt is not read whole to find that out.
        head = file.read(4096)
        if b'\0' in head:
            raise AnnotationError(f'{path}: a binary file; expected text with the header {",".join(HEADER)!r}')
        data = head + file.read(MAX_BYTES)
    if len(data) > MAX_BYTES:
        raise AnnotationError(f'{path}: more than {MAX_BYTES >> 20} MiB; expected the annotation of one trial')
    try:
        text = data.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        line = data.count(b'\n', 0, error.start) + 1
        raise AnnotationError(f'{path}, line {line}: not UTF-8 text; expected {EXPECTED}') from None
    lines = text.replace('\r\n', '\n').replace('\r', '\n').rstrip().split('\n')
    if [cell.strip().casefold() for cell in lines[0].split(',')] != HEADER:
        found = repr(lines[0][:60]) if text.strip() else 'an empty file'
        raise AnnotationError(f'{path}, line 1: found {found}, expected the header {",".join(HEADER)!r}')
    if len(lines) == 1:
        raise AnnotationError(f'{path}, line 2: found the end of the file, expected a row of {EXPECTED}')
    return lines


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
