"""Submissions, read again with the csv module."""

import csv

import numpy as np
import pytest

from mmaffect.errors import CorpusError
from mmaffect.evaluation import (
    check_submission,
    make_sample,
    read_predictions,
    read_sample,
    write_sample,
    write_submission,
    write_trial_files,
)

HEADER = 'image_location,valence,arousal'


def curve(frames, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (frames, 2))


def sample_file(tmp_path, rows, text='{}\n', header=HEADER):
    path = tmp_path / 'sample.txt'
    path.write_bytes((header + '\n' + ''.join(map(text.format, rows))).encode())
    return path


def rows_of(path):
    with open(path, newline='') as file:
        header, *rows = csv.reader(file)
    assert header == HEADER.split(',')
    return [row[0] for row in rows], np.array([row[1:] for row in rows], float)


def test_rows_are_those_of_the_sample_in_its_order(tmp_path):
    order = [f'{trial}/{frame:05d}.jpg' for trial in ('video2', '10-60_right', 'a') for frame in range(1, 6)]
    sample = read_sample(sample_file(tmp_path, order))
    predictions = {trial: curve(5, seed) for seed, trial in enumerate(('a', 'video2', '10-60_right'))}
    report = write_submission(tmp_path / 'out.txt', predictions, sample)
    locations, values = rows_of(tmp_path / 'out.txt')
    assert locations == order
    expected = np.concatenate([predictions[trial] for trial in ('video2', '10-60_right', 'a')])
    np.testing.assert_allclose(values, expected, atol=5.1e-7)
    assert (report.rows, report.trials, report.padded, report.cut, report.unused) == (15, 3, {}, {}, ())


def test_short_predictions_repeat_the_last_and_long_ones_are_cut(tmp_path):
    order = [f'{trial}/{frame:05d}.jpg' for trial in 'ab' for frame in range(1, 6)]
    predictions = {'a': curve(3), 'b': curve(9), 'c': curve(2)}
    report = write_submission(tmp_path / 'out.txt', predictions, read_sample(sample_file(tmp_path, order)))
    values = rows_of(tmp_path / 'out.txt')[1]
    np.testing.assert_allclose(values[:5], predictions['a'][[0, 1, 2, 2, 2]], atol=5.1e-7)
    np.testing.assert_allclose(values[5:], predictions['b'][:5], atol=5.1e-7)
    assert (report.padded, report.cut, report.unused) == ({'a': 2}, {'b': 4}, ('c',))
    text = str(report)
    for part in ('10 rows, 2 trials', 'a (2 rows)', 'b (4 predictions)', 'not in the sample: 1 trial: c'):
        assert part in text


def test_the_row_of_frame_n_holds_prediction_n(tmp_path):
    order = ['a/00004.jpg', 'b/00001.jpg', 'a/00002.jpg', 'b/00003.jpg', 'a/00009.jpg']
    predictions = {'a': curve(7), 'b': curve(3, 1)}
    report = write_submission(tmp_path / 'out.txt', predictions, read_sample(sample_file(tmp_path, order)))
    locations, values = rows_of(tmp_path / 'out.txt')
    assert locations == order
    a, b = predictions['a'], predictions['b']
    np.testing.assert_allclose(values, [a[3], b[0], a[1], b[2], a[6]], atol=5.1e-7)
    assert (report.padded, report.cut) == ({'a': 1}, {})


@pytest.mark.parametrize('text', ['{}\n', '{},\n', '{},,\n', '{},-5,-5\n', '{},0.1, 0.2\n', '{}\r\n', '{},0,0\r'])
@pytest.mark.parametrize('header', [HEADER, '\ufeff' + HEADER, 'Image_location, Valence,arousal'])
@pytest.mark.parametrize('end', ['', '\n\n'])
def test_forms_of_the_sample(tmp_path, text, header, end):
    path = sample_file(tmp_path, ['a/00001.jpg', 'a/00002.jpg'], text, header)
    path.write_bytes(path.read_bytes() + end.encode())
    sample = read_sample(path)
    assert sample.locations == ['a/00001.jpg', 'a/00002.jpg']
    assert sample.frames.tolist() == [1, 2]
    assert list(sample.rows) == ['a']


def test_without_a_sample_every_frame_in_natural_order(tmp_path):
    predictions = {name: curve(2) for name in ('video10', 'video2', '30-30-1920x1080', '6-30-1920x1080', 'video2_left')}
    write_submission(tmp_path / 'out.txt', predictions)
    locations = rows_of(tmp_path / 'out.txt')[0]
    trials = ['6-30-1920x1080', '30-30-1920x1080', 'video2', 'video2_left', 'video10']
    assert locations == [f'{trial}/{frame}.jpg' for trial in trials for frame in ('00001', '00002')]


def test_numbers_have_six_digits_and_no_negative_zero(tmp_path):
    predictions = {'a': [[-1e-9, -0.0], [1e-9, 1 / 3], [1.0000001, -1.5]]}
    report = write_submission(tmp_path / 'out.txt', predictions)
    assert (tmp_path / 'out.txt').read_bytes() == (
        b'image_location,valence,arousal\n'
        b'a/00001.jpg,0.000000,0.000000\n'
        b'a/00002.jpg,0.000000,0.333333\n'
        b'a/00003.jpg,1.000000,-1.000000\n'
    )
    assert report.clipped == 2
    assert 'clipped to [-1, 1]: 2 values' in str(report)


def test_without_clipping_a_value_beyond_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match=r"trial 'a', frame 2: arousal -1[.]5; expected -1 to 1"):
        write_submission(tmp_path / 'out.txt', {'a': [[0, 1], [0, -1.5]]}, clip=False)
    assert list(tmp_path.iterdir()) == []
    assert write_submission(tmp_path / 'out.txt', {'a': [[0, 1], [0, -1]]}, clip=False).clipped == 0


def test_a_sample_that_is_made_is_read_again(tmp_path):
    frames = {'b': 3, 'a': 100_001}
    write_sample(tmp_path / 'sample.txt', frames)
    sample, made = read_sample(tmp_path / 'sample.txt'), make_sample(frames)
    assert sample.locations == made.locations
    assert sample.locations[100_000] == 'a/100001.jpg'
    assert np.array_equal(sample.frames, made.frames)
    assert {trial: rows.tolist() for trial, rows in sample.rows.items()} == {
        'a': list(range(100_001)),
        'b': [100_001, 100_002, 100_003],
    }


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        (b'', "line 1: found an empty file, expected the header 'image_location,valence,arousal'"),
        (b'valence,arousal\n0,0\n', "line 1: found 'valence,arousal'"),
        (b'a/00001.jpg,0,0\n', "line 1: found 'a/00001.jpg,0,0'"),
        (b'%s\n', 'line 2: found the end of the file'),
        (b'%s\na/00001.jpg\n\na/00002.jpg\n', "line 3: found ''"),
        (b'%s\na/00001.jpg\na/one.jpg\n', "line 3: found 'a/one.jpg', expected <trial>/00001.jpg"),
        (b'%s\na/00001\n', 'line 2'),
        (b'%s\na/00001.jpg,0,0,0\n', 'line 2'),
        (b'%s\n00001.jpg\n', 'line 2'),
        (b'%s\na/b/00001.jpg\n', 'line 2'),
        (b'%s\na/00001.jpg\na/00000.jpg\n', "line 3: found 'a/00000.jpg', expected frame numbers from 1"),
        (b'%s\na/-0001.jpg\n', 'line 2'),
        (b'%s\na/99999999999999999999.jpg\n', 'line 2'),
        (b'%s\na/00001.jpg\nb/00001.jpg\na/00001.jpg\n', 'line 4: frame .a/00001.jpg. is in line 2 too'),
        (b'%s\na/00001.jpg\nb/00001.jpg\na/1.png\n', 'line 4: frame .a/1.png. is in line 2 too'),
        (b'%s\na/00001.jpg\n../00001.jpg\n', r"line 3: '\.\.' cannot name a trial"),
        (b'%s\n../../etc/00001.jpg\n', 'line 2'),
        (b'%s\n/00001.jpg\n', 'line 2'),
        (b'%s\na\\b/00001.jpg\n', 'line 2'),
        (b'%s\nC:/00001.jpg\n', "line 2: 'C:' cannot name a trial"),
        (b'%s\n\x00\n', 'a binary file'),
        (b'%s\na/00001.jpg\n\xe9/00001.jpg\n', 'line 3: not UTF-8 text'),
    ],
)
def test_what_is_no_sample(tmp_path, content, text):
    path = tmp_path / 'sample.txt'
    path.write_bytes(content.replace(b'%s', HEADER.encode()))
    with pytest.raises(CorpusError, match=text) as error:
        read_sample(path)
    assert str(path) in str(error.value)
    assert '\n' not in str(error.value)


def test_a_trial_without_predictions_is_named_with_the_nearest(tmp_path):
    sample = make_sample({'video59_right': 2, 'x': 2, 'video2': 2})
    (tmp_path / 'out.txt').write_text('old')
    text = "trial 'video59_right', one of 2 that lack them of 3 in the sample; nearest to it is 'video59_rigth'"
    with pytest.raises(CorpusError, match=text):
        write_submission(tmp_path / 'out.txt', {'video59_rigth': curve(2), 'video2': curve(2)}, sample)
    assert (tmp_path / 'out.txt').read_text() == 'old'
    with pytest.raises(CorpusError, match='nearest to it is None'):
        write_submission(tmp_path / 'out.txt', {}, sample)


@pytest.mark.parametrize(
    ('predictions', 'text'),
    [
        ({}, 'no predictions'),
        ({'a': np.zeros((3, 1))}, r"trial 'a': predictions of shape \(3, 1\); expected \(frames, 2\)"),
        ({'a': np.zeros((0, 2))}, 'trial .a. of 0 frames'),
        ({'a': np.array([[0, 0], [0, np.nan]])}, "trial 'a', frame 2: predicts no number"),
        ({'a': np.array([[0, 0], [np.inf, 0]])}, "trial 'a', frame 2"),
        ({'../a': np.zeros((3, 2))}, 'cannot name a trial'),
        ({'a,b': np.zeros((3, 2))}, 'expected no comma'),
    ],
)
@pytest.mark.parametrize('write', [write_submission, write_trial_files])
def test_what_are_no_predictions(tmp_path, write, predictions, text):
    with pytest.raises(CorpusError, match=text):
        write(tmp_path / 'out', predictions)
    assert list(tmp_path.rglob('*')) == []


def test_what_fails_the_check_takes_no_name(tmp_path, monkeypatch):
    (tmp_path / 'out.txt').write_text('old')
    monkeypatch.setattr('mmaffect.evaluation.submission.SUBMISSION_HEADER', 'valence,arousal')
    with pytest.raises(CorpusError, match='expected the header'):
        write_submission(tmp_path / 'out.txt', {'a': curve(3)})
    assert [path.name for path in tmp_path.iterdir()] == ['out.txt']
    assert (tmp_path / 'out.txt').read_text() == 'old'


@pytest.mark.parametrize(
    ('rows', 'text'),
    [
        (['a/00001.jpg,0,0', 'b/00001.jpg,0,0'], "row 'a/00002.jpg' is missing, one of 1"),
        (['a/00001.jpg,0,0', 'a/00002.jpg,0,0', 'c/00001.jpg,0,0', 'b/00001.jpg,0,0'], "line 4: found 'c/00001.jpg'"),
        (['a/00001.jpg,0,0', 'a/00002.jpg,0,0', 'b/00001.jpg,0,0', 'b/00002.jpg,0,0'], "row 'b/00002.jpg' is not in"),
        (['a/00002.jpg,0,0', 'a/00001.jpg,0,0', 'b/00001.jpg,0,0'], "line 2: found 'a/00002.jpg', expected 'a/00001"),
        (['a/00001.jpg,0,0', 'a/00002.jpg,0,0', 'b/00001.jpg,0,0', 'a/00002.jpg,0,0'], 'line 5: frame .* line 3 too'),
        (['a/00001.jpg,0,0', 'a/00002.jpg,0,1.001', 'b/00001.jpg,0,0'], "line 3: found 'a/00002.jpg,0,1.001'"),
        (['a/00001.jpg,0,0', 'a/00002.jpg,0,0', 'b/00001.jpg,nan,0'], 'line 4'),
        (['a/00001.jpg,0,0', 'a/00002.jpg,-5,-5', 'b/00001.jpg,0,0'], 'line 3'),
        (['a/00001.jpg,0,0', 'a/00002.jpg,0', 'b/00001.jpg,0,0'], 'line 3'),
        (['a/00001.jpg', 'a/00002.jpg', 'b/00001.jpg'], 'line 2'),
        (['a/00001.jpg,0,0', 'a/00002.jpg,0,x', 'b/00001.jpg,0,0'], 'line 3'),
        (['a/00001.jpg,0,0', 'a/00002.jpg,0,0,0', 'b/00001.jpg,0,0'], 'line 3'),
        (['a/00001.jpg,0,0,0', 'a/00002.jpg,0,0,0', 'b/00001.jpg,0,0,0'], 'line 2'),
    ],
)
def test_check_finds_what_is_wrong(tmp_path, rows, text):
    path = tmp_path / 'submission.txt'
    path.write_text('\n'.join([HEADER, *rows]) + '\n')
    sample = make_sample({'a': 2, 'b': 1})
    with pytest.raises(CorpusError, match=text):
        check_submission(path, sample)


def test_check_accepts_what_is_right(tmp_path):
    path = tmp_path / 'submission.txt'
    path.write_bytes(f'\ufeff{HEADER}\r\na/00001.jpg, -1,1e-3\r\nb/00001.jpg,0.5,1\r\n\r\n'.encode())
    assert check_submission(path, make_sample({'a': 1, 'b': 1})).locations == ['a/00001.jpg', 'b/00001.jpg']
    assert list(check_submission(path).rows) == ['a', 'b']


def test_files_of_each_trial(tmp_path):
    predictions = {'a': curve(3), 'b': curve(2, 1)}
    report = write_trial_files(tmp_path / 'files', predictions, make_sample({'a': 5, 'b': 1}))
    assert {path.name for path in (tmp_path / 'files').iterdir()} == {'a.txt', 'b.txt'}
    for trial, expected in (('a', predictions['a'][[0, 1, 2, 2, 2]]), ('b', predictions['b'][:1])):
        header, *rows = (tmp_path / f'files/{trial}.txt').read_text().splitlines()
        assert header == 'valence,arousal'
        np.testing.assert_allclose([[float(cell) for cell in row.split(',')] for row in rows], expected, atol=5.1e-7)
    assert (report.rows, report.padded, report.cut) == (6, {'a': 2}, {'b': 1})
    again = read_predictions(tmp_path / 'files')
    np.testing.assert_allclose(again['arousal']['b'], predictions['b'][:1, 1:], atol=5.1e-7)


def test_files_of_another_submission_are_no_part_of_it(tmp_path):
    (tmp_path / 'old.txt').write_text('valence,arousal\n0,0\n')
    with pytest.raises(CorpusError, match=r'old.txt: no file of this submission'):
        write_trial_files(tmp_path, {'a': curve(3)})
    assert [path.name for path in tmp_path.iterdir()] == ['old.txt']


@pytest.mark.parametrize(
    ('files', 'text'),
    [
        ({}, 'no <trial>.csv in it'),
        ({'a.csv': 'frame,time\n1,0\n'}, 'a.csv, line 1: found columns frame, time; expected valence or arousal'),
        ({'a.csv': 'valence\n0\n', 'b.csv': 'arousal\n0\n'}, 'b.csv, line 1: .* expected valence, as in a.csv'),
        ({'a.csv': 'frame,valence\n1,0\n3,0\n'}, 'a.csv, line 3: frame 3; expected 2'),
        ({'a.csv': 'frame,valence\n1,0\n2,x\n'}, "a.csv, line 3: valence 'x'; expected a number"),
        ({'a.csv': 'frame,valence\n1,0\n2\n'}, 'a.csv, line 3: 1 cells; expected 2'),
        ({'a.csv': 'valence\n'}, 'a.csv: 1 lines'),
        ({'a.csv': ''}, 'a.csv: 0 lines'),
    ],
)
def test_folders_that_hold_no_predictions(tmp_path, files, text):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(CorpusError, match=text):
        read_predictions(tmp_path)


def test_predictions_of_one_target_are_told_by_the_columns(tmp_path):
    (tmp_path / '.a.77.tmp.csv').write_text('half')
    (tmp_path / 'a.csv').write_text('frame,time,arousal,annotated_arousal\n1,0.0,0.25,nan\n2,0.04,-0.5,nan\n\n')
    found = read_predictions(tmp_path)
    assert list(found) == ['arousal']
    assert found['arousal']['a'].tolist() == [[0.25], [-0.5]]
