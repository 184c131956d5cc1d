"""The sample file of a challenge: which rows a submission has, and in which order."""

import re
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..datasets.corpus import check_trial_name
from ..errors import CorpusError
from ..utils.files import write_text
from ..utils.text import read_lines

SUBMISSION_HEADER = 'image_location,valence,arousal'
EXPECTED = '<trial>/00001.jpg and at most two values'
# Eight times the test set of Aff-Wild2.
MAX_BYTES = 1 << 30
MAX_FRAME = 10**9
ROW = re.compile(r'(([^/\\,]+)/([0-9]{1,9})\.\w+)(?:,[^,]*){0,2}')


@dataclass(frozen=True)
class Sample:
    """Rows of a submission.

    Attributes:
        locations: of each row, ``<trial>/00001.jpg``, N in all.
        frames: ``(N,)`` int64, frame number of each row, from 1.
        rows: by trial, in the order of first appearance, the indices of its rows.
    """

    locations: list[str]
    frames: np.ndarray
    rows: dict[str, np.ndarray]


def read_sample(path: str | Path) -> Sample:
    """Read a sample file; values in it are of no consequence, and may be left out.

    A byte order mark, line ends of any system and blank lines at the end are of no consequence. The rows of a trial may
    lie apart, and frames may be left out.

    Raises:
        CorpusError: if the header is another, a row is none, names a trial that cannot be a file name, or a frame below
            1, or is there twice; names file, line, what was found and what is expected.
    """
    path = Path(path)
    return parse_rows(path, read_submission_lines(path))


def make_sample(frames: Mapping[str, int]) -> Sample:
    """The sample of which each trial has all its frames, trials in natural order (``video2`` before ``video10``).

    Args:
        frames: number of frames by trial, at least 1.

    Raises:
        CorpusError: if a name cannot name a trial or a trial has no frames.

    Examples:
        >>> make_sample({'video10': 1, 'video2': 2}).locations
        ['video2/00001.jpg', 'video2/00002.jpg', 'video10/00001.jpg']
    """
    locations: list[str] = []
    rows = {}
    for trial in sorted(frames, key=_natural):
        check_trial_name(trial)
        if ',' in trial or frames[trial] < 1:
            raise CorpusError(f'trial {trial!r} of {frames[trial]} frames; expected no comma and at least 1 frame')
        rows[trial] = np.arange(len(locations), len(locations) + frames[trial])
        locations += [f'{trial}/{frame:05d}.jpg' for frame in range(1, frames[trial] + 1)]
    return Sample(locations, np.concatenate([np.arange(1, len(own) + 1) for own in rows.values()] or [[]]), rows)


def write_sample(path: str | Path, frames: Mapping[str, int]) -> None:
    """Write the sample file of :func:`make_sample`, all values 0, for a corpus that comes without one."""
    rows = [f'{location},0,0' for location in make_sample(frames).locations]
    write_text(path, '\n'.join([SUBMISSION_HEADER, *rows]) + '\n')


def read_submission_lines(path: Path) -> list[str]:
    """Lines after the header.

    Raises:
        CorpusError: if it is no text, has another header or no rows.
    """
    what, header = 'the rows of a test set', SUBMISSION_HEADER
    return read_lines(path, CorpusError, what=what, rows=f'rows of {EXPECTED}', max_bytes=MAX_BYTES, header=header)[1:]


def parse_rows(path: Path, lines: list[str]) -> Sample:
    """Rows of a file, without their values; errors as in :func:`read_sample`.

    Args:
        path: the file, for errors.
        lines: without the header, so that the first is line 2.
    """
    locations: list[str] = []
    numbers: dict[str, int] = {}
    trials, frames = array('q'), array('q')
    for line in lines:
        match = ROW.fullmatch(line)
        if match is None:
            raise CorpusError(f'{path}, line {len(locations) + 2}: found {line[:80]!r}, expected {EXPECTED}')
        location, trial, frame = match.groups()
        number = numbers.get(trial)
        if number is None:
            try:
                check_trial_name(trial)
            except CorpusError as error:
                raise CorpusError(f'{path}, line {len(locations) + 2}: {error}') from None
            number = numbers[trial] = len(numbers)
        locations.append(location)
        trials.append(number)
        frames.append(int(frame))
    trial_of, frame_of = np.frombuffer(trials, np.int64), np.frombuffer(frames, np.int64)
    if frame_of.min() < 1:
        row = int(np.argmin(frame_of))
        raise CorpusError(f'{path}, line {row + 2}: found {locations[row]!r}, expected frame numbers from 1')
    _check_duplicates(path, locations, trial_of * MAX_FRAME + frame_of)
    order = np.argsort(trial_of, kind='stable')
    ends = np.cumsum(np.bincount(trial_of))
    return Sample(locations, frame_of, dict(zip(numbers, np.split(order, ends[:-1]), strict=True)))


def _check_duplicates(path: Path, locations: list[str], keys: np.ndarray) -> None:
    order = np.argsort(keys, kind='stable')
    same = np.flatnonzero(np.diff(keys[order]) == 0)
    if len(same):
        again = same[np.argmin(order[same + 1])]
        first, second = int(order[again]), int(order[again + 1])
        raise CorpusError(
            f'{path}, line {second + 2}: frame {locations[second]!r} is in line {first + 2} too; expected it once'
        )


def _natural(name: str) -> list:
    return [int(part) if k % 2 else part for k, part in enumerate(re.split(r'([0-9]+)', name))]
