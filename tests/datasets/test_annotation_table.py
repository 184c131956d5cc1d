import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import interp1d

from mmaffect.datasets.annotation import read_annotation
from mmaffect.datasets.annotation_table import AnnotationScale, annotation_at, read_annotation_table
from mmaffect.errors import AnnotationError, ConfigError

TIMES = np.arange(100) / 25


@pytest.fixture
def at(tmp_path):
    """Writes a table and returns its values at the frames."""

    def at(text, times=TIMES, **scale):
        path = tmp_path / 'a.csv'
        path.write_text(text)
        settings = AnnotationScale(**scale)
        return annotation_at(read_annotation_table(path, settings), times, settings)

    return at


def table(times, values, header='time,valence,arousal'):
    return '\n'.join([header, *(f'{t},{v},{a}' for t, (v, a) in zip(times, values, strict=True))])


@pytest.mark.parametrize('rate', [10, 25, 100])
@pytest.mark.parametrize('lag', [0.0, 0.4])
def test_linear_between_rows_and_never_beyond(at, rate, lag):
    g = np.random.default_rng(rate)
    stamps = 0.7 + np.arange(2 * rate) / rate
    values = g.uniform(-1, 1, (len(stamps), 2)).round(6)
    targets, valid = at(table(stamps, values), lag=lag)
    witness = interp1d(stamps - lag, values, axis=0, bounds_error=False, assume_sorted=True)(TIMES)
    sure = np.minimum(np.abs(TIMES - stamps[0] + lag), np.abs(TIMES - stamps[-1] + lag)) > 2e-3
    np.testing.assert_array_equal(valid[sure], ~np.isnan(witness[sure, 0]))
    both = valid & ~np.isnan(witness[:, 0])
    assert both.sum() > 30
    np.testing.assert_allclose(targets[both], witness[both], atol=1e-5)
    assert np.isnan(targets[~valid]).all()


def test_variable_frame_rate_and_times_rounded_to_milliseconds(at):
    times = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.06, 50))
    values = np.random.default_rng(1).uniform(-1, 1, (50, 2)).round(6)
    targets, valid = at(table(times.round(3), values), times)
    assert valid.all()
    slope = 2 / 0.01
    np.testing.assert_allclose(targets, values, atol=slope * 0.6e-3)


@pytest.mark.parametrize('hole', ['nan,0.5', '0.5,NaN', '-5,-5', '0.5,-5', ',', 'NA,0'])
def test_invalid_rows_mask_the_frames_around_them(at, hole):
    rows = [f'{k / 10},0.5,0.5' for k in range(11)]
    rows[5] = f'0.5,{hole}'
    targets, valid = at('\n'.join(['time,valence,arousal', *rows]), np.arange(0, 1.01, 0.05))
    # Frames at 0.45, 0.5 and 0.55 s lack a neighbour.
    assert np.flatnonzero(~valid).tolist() == [9, 10, 11]
    np.testing.assert_allclose(targets[valid], 0.5)


def test_gap_of_missing_rows(at):
    stamps = [k / 10 for k in range(40) if not 12 <= k < 20]
    _, valid = at(table(stamps, [(0, 0)] * len(stamps)))
    inside = (TIMES > 1.1 + 1e-3) & (TIMES < 2.0 - 1e-3)
    assert not valid[inside].any()
    assert valid[~inside & (TIMES <= 3.9)].all()
    # One missing row is bridged.
    stamps = [k / 10 for k in range(40) if k != 12]
    assert at(table(stamps, [(0, 0)] * len(stamps)))[1][TIMES <= 3.9].all()


def test_frames_by_number(at):
    targets, valid = at('frame;arousal;valence\n1;0.1;0.2\n2;0.3;0.4\n4;-5;-5\n5;0.5;0.6\n300;1;1', TIMES[:6])
    assert valid.tolist() == [True, True, False, False, True, False]
    np.testing.assert_allclose(targets[valid], [[0.2, 0.1], [0.4, 0.3], [0.6, 0.5]], atol=1e-6)


def test_lag_of_frames_follows_their_times(at):
    times = np.array([0.0, 0.1, 0.2, 0.4, 0.5, 0.6])
    values = np.arange(6) / 10
    text = 'frame,valence,arousal\n' + '\n'.join(f'{k + 1},{v},{-v}' for k, v in enumerate(values))
    targets, valid = at(text, times, lag=0.2)
    assert valid.tolist() == [True, True, True, True, False, False]
    np.testing.assert_allclose(targets[valid, 0], np.interp(times[valid], times - 0.2, values), atol=1e-6)


def test_file_of_affwild2_as_it_is(at, tmp_path):
    text = 'valence,arousal\n0.5,-1\n-5,-5\n-5,0.25\n1,0\n'
    (tmp_path / 'b.txt').write_text(text)
    expected, mask = read_annotation(tmp_path / 'b.txt')
    for count in (3, 4, 6):
        targets, valid = at(text, TIMES[:count])
        common = min(count, 4)
        np.testing.assert_array_equal(targets[:common], expected[:common])
        assert valid.tolist() == [*mask[:common], *[False] * (count - common)]


def test_columns_by_name_and_comments(at, tmp_path):
    frame = pd.DataFrame(
        {'Arousal': [0.1, 0.2], 'rater': ['x', 'y,z'], 'TIME': [0.0, 1.0], 'Valence': [-0.1, -0.2], 'frame': [7, 9]}
    )
    for separator in ',;':
        text = '# {"schema": "a, b"}\n' + frame.to_csv(index=False, sep=separator)
        targets, valid = at(text, np.array([0.0, 0.5, 1.0]))
        assert valid.all()
        np.testing.assert_allclose(targets, [[-0.1, 0.1], [-0.15, 0.15], [-0.2, 0.2]], atol=1e-6)


def test_columns_without_a_name_are_ignored(at):
    targets, valid = at('time;valence;arousal;;\n0;0.5;-0.5;;\n1;0.5;-0.5;;', np.array([0.0, 1.0]))
    assert valid.all()
    np.testing.assert_array_equal(targets, [[0.5, -0.5]] * 2)


def test_another_scale(at):
    targets, valid = at('time,valence,arousal\n0,1,9\n1,5,-5\n2,9,5\n3,3,7', np.arange(4.0), low=1, high=9)
    assert valid.tolist() == [True, False, True, True]
    np.testing.assert_allclose(targets[valid], [[-1, 1], [1, 0], [-0.5, 0.5]])
    # -5 is a number where the scale holds it.
    targets, valid = at('time,valence,arousal\n0,-5,10', np.zeros(1), low=-10, high=10)
    np.testing.assert_allclose(targets, [[-0.5, 1]])


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('time,valence\n0,0', "line 1: found the columns 'time,valence', expected 'valence' and 'arousal'"),
        ('time,valence,arousal,time\n0,0,0,0', 'line 1: found the columns'),
        ('time,valence,arousal\n0,0,0\n0.04,1.0001,0', r"line 3: found valence '1.0001'; another range\? \(--scale\)"),
        ('time,valence,arousal\n0,0,inf', "line 2: found arousal 'inf', expected a number in"),
        ('time,valence,arousal\n0,0,high', "line 2: found arousal 'high', expected a number in"),
        ('time;valence;arousal\n0;0,5;0', r"line 2: found valence '0,5'; a decimal comma\?, expected a number"),
        ('time,valence,arousal\n0,0,5,0,1', r'line 2: found .*; decimal commas\?, expected 3 cells'),
        ('time,valence,arousal\n1,0,0\n1,0,0', 'line 3: found time 1 after 1, expected it to ascend'),
        ('time,valence,arousal\nnan,0,0', "line 2: found time 'nan', expected seconds"),
        ('frame,valence,arousal\n0,0,0', "line 2: found frame '0', expected the number of a frame, from 1"),
        ('frame,valence,arousal\n1.5,0,0', "line 2: found frame '1.5', expected the number of a frame"),
        ('time,valence,arousal\n,,\n', "line 2: found time '', expected seconds"),
        ('valence,arousal\n0,0\n\n0,0', 'line 3: found an empty line, expected a row of each frame'),
        ('sep=;\ntime;valence;arousal\n0;0;0', "line 1: found the columns 'sep=;', expected"),
        (',valence,arousal\n0,0,0', "line 1: found the columns ',valence,arousal', expected 'time' or 'frame' among"),
        ('Timestamp,valence,arousal\n0,0,0', "line 1: found the columns .*, expected 'time' or 'frame' among"),
        ('time\tvalence\tarousal\n0\t0\t0', r"line 1: found the columns 'time\\tvalence\\tarousal', expected"),
        ('# nothing\n# else', 'line 2: found the columns'),
    ],
)
def test_what_is_wrong_is_told_with_its_line(at, text, message):
    with pytest.raises(AnnotationError, match=rf'a\.csv, {message}'):
        at(text)


@pytest.mark.parametrize('scale', [{'lag': -1}, {'lag': np.nan}, {'lag': 61}, {'low': 1}, {'high': np.inf}])
def test_settings_out_of_range(scale):
    with pytest.raises(ConfigError, match='expected'):
        AnnotationScale(**scale)


def test_all_rows_invalid_and_a_single_row(at):
    targets, valid = at('time,valence,arousal\n0,-5,-5\n1,nan,nan')
    assert not valid.any()
    assert np.isnan(targets).all()
    _, valid = at('time,valence,arousal\n0.04,1,1')
    assert np.flatnonzero(valid).tolist() == [1]
