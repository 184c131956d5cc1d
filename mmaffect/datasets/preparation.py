"""From a raw corpus to the prepared one: trial by trial, each in a worker process."""

import json
import os
import shutil
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import AnnotationError, ConfigError, CorpusError
from ..media.log_mel import FrontEnd, get_front_end
from ..utils.cli import one_line
from ..utils.files import write_text
from .affwild2 import check_files, person_of, read_layout
from .annotation import read_annotation
from .annotation_table import read_annotation_table
from .conditions import read_conditions
from .corpus import FRAME_RECORD
from .corpus_writer import CorpusWriter
from .face_detection import detect_video, detection_file, is_detected, read_detections
from .face_source import FaceSettings, FoundFaces, trials_of_faces
from .preparation_settings import PreparationSettings
from .preparation_summary import summarise
from .raw import RawCorpus, RawTrial
from .trial_preparation import prepare_trial, trial_source
from .trial_work import work_on_trials

# The longest trial takes minutes; a decoder that runs in circles must not hold up the rest for ever.
TRIAL_SECONDS = 3600.0
# Finding faces takes up to a few times as long as the video.
DETECTION_SECONDS = 24 * 3600.0
# Of wav2vec 2.0, HuBERT and WavLM.
WAVEFORM_RATE = 16000


@dataclass(frozen=True)
class Preparation:
    """What a run has done.

    Attributes:
        complete: whether every trial of the raw corpus is prepared (or left out as broken) and ``corpus.json`` written.
        broken: reason by trial, for those left out.
        summary: text for the user.
    """

    complete: bool
    broken: dict[str, str]
    summary: str


def prepare(
    raw: str | Path,
    out: str | Path,
    *,
    jobs: int = 1,
    front_end: str = 'paper',
    face_size: int = 48,
    waveform: bool = False,
    shard: tuple[int, int] = (1, 1),
    skip_broken: bool = False,
    name: str | None = None,
    faces: FaceSettings | None = None,
) -> Preparation:
    """Prepare Aff-Wild2 (or the demo corpus); trials that an earlier run finished are kept.

    Args:
        raw: the folder into which Aff-Wild2 was unpacked.
        out: the folder of the prepared corpus.
        jobs: worker processes.
        front_end: name of the audio front end, ``'paper'`` or ``'vggish'``.
        face_size: side of the stored faces, pixels.
        waveform: keep the sound itself too, mono at 16 kHz, for backbones that take waveforms.
        shard: ``(i, n)``: only every ``n``-th trial, beginning with the ``i``-th (from 1).
        skip_broken: leave broken trials out instead of stopping at the first.
        name: name of the corpus; by default ``'Aff-Wild2'``, or ``'demo'`` for the demo corpus.
        faces: how faces are found in the videos, instead of the crops that are distributed with them; of a trial whose
            name ends in ``_left`` or ``_right``, the left or right one of two people.

    Raises:
        AnnotationError, MediaError: the first broken trial, unless ``skip_broken``.
        CorpusError: if the raw corpus is incomplete, ``out`` holds a corpus of other settings, lies among the face
            images or has too little space, or all trials are broken.
        ConfigError: if a setting is out of range.
        OSError: if ``out`` cannot be written to.
    """
    settings = PreparationSettings(jobs, front_end, face_size, waveform, shard, skip_broken)
    layout = read_layout(raw)
    if faces is not None:
        layout = _found_in_videos(layout, faces, Path(out))
    return prepare_corpus(layout, out, name or ('demo' if layout.synthetic else 'Aff-Wild2'), settings)


def prepare_corpus(layout: RawCorpus, out: str | Path, name: str, settings: PreparationSettings) -> Preparation:
    """Prepare the trials of any raw corpus; errors as of :func:`prepare`.

    Args:
        layout: its trials.
        out: the folder of the prepared corpus.
        name: of the corpus.
        settings: how; of a corpus whose faces are found in the videos, shards hold every ``n``-th video.
    """
    out, jobs, skip_broken = Path(out), settings.jobs, settings.skip_broken
    _check_place(layout, out)
    mine = _shard(layout.trials, settings.shard)
    rows, broken = _check_trials(mine, skip_broken)
    writer = CorpusWriter(
        out,
        name=name,
        front_end=get_front_end(settings.front_end),
        face_size=settings.face_size,
        synthetic=layout.synthetic,
        waveform_rate=WAVEFORM_RATE if settings.waveform else None,
    )
    files = [trial.found.file.stem for trial in mine if trial.found is not None]
    writer.sweep(None if settings.shard[1] == 1 else [*(trial.name for trial in mine), *files])
    broken |= _detect([trial for trial in mine if trial.name not in broken], writer, jobs, skip_broken)
    mine = [part for trial in mine for part in ([trial] if trial.name in broken else trials_of_faces(trial))]
    _check_names(mine)

    for trial in mine:
        if (entry := writer.entry(trial.name)) is not None and entry['info'].get('subject') != trial.subject:
            writer.rename_subject(trial.name, trial.subject)
    pending = [trial for trial in mine if trial.name not in broken and not _is_current(writer, trial)]
    rows |= {
        trial.name: len(read_detections(trial.found.file).times)
        for trial in pending
        if trial.found is not None and trial.name not in rows
    }
    _check_space(out, [rows.get(trial.name) for trial in pending], writer)
    if any(writer.entry(trial.name) for trial in pending):
        # Trials of it are about to change.
        (out / 'corpus.json').unlink(missing_ok=True)
    tasks = [(trial, writer) for trial in pending]
    done = len(mine) - len(pending) - len(broken)
    try:
        with closing(work_on_trials(prepare_trial, pending, tasks, jobs, TRIAL_SECONDS, 'trials', done)) as failures:
            for trial, error in failures:
                if not skip_broken:
                    raise error
                broken[trial.name] = one_line(error)
    finally:
        writer.sweep([trial.name for trial in pending])
    _note_broken(writer, mine, broken)
    return _finish(writer, layout, mine, skip_broken)


def _found_in_videos(layout: RawCorpus, faces: FaceSettings, out: Path) -> RawCorpus:
    if faces.choice == 'all':
        raise ConfigError("faces='all': a trial of Aff-Wild2 is of one person; expected 'largest' or 'longest'")
    trials = [
        trial
        if trial.video is None
        else replace(
            trial, faces=None, found=FoundFaces(faces, detection_file(out, trial.video, layout.root), person_of(trial))
        )
        for trial in layout.trials
    ]
    notes = {**layout.notes, 'faces': {**faces.detection, 'choice': faces.choice}}
    return replace(layout, trials=trials, face_folders=[], notes=notes)


def _shard(trials: list[RawTrial], shard: tuple[int, int]) -> list[RawTrial]:
    """Every n-th trial, or of trials that share detections, those of every n-th video."""
    files = [trial.name if trial.found is None else str(trial.found.file) for trial in trials]
    mine = set(list(dict.fromkeys(files))[shard[0] - 1 :: shard[1]])
    return [trial for trial, file in zip(trials, files, strict=True) if file in mine]


def _detect(trials: list[RawTrial], writer: CorpusWriter, jobs: int, skip_broken: bool) -> dict[str, str]:
    """Find faces where that was not done yet; returns reasons by trial that is broken."""
    first = {trial.found.file: trial for trial in reversed(trials) if trial.found is not None}
    pending = [
        trial
        for file, trial in reversed(first.items())
        if not is_detected(trial.video, file, trial.found.settings.detection)
    ]
    jobs = min(jobs, max(len(pending), 1))
    threads = max(1, (os.cpu_count() or 1) // jobs)
    tasks = []
    for trial in pending:
        settings = trial.found.settings
        detector = json.dumps(settings.detector)
        tasks.append((trial.video, trial.found.file, detector, settings.detection, threads, jobs == 1))
    broken = {}
    done = len(first) - len(pending)
    unit = 'videos searched for faces'
    try:
        with closing(work_on_trials(detect_video, pending, tasks, jobs, DETECTION_SECONDS, unit, done)) as failures:
            for failed, error in failures:
                if not skip_broken:
                    raise error
                same = [trial for trial in trials if trial.found is not None and trial.found.file == failed.found.file]
                broken |= {trial.name: one_line(error) for trial in same}
    finally:
        writer.sweep([trial.found.file.stem for trial in pending])
    return broken


def _is_current(writer: CorpusWriter, trial: RawTrial) -> bool:
    entry = writer.entry(trial.name)
    if entry is None or trial.video is None:
        return entry is not None
    return entry['info']['split'] == trial.split and entry['notes'].get('source') == trial_source(trial)


def _check_place(layout: RawCorpus, out: Path) -> None:
    place = out.resolve()
    if place == layout.root.resolve():
        raise CorpusError(f'{out}: is the raw corpus itself; give another folder for the prepared one')
    for folder in layout.face_folders:
        if place.is_relative_to(folder.resolve()):
            raise CorpusError(f'{out}: lies in {folder}, among the face images; give another folder')


def _check_names(trials: list[RawTrial]) -> None:
    twice = [name for name, count in Counter(trial.name for trial in trials).items() if count > 1]
    if twice:
        first, second = (trial for trial in trials if trial.name == twice[0])
        raise CorpusError(f'{first.video} and {second.video}: both have a trial {twice[0]!r}; expected other names')


def _check_trials(trials: list[RawTrial], skip_broken: bool) -> tuple[dict[str, int], dict[str, str]]:
    """Find in seconds what would otherwise stop a run of hours; returns annotation rows and reasons by trial."""
    rows, broken = {}, {}
    for trial in trials:
        try:
            check_files(trial)
            if trial.conditions is not None:
                read_conditions(trial.conditions)
            if trial.annotation is None:
                continue
            if trial.scale is not None:
                read_annotation_table(trial.annotation, trial.scale)
            else:
                rows[trial.name] = len(read_annotation(trial.annotation)[1])
        except (CorpusError, AnnotationError) as error:
            if not skip_broken:
                raise
            broken[trial.name] = one_line(error)
    return rows, broken


def _check_space(out: Path, rows: list[int | None], writer: CorpusWriter) -> None:
    known = [count for count in rows if count is not None]
    typical = sum(known) / len(known) if known else 0
    frames = sum(typical if count is None else count for count in rows)
    needed = frames * frame_bytes(writer.face_size, writer.front_end, writer.waveform_rate or 0)
    free = shutil.disk_usage(out).free
    if needed > free:
        raise CorpusError(
            f'{out}: {_size(free)} free, but {len(rows)} trials with about {frames:,.0f} frames need {_size(needed)}; '
            'give a folder on another disk, or smaller faces'
        )


def _size(count: float) -> str:
    return f'{count / 1e9:.1f} GB' if count >= 1e9 else f'{count / 1e6:.1f} MB'


def frame_bytes(face_size: int, front_end: FrontEnd, waveform_rate: int = 0, fps: float = 25.0) -> float:
    """Bytes that a frame of the prepared corpus takes; ``waveform_rate`` in Hz, 0 where no waveform is kept.

    Examples:
        >>> frame_bytes(48, get_front_end('paper'))
        7442.0
    """
    sound = front_end.n_mels * 2 / front_end.hop + waveform_rate * 2
    return face_size**2 * 3 + FRAME_RECORD.itemsize + sound / fps


def _broken_path(writer: CorpusWriter, trial: str) -> Path:
    return writer.root / 'index' / '.broken' / f'{trial}.json'


def _note_broken(writer: CorpusWriter, trials: list[RawTrial], broken: dict[str, str]) -> None:
    """Keep the reasons in a file each, since shards must not write one file together."""
    for trial in trials:
        path = _broken_path(writer, trial.name)
        if trial.name in broken:
            write_text(path, json.dumps(broken[trial.name]))
        else:
            path.unlink(missing_ok=True)


def _finish(writer: CorpusWriter, layout: RawCorpus, mine: list[RawTrial], skip_broken: bool) -> Preparation:
    """Write ``corpus.json`` if nothing is left to do, and tell what was found."""
    trials = [part for trial in layout.trials for part in trials_of_faces(trial)]
    paths = {trial.name: _broken_path(writer, trial.name) for trial in trials}
    broken = {trial: json.loads(path.read_text()) for trial, path in paths.items() if path.is_file()}
    done = [trial for trial in trials if trial.name not in broken and _is_current(writer, trial)]
    missing = len(trials) - len(done) - (len(broken) if skip_broken else 0)
    if broken:
        write_text(writer.root / 'broken.json', json.dumps(broken, indent=1))
    else:
        (writer.root / 'broken.json').unlink(missing_ok=True)
    if missing:
        names = {trial.name for trial in mine}
        done = [trial for trial in done if trial.name in names]
        broken = {trial: reason for trial, reason in broken.items() if trial in names}
    elif not done and not broken:
        raise CorpusError(f'{layout.root}: no face is seen for long enough in any of {len(layout.trials)} videos')
    elif not done:
        raise CorpusError(
            f'{layout.root}: all {len(broken)} trials are broken, the first: {next(iter(broken.values()))}'
        )
    else:
        writer.finish([trial.name for trial in done], layout.notes)
    summary = summarise([writer.entry(trial.name) for trial in done], broken, layout.unused, layout.notes)
    faceless = [trial.name for trial in layout.trials if not trials_of_faces(trial)]
    if faceless:
        summary += f'no trial, since no face is seen for long enough: {", ".join(faceless)}\n'
    if missing:
        summary += f'{missing} trials are left to other shards; the last of them writes corpus.json\n'
    else:
        write_text(writer.root / 'summary.txt', summary)
    return Preparation(not missing, broken, summary)
