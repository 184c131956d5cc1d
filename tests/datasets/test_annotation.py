import time

import numpy as np
import pytest

from mmaffect.datasets.annotation import read_annotation
from mmaffect.errors import AnnotationError


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_values_and_invalid_rows(tmp_path):
    path = write(tmp_path / 'a.txt', 'valence,arousal\n0.5,-1\n-5,-5\n-5,0.25\n1,0\n0,-5\n')
    targets, valid = read_annotation(path)
    assert targets.dtype == np.float32
    assert valid.tolist() == [True, False, False, True, False]
    np.testing.assert_array_equal(targets[valid], np.array([[0.5, -1], [1, 0]], np.float32))
    assert np.isnan(targets[~valid]).all()


@pytest.mark.parametrize(
    'content',
    [
        b'\xef\xbb\xbfvalence,arousal\n0.1,0.2\n-5,-5\n',
        b'valence,arousal\r\n0.1,0.2\r\n-5,-5\r\n',
        b'valence,arousal\r0.1,0.2\r-5,-5',
        b' Valence , AROUSAL \n 0.1 ,\t0.2 \n-5.0, -5\n\n\n',
        b'valence,arousal\n+.1,2e-1\n-5,-5',
    ],
)
def test_tolerated_forms(tmp_path, content):
    targets, valid = read_annotation(write(tmp_path / 'a.txt', content))
    np.testing.assert_array_equal(targets, np.array([[0.1, 0.2], [np.nan, np.nan]], np.float32))
    assert valid.tolist() == [True, False]


@pytest.mark.parametrize(
    ('content', 'line', 'found'),
    [
        ('', 1, 'an empty file'),
        ('\n\n', 1, 'an empty file'),
        ('0.1,0.2\n', 1, "'0.1,0.2'"),
        ('arousal,valence\n0.1,0.2\n', 1, "'arousal,valence'"),
        ('valence,arousal\n', 2, 'the end of the file'),
        ('valence,arousal\n0.1,0.2\n0.1\n', 3, "'0.1'"),
        ('valence,arousal\n0.1,0.2,0.3\n0.1,0.2,0.3\n', 2, "'0.1,0.2,0.3'"),
        ('valence,arousal\n0.1,0.2\n0,1,0,2\n', 3, "'0,1,0,2'; decimal commas"),
        ('valence,arousal\n0.1;0.2\n', 2, "'0.1;0.2'"),
        ('valence,arousal\nnan,0.2\n', 2, "'nan,0.2'"),
        ('valence,arousal\n0.1,inf\n', 2, "'0.1,inf'"),
        ('valence,arousal\n0,0\n1.0001,0\n', 3, "'1.0001,0'"),
        ('valence,arousal\n0,0\n0,-4.99\n', 3, "'0,-4.99'"),
        ('valence,arousal\n0,0\n\n0,0\n', 3, "''"),
        ('valence,arousal\n0,0\n#0,0\n0,0\n', 3, "'#0,0'"),
        ('valence,arousal\n0,0\nvalence,arousal\n', 3, "'valence,arousal'"),
    ],
)
def test_wrong_content_names_line_found_and_expected(tmp_path, content, line, found):
    path = write(tmp_path / 'trial.txt', content)
    with pytest.raises(AnnotationError) as error:
        read_annotation(path)
    assert f'trial.txt, line {line}: found {found}' in str(error.value)
    assert 'expected' in str(error.value)


@pytest.mark.parametrize('content', [bytes(range(256)) * 4, b'valence,arousal\n0,0\n\xff\xfe,0\n'])
def test_binary(tmp_path, content):
    with pytest.raises(AnnotationError, match=r'trial\.txt(, line 3)?: (a binary file|not UTF-8 text); expected'):
        read_annotation(write(tmp_path / 'trial.txt', content))


def test_three_million_rows_take_seconds(tmp_path):
    rows = np.random.default_rng(0).uniform(-1, 1, (100_000, 2))
    path = write(tmp_path / 'a.txt', 'valence,arousal\n' + '\n'.join(f'{v:.5f},{a:.5f}' for v, a in rows))
    start = time.process_time()
    targets, valid = read_annotation(path)
    assert time.process_time() - start < 1
    assert valid.all()
    np.testing.assert_allclose(targets, rows, atol=6e-6)
