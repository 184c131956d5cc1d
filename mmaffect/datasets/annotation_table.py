"""Annotations as a table of times, and their values at the frames of a video."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import AnnotationError, ConfigError
from ..utils.text import read_lines, read_rows
from .annotation import HEADER, INVALID, MAX_BYTES

# Rows that lie further apart than this many median intervals leave a gap between them.
GAP_INTERVALS = 2.5
# Times in tables are rounded, mostly to milliseconds.
TIME_TOLERANCE = 1e-3
MAX_LAG = 60.0
MISSING = ('', 'nan', 'na', 'n/a', 'none', 'null')


@dataclass(frozen=True)
class AnnotationScale:
    """How the numbers of a table become targets.

    Args:
        lag: seconds by which the annotators lag behind what they see; annotations are moved earlier by it.
        low: value of the table that becomes -1.
        high: value of the table that becomes 1.

    Raises:
        ConfigError: if the lag is none in [0, 60], or ``low`` is not below ``high``.
    """

    lag: float = 0.0
    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.lag <= MAX_LAG:
            raise ConfigError(f'lag is {self.lag}; expected seconds in [0, {MAX_LAG:g}]')
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ConfigError(f'scale is {self.low} to {self.high}; expected two numbers, the lower one first')

    @property
    def expected(self) -> str:
        """What a number of the table may be, for errors."""
        return f'a number in [{self.low:g}, {self.high:g}], or nothing, NaN or -5 where there is none'


@dataclass(frozen=True, eq=False)
class AnnotationTable:
    """Rows of an annotation.

    Attributes:
        at: ``(N,)`` float64, ascending: seconds, or where there are none the number of the frame, from 1.
        values: ``(N, 2)`` float64, valence and arousal in [-1, 1], NaN where invalid.
        by_frame: whether ``at`` holds frame numbers.
    """

    at: np.ndarray
    values: np.ndarray
    by_frame: bool


def read_annotation_table(path: str | Path, scale: AnnotationScale) -> AnnotationTable:
    """Read a table with the columns ``valence`` and ``arousal``, and ``time`` (seconds) or ``frame`` (from 1).

    Columns are found by name, in any letter case and order; others are ignored. With no column but valence and arousal,
    row ``i`` (from 0) belongs to frame ``i + 1``, as in Aff-Wild2. Cells are separated by commas or semicolons; lines
    that begin with ``#`` above the header are left out.

    Args:
        path: the file.
        scale: range of the numbers.

    Raises:
        AnnotationError: if it is no such table, a number is out of range, or times do not ascend; names file, line,
            what was found and what is expected.
    """
    path = Path(path)
    lines = read_lines(
        path, AnnotationError, what='the annotation of one trial', rows='a row of the table', max_bytes=MAX_BYTES
    )
    rows = read_rows(lines, path, AnnotationError)
    number, header = next(rows)
    places = {name.casefold(): place for place, name in enumerate(header) if name}
    wanted = [name for name in (*HEADER, 'time', 'frame') if name in places]
    found = f'{path}, line {number}: found the columns {lines[number - 1][:80]!r}'
    if wanted[:2] != HEADER or len(places) < sum(map(bool, header)):
        raise AnnotationError(f"{found}, expected 'valence' and 'arousal', and 'time' or 'frame', each once")
    clock = wanted[2] if len(wanted) > 2 else None
    if clock is None and len(header) > 2:
        # One of the others may be a time of another name.
        raise AnnotationError(f"{found}, expected 'time' or 'frame' among them")
    at, values = [], []
    top = number
    for number, row in rows:
        where = f'{path}, line {number}: '
        if clock is None and number > top + len(at) + 1:
            empty = top + len(at) + 1
            raise AnnotationError(f'{path}, line {empty}: found an empty line, expected a row of each frame')
        at.append(len(at) + 1.0 if clock is None else _clock(clock, row[places[clock]], at, where))
        values.append([_value(name, row[places[name]], scale, where) for name in HEADER])
    if not at:
        raise AnnotationError(f'{path}, line {number + 1}: found the end of the file, expected a row of the table')
    return AnnotationTable(np.array(at), np.array(values), clock != 'time')


def annotation_at(table: AnnotationTable, times: np.ndarray, scale: AnnotationScale) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate an annotation linearly at the frames of its video, within its span and never beyond.

    A frame is valid if the rows before and after it are, and these are no further apart than 2.5 median intervals; a
    frame within a millisecond of a row is valid as that row is.

    Args:
        table: the rows.
        times: ``(T,)`` presentation times, seconds, ascending.
        scale: the lag that is taken from the times of the rows.

    Returns:
        targets: ``(T, 2)`` float32, NaN where invalid.
        valid: ``(T,)`` bool.
    """
    at, values = table.at, table.values
    if table.by_frame:
        keep = at <= len(times)
        at, values = at[keep] - 1, values[keep]
        if scale.lag:
            at = times[at.astype(np.int64)]
        else:
            times = np.arange(len(times), dtype=np.float64)
    at = at - scale.lag
    good = ~np.isnan(values).any(axis=1)
    targets, valid = np.full((len(times), 2), np.nan, np.float32), np.zeros(len(times), bool)
    if not good.any():
        return targets, valid
    gap = GAP_INTERVALS * np.median(np.diff(at)) if len(at) > 1 else 0.0
    after = np.clip(np.searchsorted(at, times), 0, len(at) - 1)
    before = np.maximum(after - 1, 0)
    inside = (at[before] <= times) & (times <= at[after])
    valid = inside & good[before] & good[after] & (at[after] - at[before] <= gap + TIME_TOLERANCE)
    nearest = np.where(np.abs(times - at[before]) <= np.abs(at[after] - times), before, after)
    valid |= (np.abs(times - at[nearest]) <= TIME_TOLERANCE) & good[nearest]
    for column in range(2):
        targets[valid, column] = np.interp(times[valid], at[good], values[good, column])
    return targets, valid


def _clock(name: str, cell: str, before: list[float], where: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    wrong = not math.isfinite(value) or (name == 'frame' and (value < 1 or value != int(value)))
    if wrong:
        hint = '; a decimal comma?' if ',' in cell else ''
        expected = 'seconds' if name == 'time' else 'the number of a frame, from 1'
        raise AnnotationError(f'{where}found {name} {cell[:40]!r}{hint}, expected {expected}')
    if before and value <= before[-1]:
        raise AnnotationError(f'{where}found {name} {value:g} after {before[-1]:g}, expected it to ascend')
    return value


def _value(name: str, cell: str, scale: AnnotationScale, where: str) -> float:
    if cell.casefold() in MISSING:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        hint = '; a decimal comma?' if ',' in cell else ''
        raise AnnotationError(f'{where}found {name} {cell[:40]!r}{hint}, expected {scale.expected}') from None
    if math.isnan(value):
        return math.nan
    if scale.low <= value <= scale.high:
        return (value - scale.low) / (scale.high - scale.low) * 2 - 1
    if value == INVALID:
        return math.nan
    hint = '; another range? (--scale)' if math.isfinite(value) else ''
    raise AnnotationError(f'{where}found {name} {cell[:40]!r}{hint}, expected {scale.expected}')
