from pathlib import Path

import pytest
from media_files import clicks, pattern

from mmaffect.media import write_video


@pytest.fixture(scope='session')
def grid(clips: Path) -> list[Path]:
    paths = sorted((clips / 'grid').glob('*.mpg'))
    if not paths:
        pytest.skip(f'no *.mpg in {clips / "grid"}')
    return paths


@pytest.fixture(scope='session')
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 pictures at 25 per second with 2 s of sound, clicks at 0.5 and 1.5 s, written by the package."""
    path = tmp_path_factory.mktemp('media') / 'small.mp4'
    write_video(path, (pattern(i) for i in range(50)), 25, clicks(2, 16000, 0.5, 1.5), 16000)
    return path
