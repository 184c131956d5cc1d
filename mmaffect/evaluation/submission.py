"""Submissions of the valence-arousal challenge, aligned to the sample file that it distributes.

::

    image_location,valence,arousal
    10-60-1280x720_right/00001.jpg,0.123456,-0.654321
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from ..datasets.annotation import HEADER, read_annotation
from ..errors import CorpusError
from ..utils.files import replacing, write_text
from .sample_file import SUBMISSION_HEADER, Sample, make_sample, parse_rows, read_submission_lines

BLOCK = 1 << 16


@dataclass(frozen=True)
class SubmissionReport:
    """What was written.

    Attributes:
        path: the file, or the folder of files.
        rows: number of rows.
        trials: number of trials.
        padded: rows by trial that repeat the last prediction, since the sample has later frames.
        cut: predicted frames by trial that come after the sample's last.
        unused: predicted trials that the sample has not.
        clipped: values that were beyond [-1, 1].
    """

    path: Path
    rows: int
    trials: int
    padded: dict[str, int] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    clipped: int = 0

    def __str__(self) -> str:
        lines = [f'{self.path}: {self.rows} rows, {self.trials} trials; read again and checked']
        if self.padded:
            lines.append(f'last prediction repeated: {_counts(self.padded, "row")}')
        if self.cut:
            lines.append(f'left out after the last frame of the sample: {_counts(self.cut, "prediction")}')
        if self.unused:
            lines.append(f'predicted, but not in the sample: {_some(self.unused)}')
        if self.clipped:
            lines.append(f'clipped to [-1, 1]: {self.clipped} values')
        return '\n'.join(lines)


def write_submission(
    path: str | Path, predictions: Mapping[str, np.ndarray], sample: Sample | None = None, clip: bool = True
) -> SubmissionReport:
    """Write a submission of ABAW5 to ABAW8 and check it: one file with a row for each frame.

    The row of frame n holds the n-th prediction, also where the sample leaves frames out. Frames after the last
    prediction repeat it, predictions after the last frame are left out, as in the released code. The file takes its
    name only after what was written was read again and found right.

    Args:
        path: the file.
        predictions: by trial, ``(T, 2)``, valence and arousal in [-1, 1] of every frame from the first.
        sample: rows and their order (:func:`read_sample`); ``None``: every predicted frame, trials in natural order.
        clip: clip what is beyond [-1, 1]; otherwise it is an error.

    Raises:
        CorpusError: if a trial of the sample has no predictions, or predictions are not ``(T, 2)`` numbers.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     report = write_submission(f'{folder}/a.txt', {'video1': [[0.1, 0.2]]})
        ...     print(report.path.read_text())
        image_location,valence,arousal
        video1/00001.jpg,0.100000,0.200000
        <BLANKLINE>
    """
    sample = sample or _every_frame(predictions)
    values, report = _aligned(Path(path), predictions, sample, clip)
    with replacing(path) as temporary:
        with open(temporary, 'w', encoding='utf-8', newline='\n') as file:
            file.write(SUBMISSION_HEADER + '\n')
            for start in range(0, len(values), BLOCK):
                block = slice(start, start + BLOCK)
                rows = zip(sample.locations[block], *values[block].T.tolist(), strict=True)
                file.writelines(map('%s,%.6f,%.6f\n'.__mod__, rows))
        check_submission(temporary, sample)
    return report


def write_trial_files(
    folder: str | Path, predictions: Mapping[str, np.ndarray], sample: Sample | None = None, clip: bool = True
) -> SubmissionReport:
    """Write ``<trial>.txt`` for each trial, header ``valence,arousal``: the submission of ABAW2 and ABAW3.

    Args:
        folder: made if needed; it must hold no other ``.txt`` files.
        predictions: as in :func:`write_submission`.
        sample: as in :func:`write_submission`; a file holds the rows of its trial in the sample's order.
        clip: as in :func:`write_submission`.

    Raises:
        CorpusError: as in :func:`write_submission`; also if the folder holds files of other trials.
    """
    folder, sample = Path(folder), sample or _every_frame(predictions)
    values, report = _aligned(folder, predictions, sample, clip)
    other = sorted(path for path in folder.glob('[!.]*.txt') if path.stem not in sample.rows)
    if other:
        raise CorpusError(f'{other[0]}: no file of this submission; expected a new folder, or one of the same trials')
    for trial, rows in sample.rows.items():
        lines = map('%.6f,%.6f'.__mod__, zip(*values[rows].T.tolist(), strict=True))
        path = folder / f'{trial}.txt'
        write_text(path, '\n'.join([','.join(HEADER), *lines]) + '\n')
        if len(read_annotation(path)[0]) != len(rows):
            raise CorpusError(f'{path}: not the {len(rows)} rows that were written')
    return report


def check_submission(path: str | Path, sample: Sample | None = None) -> Sample:
    """Check a submission: every row of the sample once and in its order, all values numbers in [-1, 1].

    Args:
        path: the file.
        sample: what it must hold; ``None``: only that no row is there twice.

    Returns:
        The rows that the submission holds.

    Raises:
        CorpusError: names the file, the line, what was found and what is expected.
    """
    path = Path(path)
    lines = read_submission_lines(path)
    if sample is None or [line.partition(',')[0] for line in lines] != sample.locations:
        found = parse_rows(path, lines)
        if sample is not None:
            _compare(path, found.locations, sample.locations)
        sample = found
    for start in range(0, len(lines), BLOCK):
        block = lines[start : start + BLOCK]
        if not _in_range(block):
            number, line = next((n, line) for n, line in enumerate(block, start + 2) if not _in_range([line]))
            raise CorpusError(f'{path}, line {number}: found {line[:80]!r}, expected two numbers in [-1, 1]')
    return sample


def _every_frame(predictions: Mapping[str, np.ndarray]) -> Sample:
    if not predictions:
        raise CorpusError('no predictions; expected those of at least one trial')
    return make_sample({trial: len(curve) for trial, curve in predictions.items()})


def _aligned(
    path: Path, predictions: Mapping[str, np.ndarray], sample: Sample, clip: bool
) -> tuple[np.ndarray, SubmissionReport]:
    missing = [trial for trial in sample.rows if trial not in predictions]
    if missing:
        near = get_close_matches(missing[0], predictions, n=1, cutoff=0)
        raise CorpusError(
            f'no predictions of trial {missing[0]!r}, one of {len(missing)} that lack them of {len(sample.rows)} in '
            f'the sample; nearest to it is {near[0] if near else None!r}'
        )
    values = np.empty((len(sample.locations), len(HEADER)))
    padded, cut, clipped = {}, {}, 0
    for trial, rows in sample.rows.items():
        frames = sample.frames[rows]
        curve = _checked(trial, predictions[trial])
        beyond = np.abs(curve) > 1
        if beyond.any() and not clip:
            frame, target = (int(first) for first in np.argwhere(beyond)[0])
            raise CorpusError(
                f'trial {trial!r}, frame {frame + 1}: {HEADER[target]} {curve[frame, target]:g}; '
                'expected -1 to 1, or clipping'
            )
        taken = np.minimum(frames, len(curve)) - 1
        values[rows] = curve[taken]
        clipped += int(beyond[taken].sum())
        if (late := int((frames > len(curve)).sum())) > 0:
            padded[trial] = late
        if (more := len(curve) - int(frames.max())) > 0:
            cut[trial] = more
    # Adding 0 makes 0 of -0.
    values = np.round(np.clip(values, -1, 1), 6) + 0.0
    unused = tuple(trial for trial in predictions if trial not in sample.rows)
    return values, SubmissionReport(path, len(values), len(sample.rows), padded, cut, unused, clipped)


def _checked(trial: str, curve: np.ndarray) -> np.ndarray:
    curve = np.asarray(curve, np.float64)
    if curve.ndim != 2 or curve.shape[1] != len(HEADER) or len(curve) == 0:
        raise CorpusError(f'trial {trial!r}: predictions of shape {curve.shape}; expected (frames, {len(HEADER)})')
    if not np.isfinite(curve).all():
        frame = int(np.flatnonzero(~np.isfinite(curve).all(axis=1))[0]) + 1
        raise CorpusError(f'trial {trial!r}, frame {frame}: predicts no number')
    return curve


def _in_range(lines: list[str]) -> bool:
    """Whether each row holds two numbers in [-1, 1] after its location."""
    cells = [line.partition(',')[2] for line in lines]
    if not all(cells):
        return False
    try:
        values = np.loadtxt(cells, delimiter=',', comments=None, dtype=np.float64, ndmin=2)
    except ValueError:
        return False
    return values.shape == (len(cells), len(HEADER)) and bool((np.abs(values) <= 1).all())


def _compare(path: Path, found: list[str], expected: list[str]) -> None:
    missing = set(expected) - set(found)
    if missing:
        first = next(location for location in expected if location in missing)
        raise CorpusError(f'{path}: row {first!r} is missing, one of {len(missing)}; expected every row of the sample')
    more = set(found) - set(expected)
    for number, (here, there) in enumerate(zip(found, expected, strict=False), 2):
        if here in more or (not more and here != there):
            wanted = 'a row of the sample' if here in more else f'{there!r}, as in the order of the sample'
            raise CorpusError(f'{path}, line {number}: found {here!r}, expected {wanted}')
    raise CorpusError(f'{path}: row {found[len(expected)]!r} is not in the sample')


def _counts(numbers: Mapping[str, int], what: str) -> str:
    return _some([f'{trial} ({count} {what}{"s" if count > 1 else ""})' for trial, count in numbers.items()])


def _some(names: list[str] | tuple[str, ...], limit: int = 10) -> str:
    more = f' and {len(names) - limit} more' if len(names) > limit else ''
    return f'{len(names)} trial{"s" if len(names) > 1 else ""}: {", ".join(names[:limit])}{more}'
