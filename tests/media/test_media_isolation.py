import os
import time
from pathlib import Path

import pytest

from mmaffect.errors import MediaError
from mmaffect.media import isolated


def die(path):
    os.abort()


def leave(path):
    os._exit(3)


def double(number):
    return 2 * number


def refuse(path):
    raise MediaError(f'{path}: refused')


def sleep(path):
    time.sleep(60)


def test_result_comes_back():
    assert isolated(double, 21) == 42


def test_a_dead_child_is_an_error_that_names_the_file():
    with pytest.raises(MediaError, match=r'a/b\.mp4: the decoder died with signal 6 \(SIGABRT\)'):
        isolated(die, Path('a/b.mp4'))
    with pytest.raises(MediaError, match='died with exit status 3'):
        isolated(leave, 'x.mp4')


def test_exceptions_of_the_child_are_raised():
    with pytest.raises(MediaError, match=r'x\.mp4: refused'):
        isolated(refuse, 'x.mp4')


def test_timeout():
    start = time.monotonic()
    with pytest.raises(MediaError, match=r'x\.mp4: the decoder gave no result within 1 s'):
        isolated(sleep, 'x.mp4', timeout=1.0)
    assert time.monotonic() - start < 20
