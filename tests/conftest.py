"""A small corpus in the raw layout of Aff-Wild2, whose faces and labels both encode their frame number."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmaffect.media import write_video
from tests.browser import browser, open_page  # noqa: F401, fixtures

CLIPS = Path(os.environ.get('MMAFFECT_CLIPS') or Path(__file__).resolve().parents[2] / 'shared' / 'clips')
FPS = 25.0
SOUND_RATE = 16000


def face_colour(frame: int) -> tuple[int, int, int]:
    """RGB colour of the face image of a frame (from 0), far enough from its neighbours to survive JPEG."""
    return 8 + 16 * (frame % 16), 8 + 16 * (frame // 16), 200


def face_frame(face: np.ndarray) -> int:
    """The frame number that a face image encodes."""
    red, green, _ = face.reshape(-1, 3).mean(axis=0)
    return round((red - 8) / 16) + 16 * round((green - 8) / 16)


def write_trial(
    root: Path,
    name: str,
    split: str = 'train',
    rows: int = 30,
    *,
    video: str | None = None,
    video_frames: int | None = None,
    gaps: tuple[int, ...] = (),
    invalid: tuple[int, ...] = (),
    sound: bool = True,
) -> None:
    """Add a trial; row ``i`` has valence ``i / 1000`` and arousal ``-i / 1000``."""
    path = root / 'videos' / 'batch1' / f'{video or name}.mp4'
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        count = rows if video_frames is None else video_frames
        time = np.arange(round(count / FPS * SOUND_RATE)) / SOUND_RATE
        tone = 0.3 * np.sin(2 * np.pi * 440 * time) if sound else None
        frames = (np.full((48, 64, 3), i % 256, np.uint8) for i in range(count))
        write_video(path, frames, FPS, tone, SOUND_RATE if sound else None)
    if split == 'test':
        with open(root / 'Valence_Arousal_Estimation_Challenge_test_set_release.txt', 'a') as file:
            file.write(f'{name}\n')
    else:
        folder = root / 'VA_Estimation_Challenge' / {'train': 'Train_Set', 'val': 'Validation_Set'}[split]
        folder.mkdir(parents=True, exist_ok=True)
        lines = ['-5,-5' if i in invalid else f'{i / 1000},{-i / 1000}' for i in range(rows)]
        (folder / f'{name}.txt').write_text('\n'.join(['valence,arousal', *lines]) + '\n')
    faces = root / 'cropped_aligned' / name
    faces.mkdir(parents=True)
    for i in range(rows):
        if i not in gaps:
            cv2.imwrite(str(faces / f'{i + 1:05d}.jpg'), np.full((112, 112, 3), face_colour(i)[::-1], np.uint8))


@pytest.fixture(scope='session', autouse=True)
def memory_of_the_system() -> Iterator[None]:
    """Leave the allocator of the test process as it is.

    In memory that is used again and not fresh from the system, libx264 gives about one small video in a thousand other
    bytes, and all tests of a worker share its memory.
    """
    with pytest.MonkeyPatch.context() as patch:
        for place in ('mmaffect.compat', 'mmaffect.engine.running'):
            patch.setattr(f'{place}.keep_freed_memory', lambda: None)
        yield


@pytest.fixture(autouse=True)
def loggers_of_this_test() -> Iterator[None]:
    """Forget MMEngine's loggers after a test: they write to what was its standard output, which may be closed then."""
    yield
    if 'mmengine.logging' in sys.modules:
        sys.modules['mmengine.logging'].MMLogger._instance_dict.clear()


@pytest.fixture(scope='session')
def clips() -> Path:
    """Folder of real clips, which are not in the repository."""
    if not CLIPS.is_dir():
        pytest.skip(f'no clips in {CLIPS}; set MMAFFECT_CLIPS to their folder')
    return CLIPS


@pytest.fixture(scope='session')
def raw_corpus_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('raw') / 'affwild2'
    write_trial(root, 'video1', rows=60, gaps=(0, 7, 8, 9, 40), invalid=(3, 4, 20, 59))
    write_trial(root, 'video2_left', rows=30, video='video2')
    write_trial(root, 'video2_right', rows=28, video='video2', gaps=(5,))
    write_trial(root, 'video3', 'val', rows=40, video_frames=38)
    write_trial(root, 'video4', 'val', rows=20, sound=False, invalid=(0,))
    write_trial(root, 'video5', 'test', rows=25)
    return root


@pytest.fixture
def raw_corpus(raw_corpus_template: Path, tmp_path: Path) -> Path:
    """Three training, two validation and one test trial; the copy may be changed."""
    return Path(shutil.copytree(raw_corpus_template, tmp_path / 'raw'))


@pytest.fixture(scope='session')
def add_raw_trial() -> Callable[..., None]:
    """The function that adds a trial to a raw corpus."""
    return write_trial


@pytest.fixture(scope='session')
def frame_of_face() -> Callable[[np.ndarray], int]:
    """The function that reads the frame number from a face image of the raw corpus."""
    return face_frame
