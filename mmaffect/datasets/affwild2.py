"""The distributed layout of Aff-Wild2: which trials there are, and the files of each.

::

    <raw>/**/VA_Estimation_Challenge/{Train_Set,Validation_Set}/<trial>.txt    (older: VA_Set/...)
    <raw>/**/*test_set_release*.txt            names of the test trials, one a line
    <raw>/**/<video>.{mp4,avi,mkv}             <trial> is <video>, <video>_left or <video>_right
    <raw>/**/cropped_aligned*/<trial>/00001.jpg
    <raw>/subjects.csv                         optional: trial,subject (who is in it; Aff-Wild2 does not tell)
    <raw>/conditions/<trial>.txt               optional: a word for each frame of the video (see conditions.py)
    <raw>/demo.json                            only in the demo corpus: its people are made up
"""

import csv
import os
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

from ..errors import CorpusError
from .conditions import condition_files
from .corpus import SPLITS, Split, check_trial_name
from .raw import RawCorpus, RawTrial

VIDEO_SUFFIXES = ('.mp4', '.avi', '.mkv')
ANNOTATION_FOLDERS = ('va_estimation_challenge', 'valence_arousal_estimation_challenge', 'va_set')
SPLIT_FOLDERS: dict[str, Split] = {'train_set': 'train', 'training_set': 'train', 'validation_set': 'val'}
FACE_FOLDER = 'cropped_aligned'
MAX_DEPTH = 4
# The archives hold lists of the other tracks beside that of valence and arousal.
OTHER_TRACKS = re.compile(r'expr|action|(^|_)au(_|$)|mtl|multi', re.IGNORECASE)


@dataclass
class _Inventory:
    videos: dict[str, list[Path]]
    annotations: list[tuple[Split, Path]]
    test_lists: list[Path]
    face_folders: list[Path]


def read_layout(raw: str | Path) -> RawCorpus:
    """Find all trials of a raw corpus and their files, opening no video and listing no face folder.

    Trials are in lexicographic order within training, validation and test, which follow one another.

    Args:
        raw: the folder into which the distributed archives were unpacked.

    Raises:
        CorpusError: if there are no trials, if a trial or test list occurs twice, two videos or face folders claim one
            trial, or ``subjects.csv`` names a trial that there is not.
    """
    raw = Path(raw)
    if not raw.is_dir():
        raise CorpusError(f'{raw}: no such folder; expected the folder into which Aff-Wild2 was unpacked')
    inventory = _Inventory({}, [], [], [])
    _survey(raw, inventory, MAX_DEPTH)

    sources = _annotated(inventory)
    for name, line in _test_trials(inventory):
        if name in sources:
            split, path = sources[name]
            raise CorpusError(f'{line}: trial {name!r} is in {path} ({split}) too; expected it in one split')
        sources[name] = ('test', None)
    if not sources:
        raise CorpusError(
            f'{raw}: no trials found; expected VA_Estimation_Challenge/Train_Set/<trial>.txt, '
            'VA_Estimation_Challenge/Validation_Set/<trial>.txt or a list *test_set_release*.txt'
        )

    subjects = _subjects(raw / 'subjects.csv', sources)
    folders = _face_folders(inventory)
    conditions = condition_files(raw)
    trials = [
        RawTrial(
            name,
            split,
            _video(name, inventory),
            path,
            _only(folders.get(name, []), name),
            subjects.get(name),
            conditions=conditions.get(name),
        )
        for name, (split, path) in sources.items()
    ]
    trials.sort(key=lambda trial: (SPLITS.index(trial.split), trial.name))
    used = {trial.video for trial in trials}
    others = sorted(path for path in chain.from_iterable(inventory.videos.values()) if path not in used)
    unused = {'videos of no trial (other tracks?)': others}
    if strangers := sorted(path for name, path in conditions.items() if name not in sources):
        unused['files of conditions of no trial'] = strangers
    return RawCorpus(raw, trials, unused, inventory.face_folders, (raw / 'demo.json').is_file())


def check_files(trial: RawTrial) -> None:
    """Make sure that a trial has its video and its face folder, unless its faces are found in the video.

    Raises:
        CorpusError: if one is missing; the text says where it is expected.
    """
    source = trial.annotation or f'trial {trial.name!r} of the test list'
    if trial.video is None:
        names = ' or '.join(f'{stem}.mp4' for stem in _stems(trial.name))
        raise CorpusError(f'{source}: has no video; expected {names} (or .avi, .mkv) in one of the video folders')
    if trial.faces is None and trial.found is None:
        raise CorpusError(f'{source}: has no face images; expected {FACE_FOLDER}/{trial.name}/00001.jpg ...')


def person_of(trial: RawTrial) -> Literal['left', 'right'] | None:
    """Which of two people in a video a trial is of: its name is that of the video with ``_left`` or ``_right``.

    Examples:
        >>> person_of(RawTrial('a_left', 'train', Path('a.mp4'), None, None))
        'left'
        >>> person_of(RawTrial('a_left', 'train', Path('a_left.mp4'), None, None))
    """
    if trial.video is None or trial.name == trial.video.stem:
        return None
    return 'left' if trial.name.endswith('_left') else 'right'


def _survey(folder: Path, inventory: _Inventory, depth: int) -> None:
    entries = []
    with os.scandir(folder) as scan:
        for entry in scan:
            if re.fullmatch(r'\d+\.(jpe?g|png)', entry.name, re.IGNORECASE):
                # A folder of face images outside cropped_aligned: thousands of files, none of them of use here.
                break
            if not entry.name.startswith('.'):
                entries.append(entry)
    for entry in sorted(entries, key=lambda entry: entry.name):
        name, path = entry.name.casefold(), Path(entry.path)
        if entry.is_dir():
            if name.startswith(FACE_FOLDER):
                inventory.face_folders += _nested(path)
                continue
            if folder.name.casefold() in ANNOTATION_FOLDERS and name in SPLIT_FOLDERS:
                inventory.annotations.append((SPLIT_FOLDERS[name], path))
            elif depth:
                _survey(path, inventory, depth - 1)
        elif path.suffix.casefold() in VIDEO_SUFFIXES:
            inventory.videos.setdefault(path.stem, []).append(path)
        elif name.endswith('.txt') and 'test_set_release' in name and not OTHER_TRACKS.search(path.stem):
            inventory.test_lists.append(path)


def _nested(folder: Path) -> list[Path]:
    # cropped_aligned_batch1.zip may have been unpacked into a folder of its own name.
    inner = [child for child in sorted(folder.iterdir()) if child.name.casefold().startswith(FACE_FOLDER)]
    return [child for child in inner if child.is_dir()] or [folder]


def _annotated(inventory: _Inventory) -> dict[str, tuple[Split, Path | None]]:
    found: dict[str, tuple[Split, Path | None]] = {}
    for split, folder in inventory.annotations:
        paths = sorted(p for p in folder.iterdir() if p.suffix.casefold() == '.txt' and not p.name.startswith('.'))
        if not paths:
            raise CorpusError(f'{folder}: empty; expected an annotation file <trial>.txt of each trial')
        for path in paths:
            if path.stem in found:
                raise CorpusError(f'{path}: trial {path.stem!r} is in {found[path.stem][1]} too; expected it once')
            found[check_trial_name(path.stem)] = (split, path)
    return found


def _test_trials(inventory: _Inventory) -> Iterator[tuple[str, str]]:
    """Names of the test trials, and file and line of each."""
    if len(inventory.test_lists) > 1:
        paths = ' and '.join(str(path) for path in inventory.test_lists)
        raise CorpusError(f'{paths}: {len(inventory.test_lists)} test lists of valence and arousal; keep one')
    for path in inventory.test_lists:
        lines: dict[str, int] = {}
        try:
            text = path.read_text(encoding='utf-8-sig')
        except UnicodeDecodeError:
            raise CorpusError(f'{path}: not a text file; expected the name of a test trial in each line') from None
        for number, line in enumerate(text.splitlines(), 1):
            name, where = line.strip(), f'{path}, line {number}'
            if not name:
                continue
            try:
                check_trial_name(name)
            except CorpusError as error:
                raise CorpusError(f'{where}: {error}') from None
            if name in lines:
                raise CorpusError(f'{where}: trial {name!r} is in line {lines[name]} too; expected it once')
            lines[name] = number
            yield name, where
        if not lines:
            raise CorpusError(f'{path}: empty; expected the name of a test trial in each line')


def _face_folders(inventory: _Inventory) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for folder in inventory.face_folders:
        with os.scandir(folder) as scan:
            for entry in scan:
                if entry.is_dir():
                    found.setdefault(entry.name, []).append(Path(entry.path))
    return found


def _stems(trial: str) -> list[str]:
    """Names that the video of a trial may have."""
    return [trial, *re.findall(r'^(.+)_(?:left|right)$', trial)]


def _video(trial: str, inventory: _Inventory) -> Path | None:
    for stem in _stems(trial):
        if stem in inventory.videos:
            return _only(inventory.videos[stem], trial)
    return None


def _only(paths: list[Path], trial: str) -> Path | None:
    if len(paths) > 1:
        places = ' and '.join(str(path) for path in sorted(paths))
        raise CorpusError(f'{places}: {len(paths)} claim trial {trial!r}; expected one')
    return paths[0] if paths else None


def _subjects(path: Path, trials: Container[str]) -> dict[str, str]:
    if not path.is_file():
        return {}
    found: dict[str, str] = {}
    try:
        with open(path, encoding='utf-8-sig', newline='') as file:
            rows = csv.reader(file)
            header = next(rows, [])
            if [cell.strip().casefold() for cell in header] != ['trial', 'subject']:
                raise CorpusError(f"{path}, line 1: found {','.join(header)!r}, expected the header 'trial,subject'")
            for row in rows:
                if not row:
                    continue
                if len(row) != 2 or row[0].strip() in found:
                    found_row = f'{path}, line {rows.line_num}: found {",".join(row)!r}'
                    raise CorpusError(f'{found_row}, expected trial,subject, each trial once')
                trial, subject = row[0].strip(), row[1].strip()
                if trial not in trials:
                    raise CorpusError(f'{path}, line {rows.line_num}: trial {trial!r}; there is no such trial')
                found[trial] = subject
    except (UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f'{path}: not a table of trial,subject ({error})') from None
    return {trial: subject for trial, subject in found.items() if subject}
