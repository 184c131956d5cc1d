import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mmaffect.datasets.corpus import Corpus
from tests.video_corpora import still, write_squares

TOOL = Path(__file__).parents[2] / 'tools/dataset/prepare_videos.py'


@pytest.fixture
def run(run_here):
    return partial(run_here, TOOL)


@pytest.fixture
def videos(tmp_path):
    """Two videos in which nobody is seen."""
    write_squares(tmp_path / 'videos/a.mp4', [still(range(30), 20)], 30)
    write_squares(tmp_path / 'videos/sub/b.mp4', [still(range(5, 30), 90)], 30)
    return tmp_path / 'videos'


@pytest.fixture
def annotated(videos):
    folder = videos.parent / 'labels'
    folder.mkdir()
    stamps = np.arange(0, 13) / 10
    for name in ('a', 'sub_b'):
        rows = [f'{t:.1f},{100 + 50 * t:.1f},{100 - 50 * t:.1f}' for t in stamps]
        (folder / f'{name}.csv').write_text('\n'.join(['time,valence,arousal', *rows]))
    return folder


def test_videos_without_annotations(run, videos, tmp_path):
    status, out, err = run(videos, tmp_path / 'out', '--detector', 'mtcnn', '--face-size', 24, '--name', 'mine')
    assert (status, err) == (0, '')
    assert '2 of 2 videos searched for faces\n' in out
    assert out.endswith(f'prepared: {tmp_path / "out"}\n')
    corpus = Corpus(tmp_path / 'out')
    assert (corpus.name, corpus.face_size, corpus.split('test')) == ('mine', 24, ['a', 'sub_b'])
    assert not corpus['a'].face_present.any()


def test_annotations_on_another_scale(run, videos, annotated, tmp_path):
    args = ['--annotations', annotated, '--scale', 0, 200, '--lag', 0.2, '--val-share', 0.5, '--split-seed', 3]
    status, out, err = run(videos, tmp_path / 'out', '--detect-every', 3, '--detector', 'mtcnn', *args)
    assert (status, err) == (0, '')
    assert 'split: val_share 0.5, seed 3, by subject and video\n' in out
    assert 'annotation: lag 0.2, low 0.0, high 200.0\n' in out
    corpus = Corpus(tmp_path / 'out')
    assert sorted(map(len, map(corpus.split, ('train', 'val', 'test')))) == [0, 1, 1]
    trial = corpus['a']
    np.testing.assert_allclose(trial.timestamps[trial.valid], np.arange(26) / 25, atol=1e-6)
    np.testing.assert_allclose(trial.targets[trial.valid, 0], (np.arange(26) / 25 + 0.2) / 2, atol=1e-5)
    np.testing.assert_array_equal(trial.targets[trial.valid, 0], -trial.targets[trial.valid, 1])


def test_layout_of_affwild2(run, raw_corpus_template, tmp_path):
    status, out, err = run(raw_corpus_template, tmp_path / 'out', '--layout', 'affwild2', '--audio', 'vggish')
    assert (status, err) == (0, '')
    assert '5 of 5 videos searched for faces\n' in out
    assert Corpus(tmp_path / 'out').trials == ['video1', 'video2_left', 'video2_right', 'video3', 'video4', 'video5']


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['--layout', 'affwild2', '--lag', '1'], '--lag is not for --layout affwild2'),
        (['--split-seed', '1'], '--split-seed is of --val-share'),
        (['--faces', 'best'], 'invalid choice'),
        (['--scale', '1'], 'expected 2 arguments'),
        (['--detect-every', '0'], 'not a number from 1'),
    ],
)
def test_wrong_arguments(run, tmp_path, args, message):
    status, _, err = run(tmp_path, tmp_path / 'out', *args)
    assert status == 2
    assert message in err
    assert not (tmp_path / 'out').exists()


def test_bad_input_is_one_line_with_the_file(run, videos, annotated, tmp_path):
    def fails(*args, where):
        status, out, err = run(videos, tmp_path / 'out', *args)
        assert status == 1
        assert re.fullmatch(r'error: [^\n]+\n', err)
        assert where in err
        assert 'Traceback' not in out
        assert not (tmp_path / 'out/corpus.json').exists()
        assert not [path for path in (tmp_path / 'out').rglob('*') if '.tmp' in path.name]

    fails('--annotations', annotated, '--val-share', 0.5, where='a.csv, line 2: found valence')
    fails('--annotations', annotated, where='no split')
    fails('--annotations', tmp_path / 'missing', where='missing: no such folder')
    fails('--table', tmp_path / 'missing.csv', where='missing.csv: No such file')
    fails('--detector', 'no_such', where="detector='no_such'")
    fails('--detector', tmp_path / 'no.onnx', where='no.onnx')
    (videos / 'a.mp4').write_bytes(b'text')
    fails(where='a.mp4')
