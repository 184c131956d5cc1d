"""Videos of any origin as a raw corpus: a folder of them, and maybe a table of what is known of them.

::

    video,trial,split,subject,annotation,person
    P16/cam.mp4,P16,train,P16,annotations/P16.csv,
    talk.mp4,talk_guest,val,guest,annotations/talk_guest.csv,left

The folder may hold ``conditions/<trial>.txt``, a word for each frame of the video (see conditions.py).
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import ConfigError, CorpusError
from ..utils.text import read_lines, read_rows
from .annotation_table import AnnotationScale
from .conditions import condition_files
from .corpus import SPLITS, check_trial_name
from .face_detection import detection_file
from .face_source import FaceSettings, FoundFaces, Person
from .folds import group_trials
from .raw import RawCorpus, RawTrial
from .split_draw import SplitDraw, draw_validation

VIDEO_SUFFIXES = (
    *('.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi', '.mpg', '.mpeg', '.ts', '.mts', '.m2ts'),
    *('.wmv', '.asf', '.flv', '.mxf', '.ogv', '.3gp', '.dv'),
)
ANNOTATION_SUFFIXES = ('.csv', '.txt')
COLUMNS = ('video', 'trial', 'split', 'subject', 'annotation', 'person')
MAX_BYTES = 1 << 26
SIDES = ('left', 'right')


@dataclass(frozen=True)
class _Row:
    """A row of the table; ``where`` is file and line, for errors."""

    where: str
    video: Path
    trial: str
    split: str
    subject: str | None
    annotation: Path | None
    person: Person


def read_videos(
    videos: str | Path,
    out: str | Path,
    *,
    table: str | Path | None = None,
    annotations: str | Path | None = None,
    faces: FaceSettings | None = None,
    scale: AnnotationScale | None = None,
    draw: SplitDraw | None = None,
) -> RawCorpus:
    """Find the trials of a folder of videos, opening no video.

    Without a table, every video in the folder and its subfolders is a trial, named by its path: ``P16/cam.mp4`` is
    ``P16_cam``. Trials without an annotation are of the split ``'test'``; others of no split are of that of their
    subject or video, where the table names one, or drawn.

    Args:
        videos: the folder.
        out: folder of the prepared corpus, which keeps the detections.
        table: with the columns ``video`` (path in the folder) and any of ``trial`` (its name), ``split``, ``subject``,
            ``annotation`` (path beside the table) and ``person`` (``left``, ``right``, or where the face is, as a share
            of the width); only its videos are used.
        annotations: folder with an annotation ``<trial>.csv`` or ``.txt`` of each trial that has one.
        faces: how faces are found; by default the largest, by the default detector.
        scale: how annotations are read.
        draw: how trials are divided whose split nothing tells; subjects and videos stay together.

    Raises:
        CorpusError: if there are no videos, or the table names what is not there; names file and line.
        ConfigError: if there are annotations of unknown split and no ``draw``.
        OSError: if a folder cannot be read.
    """
    videos, faces, scale = Path(videos), faces or FaceSettings(), scale or AnnotationScale()
    if not videos.is_dir():
        raise CorpusError(f'{videos}: no such folder; expected a folder of videos')
    found = _list_videos(videos)
    if table is None:
        rows = [_Row(str(path), path, _name(path, videos), '', None, None, None) for path in found]
    else:
        rows = _read_table(Path(table), videos, found)
    if not rows:
        raise CorpusError(f'{videos}: no videos in it; expected files {", ".join(VIDEO_SUFFIXES)}')
    _check_once(rows)
    if annotations is not None:
        rows = _with_annotations(rows, Path(annotations))
    _check_rows(rows, faces)
    splits, drawn = _splits(rows, draw)
    conditions = condition_files(videos)
    trials = [
        RawTrial(
            row.trial,
            splits[row.trial],
            row.video,
            row.annotation,
            None,
            row.subject,
            FoundFaces(faces, detection_file(Path(out), row.video, videos), row.person),
            scale,
            os.path.relpath(row.video, videos).replace(os.sep, '/'),
            conditions.get(row.trial),
        )
        for row in rows
    ]
    trials.sort(key=lambda trial: (SPLITS.index(trial.split), trial.name))
    used = {row.video for row in rows}
    unused = {
        'videos of no trial': [path for path in found if path not in used],
        'annotations of no trial': _unused_annotations(rows, annotations),
    }
    if strangers := sorted(path for name, path in conditions.items() if name not in splits):
        unused['files of conditions of no trial'] = strangers
    notes: dict[str, object] = {'faces': {**faces.detection, 'choice': faces.choice}}
    if any(row.annotation for row in rows):
        notes['annotation'] = {'lag': scale.lag, 'low': scale.low, 'high': scale.high}
    if drawn:
        notes['split'] = {'val_share': draw.val_share, 'seed': draw.seed, 'by': 'subject and video'}
    return RawCorpus(videos, trials, unused, [], False, notes)


def _list_videos(folder: Path) -> list[Path]:
    def fail(error: OSError) -> None:
        raise error

    found = []
    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith('.'))
        found += [
            Path(place, name)
            for name in sorted(names)
            if not name.startswith('.') and Path(name).suffix.casefold() in VIDEO_SUFFIXES
        ]
    return found


def _name(video: Path, folder: Path) -> str:
    parts = video.relative_to(folder).with_suffix('').parts
    return video.stem if os.pardir in parts else '_'.join(parts)


def _read_table(path: Path, videos: Path, found: list[Path]) -> list[_Row]:
    lines = read_lines(path, CorpusError, what='a table of videos', rows='a row of the table', max_bytes=MAX_BYTES)
    table = read_rows(lines, path, CorpusError)
    number, header = next(table)
    names = [name.casefold() for name in header]
    named = [name for name in names if name]
    if 'video' not in named or not set(named) <= set(COLUMNS) or len(set(named)) < len(named):
        raise CorpusError(
            f"{path}, line {number}: found the columns {lines[number - 1][:80]!r}, expected 'video' and any of "
            f'{", ".join(COLUMNS[1:])}, each once'
        )
    rows = []
    for number, cells in table:
        if not any(cells):
            # As spreadsheets write the rows below a table.
            continue
        cell = dict.fromkeys(COLUMNS, '') | dict(zip(names, cells, strict=True))
        where = f'{path}, line {number}'
        video = _find(cell['video'], videos, found, where)
        person = _person(cell['person'], where)
        name = cell['trial'] or _name(video, videos) + (f'_{person}' if person in SIDES else '')
        split = cell['split'].casefold()
        if split and split not in SPLITS:
            raise CorpusError(f'{where}: found split {cell["split"]!r}, expected {", ".join(SPLITS)} or nothing')
        annotation = path.parent / cell['annotation'] if cell['annotation'] else None
        if annotation is not None and not annotation.is_file():
            raise CorpusError(f'{where}: found annotation {cell["annotation"]!r}, expected a file; no {annotation}')
        rows.append(_Row(where, video, name, split, cell['subject'] or None, annotation, person))
    return rows


def _find(cell: str, videos: Path, found: list[Path], where: str) -> Path:
    if not cell:
        raise CorpusError(f'{where}: found no video, expected its path in {videos}')
    # However it is written, a video has one path, by which its trials are told to belong together.
    path = videos / os.path.relpath(videos / cell, videos)
    if path.is_file():
        return path
    same = [path for path in found if cell in (path.name, path.stem)]
    if len(same) != 1:
        hint = f' ({len(same)} of that name in subfolders)' if same else ''
        raise CorpusError(f'{where}: found video {cell!r}, expected the path of a file in {videos}{hint}')
    return same[0]


def _person(cell: str, where: str) -> Person:
    if not cell or cell.casefold() in SIDES:
        return cell.casefold() or None
    try:
        place = float(cell)
    except ValueError:
        place = -1.0
    if not 0 <= place <= 1:
        raise CorpusError(f'{where}: found person {cell!r}, expected left, right, or a share of the width in [0, 1]')
    return place


def _check_once(rows: list[_Row]) -> None:
    places: dict[str, str] = {}
    for row in rows:
        try:
            check_trial_name(row.trial)
        except CorpusError as error:
            raise CorpusError(f'{row.where}: {error}') from None
        if row.trial in places:
            raise CorpusError(
                f'{row.where}: trial {row.trial!r} is that of {places[row.trial]}; expected other names (column trial)'
            )
        places[row.trial] = row.where


def _with_annotations(rows: list[_Row], folder: Path) -> list[_Row]:
    if not folder.is_dir():
        raise CorpusError(f'{folder}: no such folder; expected annotations <trial>.csv')
    result = []
    for row in rows:
        files = [path for suffix in ANNOTATION_SUFFIXES if (path := folder / f'{row.trial}{suffix}').is_file()]
        if len(files) > 1:
            raise CorpusError(f'{files[0]} and {files[1]}: both claim trial {row.trial!r}; expected one')
        result.append(replace(row, annotation=files[0]) if files and row.annotation is None else row)
    if not any(row.annotation for row in result):
        raise CorpusError(f'{folder}: no annotation of any trial in it; expected {rows[0].trial}.csv ...')
    return result


def _unused_annotations(rows: list[_Row], folder: str | Path | None) -> list[Path]:
    if folder is None:
        return []
    used = {row.annotation for row in rows}
    return sorted(
        path
        for path in Path(folder).iterdir()
        if path.suffix in ANNOTATION_SUFFIXES and not path.name.startswith('.') and path not in used
    )


def _check_rows(rows: list[_Row], faces: FaceSettings) -> None:
    for row in rows:
        if row.annotation is None and row.split in ('train', 'val'):
            raise CorpusError(f'{row.where}: found split {row.split!r} without an annotation; expected test')
        if row.annotation is not None and faces.choice == 'all' and row.person is None:
            raise CorpusError(
                f'{row.where}: found an annotation of one person, but a trial of every face is asked for; expected a '
                'person, or another choice of faces'
            )


def _splits(rows: list[_Row], draw: SplitDraw | None) -> tuple[dict[str, str], bool]:
    """Splits by trial, and whether any of them was drawn."""
    splits = {row.trial: row.split or ('test' if row.annotation is None else '') for row in rows}
    people: dict[Path, set[str]] = {}
    for row in rows:
        people.setdefault(row.video, {f'video {row.video}'}).update([f'subject {row.subject}'] if row.subject else ())
    groups = {row.trial: sorted(people[row.video]) for row in rows}
    given = {row.trial: row.split if row.annotation else '' for row in rows}
    for group in group_trials(list(groups), groups):
        told = sorted({given[trial] for trial in group} - {''})
        for trial in group:
            if splits[trial] or not told:
                continue
            if len(told) > 1:
                row = next(row for row in rows if row.trial == trial)
                raise CorpusError(
                    f'{row.where}: trial {trial!r} shares subjects or a video with trials of {" and ".join(told)}; '
                    'expected its split'
                )
            splits[trial] = told[0]
    open_rows = [row for row in rows if not splits[row.trial]]
    if not open_rows:
        return splits, False
    if draw is None:
        raise ConfigError(
            f'{open_rows[0].where}: trial {open_rows[0].trial!r} has an annotation but no split; expected a column '
            'split in the table, or a share that validates (--val-share)'
        )
    chosen = draw_validation([row.trial for row in open_rows], groups, draw)
    return splits | {row.trial: 'val' if row.trial in chosen else 'train' for row in open_rows}, True
