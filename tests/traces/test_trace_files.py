"""Files of traces, read again by pandas, json and NumPy."""

import io
import json
import re
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mmaffect.errors import ConfigError, CorpusError
from mmaffect.evaluation import read_predictions
from mmaffect.traces.files import COLUMNS, HEADER
from mmaffect.traces.trace import Trace
from tests.made_traces import make_trace

DOC = Path(__file__).parents[2] / 'docs/trace_format.md'
BOX = ('face_x', 'face_y', 'face_width', 'face_height')
GATES = ('audio/iteration_1', 'audio/stage_1', 'audio/stage_2', 'visual/iteration_1')
NAMES = ['frame', 'time', 'valence', 'arousal', 'face', 'voice', 'track', *BOX, *GATES]
NAMES += ['annotated_valence', 'annotated_arousal']


def assert_same(found, expected, places=None):
    assert found.header == expected.header
    pairs = {name: (getattr(found, name), getattr(expected, name)) for name in ('times', 'affect', 'box', 'annotated')}
    pairs |= {name: (found.gates[name], expected.gates[name]) for name in expected.gates}
    for name, (one, other) in pairs.items():
        assert one.dtype == other.dtype, name
        np.testing.assert_allclose(one, other, rtol=0 if places is None else 1e-6, atol=places or 0, err_msg=name)
    for name in ('face', 'voice', 'track'):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert list(found.gates) == list(expected.gates)


@pytest.mark.parametrize(('suffix', 'places'), [('csv', 6e-7), ('json', 6e-7), ('npz', None), ('NPZ', None)])
def test_what_is_read_is_what_was_written(tmp_path, suffix, places):
    header = {'input': 'a # "ü", b\n.mp4', 'fps': 25.0, 'frames': {'declared': None, 'decoded': 40}, 'other': [1, 2]}
    trace = make_trace(trial='ü x', flags=['no_voice'], **header)
    path = trace.save(tmp_path / f'a.{suffix}')
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert_same(Trace.load(path), trace, places)


def test_csv_by_pandas(tmp_path):
    pandas = pytest.importorskip('pandas')
    trace = make_trace()
    table = pandas.read_csv(trace.save(tmp_path / 'a.csv'), comment='#')
    assert list(table.columns) == NAMES
    assert table['frame'].tolist() == list(range(1, 41))
    np.testing.assert_allclose(table[['valence', 'arousal']], trace.affect, atol=6e-7)
    np.testing.assert_allclose(table[list(BOX)], trace.box, atol=6e-5)
    np.testing.assert_array_equal(table['voice'], trace.voice.astype(int))
    assert table.isna().to_numpy().sum() == 4 * (~trace.face).sum() + 2 + 6
    comment, names, *rows = (tmp_path / 'a.csv').read_text().splitlines()
    assert json.loads(comment.removeprefix('# '))['trial'] == 'clip'
    assert names.split(',') == NAMES
    assert all(re.fullmatch(r'(-?\d+(\.\d{6})?|nan)', cell) for row in rows for cell in row.split(','))


def test_json_and_npz_by_their_own_readers(tmp_path):
    trace = make_trace()
    found = json.loads(trace.save(tmp_path / 'a.json').read_text(), parse_constant=pytest.fail)
    assert found['header'] == trace.header
    assert list(found['columns']) == NAMES
    assert found['columns']['valence'][-3] is None
    assert found['columns']['track'] == trace.track.tolist()
    np.testing.assert_allclose(np.array(found['columns']['annotated_arousal'], float), trace.annotated[:, 1], atol=6e-7)
    with np.load(trace.save(tmp_path / 'a.npz'), allow_pickle=False) as arrays:
        assert arrays.files == ['header', *NAMES]
        assert json.loads(arrays['header'].item()) == trace.header
        np.testing.assert_array_equal(arrays['time'], trace.times)
        types = {column.name: column.dtype for column in COLUMNS}
        assert all(arrays[name].dtype == types.get(name, 'float32') for name in NAMES)


def test_what_is_unknown_is_left_out(tmp_path):
    trace = make_trace(gates=False, annotated=False, targets=('arousal',), flags=['face_unknown', 'voice_unknown'])
    path = trace.save(tmp_path / 'a.csv')
    assert path.read_text().splitlines()[1] == 'frame,time,arousal'
    again = Trace.load(path)
    assert again.targets == ('arousal',)
    assert again.flags == ('face_unknown', 'voice_unknown')
    assert not again.face.any()
    assert np.isnan(again.box).all()
    assert again.annotated is None


def test_files_of_trace_writer_and_predictions_of_traces(tmp_path):
    (tmp_path / 'p01.csv').write_text('frame,time,valence,annotated_valence\n1,0.02,0.5,nan\n2,0.06,-0.25,1\n')
    trace = Trace.load(tmp_path / 'p01.csv')
    assert (trace.trial, trace.targets, trace.flags) == ('p01', ('valence',), ('face_unknown', 'voice_unknown'))
    np.testing.assert_array_equal(trace.annotated, [[np.nan, np.nan], [1, np.nan]])
    assert 'no accuracy on people' in trace.notice
    made = make_trace()
    made.save(tmp_path / 'all/p02.csv')
    found = read_predictions(tmp_path / 'all')
    np.testing.assert_allclose(np.hstack([found['valence']['p02'], found['arousal']['p02']]), made.affect, atol=6e-7)


def test_lines_are_counted_with_the_comment(tmp_path):
    path = make_trace().save(tmp_path / 'a.csv')
    lines = path.read_text().splitlines()
    path.write_text('\n'.join([*lines[:4], lines[5]]))
    for read in (Trace.load, lambda path: read_predictions(path.parent)):
        with pytest.raises(CorpusError, match=r'a\.csv, line 5: frame 4; expected 3$'):
            read(path)


HEAD = '# {"schema": "mmaffect.trace", "version": 1, "trial": "a", "targets": ["valence", "arousal"]}\n'
ROW = 'time,valence,arousal\n0,0,0\n'


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        ('', '0 lines; expected a header and a row'),
        (HEAD, '1 lines; expected a header and a row'),
        (HEAD + 'time,valence,arousal\n', '2 lines; expected a header and a row'),
        (HEAD.replace('"version": 1', '"version": 2') + ROW, 'version 2; this release reads version 1'),
        (HEAD.replace('mmaffect.trace', 'other') + ROW, "schema 'other'; expected 'mmaffect.trace'"),
        (HEAD.replace('"a"', '""') + ROW, "trial is '' in the header"),
        (HEAD.replace('"trial": "a", ', '') + ROW, 'trial is None in the header'),
        (
            HEAD.replace('["valence", ', '[') + ROW,
            r"targets \['arousal'\]; expected those of the columns time, valence",
        ),
        (HEAD.replace('["valence", "arousal"]', '7') + ROW, 'targets 7; expected those'),
        (HEAD.replace('["valence", "arousal"]', '[[1]]') + ROW, r'targets \[\[1\]\]; expected those'),
        (HEAD.replace('}', ', "flags": 7}') + ROW, 'flags are 7 in the header'),
        (HEAD.replace('}', ', "trial": "b"}') + ROW, 'no JSON .a key twice'),
        ('# {"schema"\n' + ROW, 'no JSON'),
        ('# 3\n' + ROW, "schema '3'"),
        ('# ' + '[' * 100_000 + '\n' + ROW, 'no JSON'),
        ('#' * (1 << 20) + '\n' + ROW, 'line 1: a comment of more than 1048576 characters'),
        (HEAD + 'time,valence,arousal,anger\n0,0,0,0\n', "a column 'anger'; expected those of mmaffect.trace 1"),
        (HEAD + 'valence,arousal\n0,0\n', 'expected time too'),
        (HEAD + 'time,valence,arousal\n0,0,0\n0,0\n', 'line 4: 2 cells; expected 3'),
        (HEAD + 'time,valence,arousal\n\n0,0,0\n', 'line 3: 0 cells; expected 3'),
        (HEAD + 'time,valence,arousal\n0,0,x\n', "line 3: arousal 'x'; expected a number"),
        (HEAD + 'time,valence,arousal,valence\n0,0,0,0\n', 'expected each once'),
        (HEAD + 'time,valence,arousal\n0,1.5,0\n', r'affect 1\.5 in frame 1; expected \[-1, 1\] or NaN'),
        (HEAD + 'time,valence,arousal\n0,inf,0\n', r'frame 1: valence inf; expected \[-1, 1\] or NaN'),
        (HEAD + 'time,valence,arousal\n1,0,0\n0,0,0\n', 'times are not finite or descend'),
        (HEAD + 'time,valence,arousal,face\n0,0,0,2\n', 'frame 1: face 2; expected 0 or 1'),
        (HEAD + 'time,valence,arousal,track\n0,0,0,nan\n', 'frame 1: track nan; expected -1, or from 0'),
        (HEAD + 'time,valence,arousal,a/b\n0,0,0,1.1\n', r'gate a/b 1\.1 in frame 1; expected \[0, 1\]'),
    ],
)
def test_damaged_tables_are_one_line(tmp_path, content, text):
    (tmp_path / 'a.csv').write_text(content)
    with pytest.raises(CorpusError, match=rf'a\.csv.*{text}') as error:
        Trace.load(tmp_path / 'a.csv')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        (b'', 'no JSON'),
        (b'[]', 'expected an object of "header" and "columns"'),
        (b'\xff\xfe', 'no JSON'),
        (b'{"header": {}, "columns": {}}', "schema 'None'"),
        (b'{"header": null, "columns": {"time": [0], "valence": [0], "arousal": [0]}}', "schema 'None'"),
        (
            b'{"header": H, "columns": {"time": [0], "time": [1], "valence": [0], "arousal": [0]}}',
            'no JSON .a key twice',
        ),
        (
            b'{"header": H, "columns": {"frame": [7], "time": [0], "valence": [0], "arousal": [0]}}',
            'frame 7; expected 1',
        ),
        (b'[' * 1_000_000, 'no JSON'),
        (b'{"header": H, "columns": {"time": 3}}', "column 'time': expected a list of numbers and null"),
        (b'{"header": H, "columns": {"time": [true]}}', "column 'time': expected a list of numbers and null"),
        (b'{"header": H, "columns": {"time": [1' + b'0' * 400 + b']}}', "column 'time' has a number beyond float64"),
        (
            b'{"header": H, "columns": {"time": [0], "valence": []}}',
            r'time \(1,\), valence \(0,\); expected columns of',
        ),
        (b'{"header": H, "columns": {"time": [0], "__class__": [1]}}', "a column '__class__'"),
    ],
)
def test_damaged_json_is_one_line(tmp_path, content, text):
    (tmp_path / 'a.json').write_bytes(content.replace(b'H', HEAD.removeprefix('# ').strip().encode()))
    with pytest.raises(CorpusError, match=rf'a\.json: {text}') as error:
        Trace.load(tmp_path / 'a.json')
    assert '\n' not in str(error.value)


class Hostile:
    def __reduce__(self):
        return print, ('executed',)


def archive(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, 'w', compression) as file:
        for name, content in members.items():
            data = io.BytesIO()
            if not isinstance(content, bytes):
                np.lib.format.write_array(data, np.asarray(content), allow_pickle=True)
            file.writestr(f'{name}.npy', content if isinstance(content, bytes) else data.getvalue())


def promising(shape):
    """The head of an array that promises more than it holds."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {'descr': '<f8', 'fortran_order': False, 'shape': shape})
    return file.getvalue()


def test_damaged_and_hostile_archives_are_one_line(tmp_path, capsys):
    path = tmp_path / 'a.npz'
    header = np.array(HEAD.removeprefix('# ').strip())
    good = {'header': header, 'time': [0.0, 1.0], 'valence': [0.0, 0.5], 'arousal': [0.0, 0.0]}

    def refused(text):
        with pytest.raises(CorpusError, match=rf'a\.npz: {text}') as error:
            Trace.load(path)
        assert '\n' not in str(error.value)

    archive(path, good)
    assert Trace.load(path).affect.tolist() == [[0, 0], [0.5, 0]]
    whole = path.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:cut])
        refused('a damaged archive')
    at = whole.index(b'NUMPY') + 200
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    refused('a damaged archive .*CRC')
    archive(path, {**good, 'arousal': np.array([Hostile(), Hostile()], object)})
    refused('no arrays of NumPy .*[Oo]bject arrays')
    archive(path, {**good, 'arousal': b'cos\nsystem\n(S"echo executed"\ntR.'})
    refused('no arrays of NumPy')
    for shape in ((10**15,), (10**9, 10**9, 10**9), (-1,)):
        archive(path, {**good, 'arousal': promising(shape)})
        refused('no arrays of NumPy')
    archive(path, {**good, 'arousal': np.zeros((2, 1))})
    refused(r'time \(2,\), valence \(2,\), arousal \(2, 1\); expected columns of one length')
    archive(path, {**good, 'arousal': np.array(['a', 'b'])})
    refused("column 'arousal' is of type <U1; expected numbers")
    archive(path, {**good, 'frame': [1, 2]} | {'header': 3})
    refused('no text named header in it')
    archive(path, {**good, 'arousal': bytes(1 << 29)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    refused(r'\d+ bytes; expected a trace of at most 268435456')
    # What zipfile and NumPy's parser raise beyond what they document.
    archive(path, {**good, 'arousal': np.lib.format.magic(1, 0) + b'\x76\0' + b"{'descr': '<f4', (".ljust(118)})
    refused('no arrays of NumPy')
    archive(path, good, zipfile.ZIP_LZMA)
    whole = path.read_bytes()
    at = whole.index(b'header.npy') + 40
    path.write_bytes(whole[:at] + b'\xff' * 20 + whole[at + 20 :])
    refused('a damaged archive')
    with zipfile.ZipFile(path, 'w') as file, warnings.catch_warnings():
        warnings.simplefilter('ignore')
        for name in (*good, 'time'):
            data = io.BytesIO()
            np.save(data, good[name])
            file.writestr(f'{name}.npy', data.getvalue())
    refused("two columns 'time'; expected each once")
    archive(path, {**good, 'frame': [2, 3]})
    refused('frame 2; expected 1')
    assert 'executed' not in capsys.readouterr().out


def test_other_suffixes_missing_files_and_failures(tmp_path):
    trace = make_trace()
    for act in (trace.save, Trace.load):
        with pytest.raises(
            ConfigError, match=r"a\.xlsx: a trace is kept as .csv, .json, .npz; found the suffix '.xlsx'"
        ):
            act(tmp_path / 'a.xlsx')
    with pytest.raises(FileNotFoundError):
        Trace.load(tmp_path / 'none.npz')
    trace.header['now'] = object()
    for suffix in ('csv', 'json', 'npz'):
        with pytest.raises(TypeError, match='not JSON serializable'):
            trace.save(tmp_path / f'a.{suffix}')
    assert list(tmp_path.iterdir()) == []


def test_the_document_says_what_the_code_does():
    cells = [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in DOC.read_text().splitlines()
        if line.startswith('| `')
    ]
    columns = [row for row in cells if len(row) == 6]
    expected = [[f'`{one.name}`', one.dtype, one.unit, one.range, 'yes' if one.optional else 'no'] for one in COLUMNS]
    assert [row[:5] for row in columns] == expected
    assert tuple(row[0].strip('`') for row in cells if len(row) == 2) == HEADER


def test_a_trace_needs_neither_torch_nor_mmengine(tmp_path):
    path = make_trace(annotated=False).save(tmp_path / 'a.json')
    code = (
        'import sys; from mmaffect.traces import Trace; trace = Trace.load(sys.argv[1]); trace.summary(); '
        "trace.save(sys.argv[1]); print(len(trace), *({'torch', 'mmengine', 'cv2', 'av'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, '-c', code, path], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ['40'], done.stderr


@pytest.mark.parametrize('suffix', ['csv', 'json', 'npz'])
@pytest.mark.parametrize('frames', [1, 3])
@pytest.mark.parametrize('targets', [('valence', 'arousal'), ('arousal',)])
def test_the_least_that_a_trace_may_be(tmp_path, suffix, frames, targets):
    """One frame, nothing predicted, nothing seen: files, table, figures and pictures know it."""
    nothing = np.full((frames, len(targets)), np.nan)
    nobody = np.zeros(frames, bool)
    box, track = np.full((frames, 4), np.nan), np.full(frames, -1)
    trace = Trace({'trial': 'a', 'targets': targets}, np.zeros(frames), nothing, nobody, nobody, box, track)
    found = Trace.load(trace.save(tmp_path / f'a.{suffix}'))
    assert found.header == trace.header
    assert list(found.columns()) == list(trace.columns())
    assert np.isnan(found.affect).all()
    assert found.affect.shape == nothing.shape
    assert np.isnan(found.summary()[f'{targets[0]}/mean'])
    assert found._repr_png_().startswith(b'\x89PNG')
    assert f'<b>a</b>: {frames} frame' in found._repr_html_()
    assert Trace.from_data_sample(found.to_data_sample()).header == trace.header
