"""From the distributed Aff-Wild2 to the prepared corpus: trial by trial, each in a worker process."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pebble import ProcessExpired

from ..errors import AnnotationError, CorpusError, MediaError, MMAffectError
from ..media.log_mel import FrontEnd, get_front_end, log_mel
from ..media.types import Sound
from ..utils.cli import one_line
from ..utils.files import sha256, write_text
from ..utils.processes import run_in_processes
from ..utils.progress import Progress
from .affwild2 import RawCorpus, RawTrial, check_files, read_layout
from .annotation import read_annotation
from .corpus import FRAME_RECORD
from .corpus_writer import CorpusWriter
from .faces import read_faces
from .preparation_summary import summarise

# The longest trial takes minutes; a decoder that runs in circles must not hold up the rest for ever.
TRIAL_SECONDS = 3600.0
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
) -> Preparation:
    """Prepare a raw corpus; trials that an earlier run finished are kept.

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

    Raises:
        AnnotationError, MediaError: the first broken trial, unless ``skip_broken``.
        CorpusError: if the raw corpus is incomplete, ``out`` holds a corpus of other settings, lies among the face
            images or has too little space, or all trials are broken.
        OSError: if ``out`` cannot be written to.
    """
    layout = read_layout(raw)
    out = Path(out)
    _check_place(layout, out)
    mine = layout.trials[shard[0] - 1 :: shard[1]]
    rows, broken = _check_trials(mine, skip_broken)

    name = name or ('demo' if layout.synthetic else 'Aff-Wild2')
    writer = CorpusWriter(
        out,
        name=name,
        front_end=get_front_end(front_end),
        face_size=face_size,
        synthetic=layout.synthetic,
        waveform_rate=WAVEFORM_RATE if waveform else None,
    )
    for trial in mine:
        if (entry := writer.entry(trial.name)) is not None and entry['info'].get('subject') != trial.subject:
            writer.rename_subject(trial.name, trial.subject)
    pending = [trial for trial in mine if trial.name not in broken and not _is_current(writer, trial)]
    _check_space(out, [rows.get(trial.name) for trial in pending], writer)
    writer.sweep(None if shard[1] == 1 else [trial.name for trial in mine])
    if any(writer.entry(trial.name) for trial in pending):
        # Trials of it are about to change.
        (out / 'corpus.json').unlink(missing_ok=True)
    try:
        with closing(_work(pending, writer, jobs, done=len(mine) - len(pending) - len(broken))) as failures:
            for trial, error in failures:
                if not skip_broken:
                    raise error
                broken[trial.name] = one_line(error)
    finally:
        writer.sweep([trial.name for trial in pending])
    _note_broken(writer, mine, broken)
    return _finish(writer, layout, mine, skip_broken)


def prepare_trial(trial: RawTrial, writer: CorpusWriter) -> dict:
    """Prepare one trial.

    The annotation decides on the number of frames (for a test trial, the video): a longer video is cut, the time stamps
    of a shorter one are continued at its median frame interval; ``notes`` of the entry tell.

    Returns:
        The entry that is written to the corpus.

    Raises:
        CorpusError, AnnotationError, MediaError: if a file of the trial is missing or broken.
        OSError: if the corpus cannot be written to; nothing half-written stays.
    """
    from ..media import read_sound, read_timestamps

    check_files(trial)
    try:
        source = _source(trial)
        times = read_timestamps(trial.video)
        if trial.annotation is None:
            targets, valid = np.full((times.frames, 2), np.nan, np.float32), np.zeros(times.frames, bool)
        else:
            targets, valid = read_annotation(trial.annotation)
        if times.frames < min(2, len(valid)):
            raise MediaError(f'{trial.video}: {times.frames} frames for {len(valid)} rows of {trial.annotation}')
        track = read_faces(trial.faces, len(valid), writer.face_size)
        sound = read_sound(trial.video, writer.front_end.sample_rate)
    except OSError as error:
        raise MediaError(f'{error.filename or trial.video}: {error.strerror or error}') from None
    logmel = None if sound is None else log_mel(sound.samples, writer.front_end)
    waveform = None if sound is None or writer.waveform_rate is None else _waveform(trial, sound, writer)
    try:
        writer.discard(trial.name)
        return writer.write_trial(
            trial.name,
            video=trial.video.name,
            split=trial.split,
            faces=track.faces,
            logmel=logmel,
            waveform=waveform,
            timestamps=fit_timestamps(times.seconds, len(valid)),
            targets=targets,
            valid=valid,
            face_present=track.present,
            subject=trial.subject,
            notes={
                'video_frames': times.frames,
                'faces_beyond': track.num_beyond,
                'flags': [*times.flags, *(f'sound_{flag}' for flag in (sound.flags if sound else ()))],
                'source': source,
            },
        )
    except OSError as error:
        # A write that fails does not say where.
        raise OSError(error.errno, f'{error.strerror}; trial {trial.name} is not written', str(writer.root)) from None


def _waveform(trial: RawTrial, sound: Sound, writer: CorpusWriter) -> np.ndarray:
    from ..media import read_sound

    if writer.waveform_rate != writer.front_end.sample_rate:
        sound = read_sound(trial.video, writer.waveform_rate)
    return np.rint(np.clip(sound.samples, -1, 1) * 32767).astype(np.int16)


def fit_timestamps(seconds: np.ndarray, num_frames: int) -> np.ndarray:
    """Cut time stamps, or continue them at their median interval.

    Args:
        seconds: ``(N,)`` ascending; two at least where they have to be continued.
        num_frames: length of the result, T.

    Examples:
        >>> fit_timestamps(np.array([0.0, 0.5, 1.0]), 5)
        array([0. , 0.5, 1. , 1.5, 2. ])
    """
    missing = num_frames - len(seconds)
    if missing <= 0:
        return seconds[:num_frames]
    interval = np.median(np.diff(seconds))
    return np.concatenate([seconds, seconds[-1] + interval * np.arange(1, missing + 1)])


def _work(
    trials: list[RawTrial], writer: CorpusWriter, jobs: int, done: int
) -> Iterator[tuple[RawTrial, MMAffectError]]:
    """Prepare trials; yield those that are broken."""
    if not trials:
        return
    jobs = min(jobs, len(trials))
    outcomes = run_in_processes(
        prepare_trial, [(trial, writer) for trial in trials], jobs, TRIAL_SECONDS, ('mmaffect.media', __name__)
    )
    with closing(outcomes), Progress(done + len(trials), 'trials', done) as progress:
        for index, outcome in outcomes:
            progress.update()
            if isinstance(outcome, BaseException):
                yield trials[index], _broken(trials[index], outcome)


def _broken(trial: RawTrial, error: BaseException) -> MMAffectError:
    """The error to report for a trial; raises those that are not the trial's."""
    if isinstance(error, MMAffectError):
        return error
    if isinstance(error, ProcessExpired):
        code = error.exitcode
        how = signal.Signals(-code).name if code is not None and code < 0 else f'exit status {code}'
        return MediaError(f'{trial.video}: reading trial {trial.name} ended its process ({how}); is a file damaged?')
    if isinstance(error, (FutureTimeoutError, TimeoutError)):
        return MediaError(f'{trial.video}: trial {trial.name} took more than {TRIAL_SECONDS:.0f} s; is a file damaged?')
    if isinstance(error, MemoryError):
        return MediaError(f'{trial.video}: trial {trial.name} needs more memory than there is')
    if isinstance(error, BrokenProcessPool):
        raise CorpusError(f'{trial.name}: the worker processes were ended; run it again, it continues') from None
    raise error


def _source(trial: RawTrial) -> dict[str, object]:
    """What tells that a trial was prepared from these very files."""
    return {
        'annotation': None if trial.annotation is None else sha256(trial.annotation),
        'video_bytes': os.path.getsize(trial.video),
    }


def _is_current(writer: CorpusWriter, trial: RawTrial) -> bool:
    entry = writer.entry(trial.name)
    if entry is None or trial.video is None:
        return entry is not None
    return entry['info']['split'] == trial.split and entry['notes'].get('source') == _source(trial)


def _check_place(layout: RawCorpus, out: Path) -> None:
    place = out.resolve()
    if place == layout.root.resolve():
        raise CorpusError(f'{out}: is the raw corpus itself; give another folder for the prepared one')
    for folder in layout.face_folders:
        if place.is_relative_to(folder.resolve()):
            raise CorpusError(f'{out}: lies in {folder}, among the face images; give another folder')


def _check_trials(trials: list[RawTrial], skip_broken: bool) -> tuple[dict[str, int], dict[str, str]]:
    """Find in seconds what would otherwise stop a run of hours; returns annotation rows and reasons by trial."""
    rows, broken = {}, {}
    for trial in trials:
        try:
            check_files(trial)
            if trial.annotation is not None:
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
            f'{out}: {free / 1e9:.1f} GB free, but {len(rows)} trials with about {frames:,.0f} frames need '
            f'{needed / 1e9:.1f} GB; give a folder on another disk, or smaller faces'
        )


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
    paths = {trial.name: _broken_path(writer, trial.name) for trial in layout.trials}
    broken = {trial: json.loads(path.read_text()) for trial, path in paths.items() if path.is_file()}
    done = [trial for trial in layout.trials if trial.name not in broken and _is_current(writer, trial)]
    missing = len(layout.trials) - len(done) - (len(broken) if skip_broken else 0)
    if broken:
        write_text(writer.root / 'broken.json', json.dumps(broken, indent=1))
    else:
        (writer.root / 'broken.json').unlink(missing_ok=True)
    if missing:
        names = {trial.name for trial in mine}
        done = [trial for trial in done if trial.name in names]
        broken = {trial: reason for trial, reason in broken.items() if trial in names}
    elif not done:
        raise CorpusError(
            f'{layout.root}: all {len(broken)} trials are broken, the first: {next(iter(broken.values()))}'
        )
    else:
        writer.finish([trial.name for trial in done])
    summary = summarise([writer.entry(trial.name) for trial in done], broken, layout.unused_videos)
    if missing:
        summary += f'{missing} trials are left to other shards; the last of them writes corpus.json\n'
    else:
        write_text(writer.root / 'summary.txt', summary)
    return Preparation(not missing, broken, summary)
