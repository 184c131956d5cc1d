"""Writes a demo corpus in Aff-Wild2's raw layout; a run that is killed goes on where it stopped."""

import json
import multiprocessing
import os
import shutil
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from ..errors import CorpusError
from ..utils.files import write_text
from ..utils.progress import Progress
from .affect import FPS
from .conditions import frame_conditions
from .plan import FORMAT, TEST, TRAIN, VALIDATION, Plan, Settings, Subject, Video, draw_plan
from .voice import SAMPLE_RATE

ANNOTATIONS = 'VA_Estimation_Challenge'
SPLIT_FOLDERS = {TRAIN: 'Train_Set', VALIDATION: 'Validation_Set'}
CROPS = 'cropped_aligned'
CONDITIONS = 'conditions'
TEST_LIST = 'Valence_Arousal_Estimation_Challenge_test_set_release.txt'
RECORD = 'demo.json'
_UNFINISHED = '.unfinished'
_README = """\
Demo corpus of mmaffect: SYNTHETIC, in the raw layout of Aff-Wild2.

One public-domain portrait (the astronaut of scikit-image), warped by a known valence and arousal and morphed into
different identities, with a synthesised voice. A CCC on it shows that a pipeline learns. It is no accuracy on people
and is not comparable with any number on Aff-Wild2.

batch1/, batch2/             videos, one with two people
{crops}/             face crops 112x112, numbered from 1; numbers are missing where the face is lost
{annotations}/     valence,arousal for every frame; -5,-5 is invalid
{conditions}/                  one word for every frame: which modality is weak
subjects.csv                 who is in which trial; training, validation and test share nobody
{record}                    everything that was drawn

Settings: {settings}
"""


def make_demo_corpus(root: str | Path, settings: Settings, jobs: int = 1) -> Plan:
    """Makes a demo corpus, or what is missing of it.

    Args:
        root: folder to write to; new, empty, or a demo corpus of the same settings.
        settings: what decides the corpus.
        jobs: processes; the files do not depend on it.

    Returns:
        What the corpus holds.

    Raises:
        CorpusError: the folder holds something else, or a demo corpus of other settings.
        MMAffectError: scikit-image is not installed; it comes with the extra `demo`.
        ValueError: `jobs` is below 1.
    """
    if jobs < 1:
        raise ValueError(f'jobs is {jobs}; expected at least 1')
    root, plan = Path(root), draw_plan(settings)
    _check_folder(root, settings)
    for folder in (
        'batch1',
        'batch2',
        CROPS,
        CONDITIONS,
        *(f'{ANNOTATIONS}/{name}' for name in SPLIT_FOLDERS.values()),
    ):
        (root / folder).mkdir(parents=True, exist_ok=True)
    shutil.rmtree(root / _UNFINISHED, ignore_errors=True)
    missing = [video for video in plan.videos if not all(path.exists() for path in _outputs(root, video))]
    if missing or not (root / RECORD).exists():
        _write_record(root, plan, complete=False)
    with Progress(sum(video.num_frames for video in missing), 'frames') as progress:
        # Longest first: no process is left alone with a long video at the end.
        missing.sort(key=lambda video: -video.num_frames * len(video.trials))
        # New processes with one thread each, also for one job: how a sum is split over threads changes its last bit.
        with _one_thread(), _pool(jobs) as pool:
            tasks = [
                pool.submit(make_video, root, settings.seed, video, [plan.subjects[t.subject] for t in video.trials])
                for video in missing
            ]
            try:
                for task in as_completed(tasks):
                    progress.update(task.result())
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    shutil.rmtree(root / _UNFINISHED, ignore_errors=True)
    _write_lists(root, plan)
    _write_record(root, plan, complete=True)
    return plan


def make_video(root: Path, seed: int, video: Video, subjects: list[Subject]) -> int:
    """Makes one video with the crops, annotations and conditions of its trials; returns the number of its frames.

    Args:
        root: of the corpus, with its folders.
        seed: of the corpus.
        video: what to make.
        subjects: one for each of its trials.
    """
    import cv2

    from ..media import write_video
    from .containers import to_avi, to_mkv
    from .trials import annotation_text, draw_frames, mix_sound, perform

    cv2.setNumThreads(1)
    outputs = _outputs(root, video)
    work = root / _UNFINISHED / Path(video.path).stem
    made = [work / path.relative_to(root) for path in outputs]
    for path in made:
        path.parent.mkdir(parents=True, exist_ok=True)
    performances = [
        perform(seed, trial, subject, video.num_frames) for trial, subject in zip(video.trials, subjects, strict=True)
    ]
    crops = [work / CROPS / trial.name for trial in video.trials]
    for folder in crops:
        folder.mkdir()
    movie = work / Path(video.path).with_suffix('.mp4')
    frames = draw_frames(seed, video, subjects, performances, crops)
    sound = mix_sound(seed, video, performances) if video.has_sound else None
    write_video(movie, frames, FPS, sound, SAMPLE_RATE if video.has_sound else None)
    if video.path.endswith('.avi'):
        to_avi(movie, work / video.path)
    elif video.path.endswith('.mkv'):
        to_mkv(movie, work / video.path)
    words = '\n'.join(frame_conditions(video.spans, video.num_frames)) + '\n'
    for trial, performance in zip(video.trials, performances, strict=True):
        (work / CONDITIONS / f'{trial.name}.txt').write_text(words, encoding='utf-8')
        if video.split != TEST:
            target = work / ANNOTATIONS / SPLIT_FOLDERS[video.split] / f'{trial.name}.txt'
            target.write_text(annotation_text(trial, performance.rows), encoding='utf-8')
    for source, target in zip(made, outputs, strict=True):
        if target.is_dir():
            shutil.rmtree(target)
        os.replace(source, target)
    return video.num_frames


def _outputs(root: Path, video: Video) -> list[Path]:
    paths = [root / video.path]
    for trial in video.trials:
        paths += [root / CROPS / trial.name, root / CONDITIONS / f'{trial.name}.txt']
        if video.split != TEST:
            paths.append(root / ANNOTATIONS / SPLIT_FOLDERS[video.split] / f'{trial.name}.txt')
    return paths


def _check_folder(root: Path, settings: Settings) -> None:
    try:
        found = json.loads((root / RECORD).read_text(encoding='utf-8'))
        same = found['format'] == FORMAT and Settings.of_record(found['settings']) == settings
    except FileNotFoundError:
        if root.is_dir() and any(root.iterdir()):
            raise CorpusError(f'{root} holds files but no {RECORD}; expected a new or empty folder') from None
        return
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise CorpusError(f'{root / RECORD} cannot be read ({error}); expected the record of a demo corpus') from error
    if not same:
        raise CorpusError(
            f'{root} holds a demo corpus of format {found["format"]}, {found["settings"]}; expected format {FORMAT}, '
            f'{vars(settings)}: choose another folder'
        )


def _write_record(root: Path, plan: Plan, complete: bool) -> None:
    write_text(root / RECORD, json.dumps(plan.as_dict(complete), indent=1) + '\n')


def _write_lists(root: Path, plan: Plan) -> None:
    trials = [(trial, video) for video in plan.videos for trial in video.trials]
    write_text(
        root / 'subjects.csv', '\n'.join(['trial,subject', *(f'{t.name},{t.subject}' for t, _ in trials)]) + '\n'
    )
    write_text(root / TEST_LIST, ''.join(f'{trial.name}\n' for trial, video in trials if video.split == TEST))
    text = _README.format(
        crops=CROPS, annotations=ANNOTATIONS, conditions=CONDITIONS, record=RECORD, settings=vars(plan.settings)
    )
    write_text(root / 'README.txt', text)


def _pool(jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(jobs, multiprocessing.get_context('spawn'), initializer=_end_with_parent)


def _end_with_parent() -> None:
    """Ends this worker when its parent is killed: it would wait for work for ever, and write beside the next run."""

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _one_thread():
    names = ('OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS', 'MKL_NUM_THREADS')
    with mock.patch.dict(os.environ, dict.fromkeys(names, '1')):
        yield
