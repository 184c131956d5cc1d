import errno
import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from mmaffect.datasets import preparation, trial_work
from mmaffect.datasets.affwild2 import read_layout
from mmaffect.datasets.corpus import Corpus
from mmaffect.datasets.corpus_writer import CorpusWriter
from mmaffect.datasets.preparation import frame_bytes, prepare
from mmaffect.datasets.trial_preparation import fit_timestamps, prepare_trial
from mmaffect.errors import AnnotationError, CorpusError, MediaError
from mmaffect.media import read_sound, read_timestamps
from mmaffect.media.log_mel import get_front_end, log_mel


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob('*')) if path.is_file()}


@pytest.fixture(scope='module')
def prepared(raw_corpus_template, tmp_path_factory):
    out = tmp_path_factory.mktemp('prepared') / 'corpus'
    return out, prepare(raw_corpus_template, out)


@pytest.fixture
def writer(tmp_path):
    return CorpusWriter(tmp_path / 'out', name='test', front_end=get_front_end('vggish'), face_size=24)


def test_faces_and_labels_stay_in_step(prepared, raw_corpus_template, frame_of_face):
    corpus = Corpus(prepared[0])
    for trial in read_layout(raw_corpus_template).trials:
        found = corpus[trial.name]
        numbers = np.arange(len(found.faces))
        seen = [frame_of_face(face) for face in found.faces[found.face_present]]
        assert seen == numbers[found.face_present].tolist()
        np.testing.assert_allclose(found.targets[found.valid, 0], numbers[found.valid] / 1000, atol=1e-6)
        np.testing.assert_allclose(found.targets[found.valid, 1], -numbers[found.valid] / 1000, atol=1e-6)
        assert np.isnan(found.targets[~found.valid]).all()
        assert not found.faces[~found.face_present].any()
    video1 = corpus['video1']
    assert np.flatnonzero(~video1.face_present).tolist() == [0, 7, 8, 9, 40]
    assert np.flatnonzero(~video1.valid).tolist() == [3, 4, 20, 59]


def test_times_and_sound_are_those_of_the_video(prepared, raw_corpus_template):
    corpus = Corpus(prepared[0])
    for trial in read_layout(raw_corpus_template).trials:
        found = corpus[trial.name]
        seconds = read_timestamps(trial.video).seconds
        common = min(len(seconds), len(found.timestamps))
        np.testing.assert_array_equal(found.timestamps[:common], seconds[:common])
        sound = read_sound(trial.video, 44100)
        assert found.info.has_audio == (sound is not None) == (trial.name != 'video4')
        if sound is not None:
            np.testing.assert_allclose(found.logmel, log_mel(sound.samples, get_front_end('paper')), atol=0.1)
    assert len(corpus['video5'].faces) == 25
    assert not corpus['video5'].valid.any()


def test_length_differences(prepared):
    corpus = Corpus(prepared[0])
    # 38 frames of video for 40 rows, 30 frames for 28 rows.
    np.testing.assert_allclose(corpus['video3'].timestamps, np.arange(40) / 25, atol=1e-6)
    np.testing.assert_allclose(corpus['video2_right'].timestamps, np.arange(28) / 25, atol=1e-6)
    rows = {line.split()[0]: line.split() for line in prepared[1].summary.splitlines()}
    #                        trials  frames   invalid  no face  no sound  other length, largest, flagged
    assert rows['train'][1:] == ['3', '118', '3.39%', '5.08%', '0', '1', '+2', '0']
    assert rows['val'][1:] == ['2', '60', '1.67%', '0.00%', '1', '1', '-2', '0']
    assert rows['test'][1:] == ['1', '25', 'all', '0.00%', '0', '0', '+0', '0']
    assert (prepared[0] / 'summary.txt').read_text() == prepared[1].summary


def test_gross_difference_and_faces_beyond_are_flagged(raw_corpus, add_raw_trial, tmp_path):
    add_raw_trial(raw_corpus, 'short', rows=80, video_frames=40)
    annotation = raw_corpus / 'VA_Estimation_Challenge/Train_Set/video1.txt'
    annotation.write_text(''.join(annotation.read_text().splitlines(keepends=True)[:51]))
    (raw_corpus / 'videos/expression7.mp4').write_bytes(b'')
    result = prepare(raw_corpus, tmp_path / 'corpus', front_end='vggish', face_size=8)
    assert 'length: short: 40 frames of video, 80 rows of annotation\n' in result.summary
    # Frames 51 to 60, all of them with a face.
    assert 'faces: 10 images beyond the last row' in result.summary
    assert 'warning: 1 videos of no trial (other tracks?): expression7.mp4\n' in result.summary
    assert len(Corpus(tmp_path / 'corpus')['video1'].faces) == 50
    assert result.complete


@pytest.mark.parametrize(
    ('seconds', 'length', 'expected'),
    [
        ([0.0, 0.1, 0.2], 2, [0.0, 0.1]),
        ([0.0, 0.1, 0.2], 3, [0.0, 0.1, 0.2]),
        ([0.5, 0.6, 0.7, 2.7], 6, [0.5, 0.6, 0.7, 2.7, 2.8, 2.9]),
        ([3.0], 1, [3.0]),
    ],
)
def test_fit_timestamps(seconds, length, expected):
    np.testing.assert_allclose(fit_timestamps(np.array(seconds), length), expected)


def test_every_way_of_running_gives_the_same_bytes(prepared, raw_corpus_template, tmp_path):
    expected = files(prepared[0])
    assert not [name for name in expected if '.tmp' in name]

    prepare(raw_corpus_template, tmp_path / 'two jobs', jobs=2)
    assert files(tmp_path / 'two jobs') == expected

    first = prepare(raw_corpus_template, tmp_path / 'shards', shard=(1, 2))
    assert not first.complete
    assert '3 trials are left to other shards' in first.summary
    assert not (tmp_path / 'shards/corpus.json').exists()
    assert prepare(raw_corpus_template, tmp_path / 'shards', shard=(2, 2)).complete
    assert files(tmp_path / 'shards') == expected


def test_finished_trials_are_kept_and_left_overs_removed(prepared, raw_corpus_template, tmp_path, monkeypatch):
    out = tmp_path / 'out'
    prepare(raw_corpus_template, out, shard=(2, 3))
    (out / 'faces/.video1.4711.tmp.npy').write_bytes(b'half')
    done = {path: path.stat().st_mtime_ns for path in out.rglob('*.npy') if not path.name.startswith('.')}
    assert done
    prepare(raw_corpus_template, out)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert files(out) == files(prepared[0])
    monkeypatch.setattr(trial_work, 'run_in_processes', None)
    assert prepare(raw_corpus_template, out).complete


def test_trial_whose_source_changed_is_prepared_again(raw_corpus, tmp_path):
    out = tmp_path / 'out'
    prepare(raw_corpus, out)
    annotation = raw_corpus / 'VA_Estimation_Challenge/Train_Set/video1.txt'
    annotation.write_text(annotation.read_text().replace('0.01,-0.01', '-5,-5'))
    (raw_corpus / 'VA_Estimation_Challenge/Train_Set/video2_left.txt').rename(
        raw_corpus / 'VA_Estimation_Challenge/Validation_Set/video2_left.txt'
    )
    prepare(raw_corpus, out)
    corpus = Corpus(out)
    assert np.flatnonzero(~corpus['video1'].valid).tolist() == [3, 4, 10, 20, 59]
    assert corpus.split('val') == ['video2_left', 'video3', 'video4']


def test_demo_corpus_is_synthetic(raw_corpus, tmp_path):
    (raw_corpus / 'demo.json').write_text('{}')
    (raw_corpus / 'subjects.csv').write_text('trial,subject\nvideo1,p7\n')
    prepare(raw_corpus, tmp_path / 'out')
    corpus = Corpus(tmp_path / 'out')
    assert (corpus.name, corpus.synthetic) == ('demo', True)
    assert (corpus.info('video1').subject, corpus.info('video3').subject) == ('p7', None)


def test_subjects_that_become_known_leave_the_arrays_alone(raw_corpus, tmp_path):
    out = tmp_path / 'out'
    prepare(raw_corpus, out)
    assert not any(Corpus(out).people.values())
    # As it was before subjects were kept.
    for path in [*(out / 'index').glob('video*.json'), out / 'corpus.json']:
        content = json.loads(path.read_text())
        for info in content.get('trials') or [content['info']]:
            del info['subject']
        path.write_text(json.dumps(content))
    assert Corpus(out).info('video1').subject is None
    written = {path: path.stat().st_mtime_ns for path in out.rglob('*.npy')}
    (raw_corpus / 'subjects.csv').write_text('trial,subject\nvideo1,p7\nvideo2_left,p8\nvideo2_right,p9\n')
    prepare(raw_corpus, out)
    people = Corpus(out).people
    assert {path: path.stat().st_mtime_ns for path in out.rglob('*.npy')} == written
    # Both people of a video are heard in both of its trials.
    assert (people['video1'], people['video2_left'], people['video3']) == (
        {'p7'},
        {'p8', 'p9'},
        {'somebody of video3.mp4'},
    )
    assert people['video2_right'] == people['video2_left']


@pytest.fixture
def aborting(tmp_path, monkeypatch):
    """Makes the process that prepares video2_right abort, as a decoder may."""
    (tmp_path / 'aborting_trial.py').write_text(
        'import os\n'
        'from mmaffect.datasets.preparation import prepare_trial\n'
        'def prepare_or_abort(trial, writer):\n'
        "    return os.abort() if trial.name == 'video2_right' else prepare_trial(trial, writer)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(preparation, 'prepare_trial', importlib.import_module('aborting_trial').prepare_or_abort)


@pytest.mark.usefixtures('aborting')
def test_aborting_trial_costs_one_trial(prepared, raw_corpus_template, tmp_path):
    out = tmp_path / 'out'
    with pytest.raises(MediaError, match=r'video2\.mp4: reading trial video2_right ended its process \(SIGABRT\)'):
        prepare(raw_corpus_template, out)
    assert not (out / 'corpus.json').exists()

    result = prepare(raw_corpus_template, out, skip_broken=True)
    assert result.complete
    assert list(result.broken) == ['video2_right']
    assert json.loads((out / 'broken.json').read_text()) == result.broken
    assert 'broken: video2_right: ' in result.summary
    assert Corpus(out).trials == ['video1', 'video2_left', 'video3', 'video4', 'video5']


def test_broken_trials_are_tried_again(prepared, raw_corpus, tmp_path):
    out = tmp_path / 'out'
    face = raw_corpus / 'cropped_aligned/video1/00002.jpg'
    whole = face.read_bytes()
    face.write_bytes(b'')
    (raw_corpus / 'cropped_aligned/video3').rename(tmp_path / 'aside')
    result = prepare(raw_corpus, out, skip_broken=True, shard=(1, 2))
    assert list(result.broken) == ['video1']
    result = prepare(raw_corpus, out, skip_broken=True, shard=(2, 2))
    assert result.complete
    assert 'video1/00002.jpg: zero bytes' in result.broken['video1']
    assert 'cropped_aligned/video3' in result.broken['video3']
    assert Corpus(out).trials == ['video2_left', 'video2_right', 'video4', 'video5']

    face.write_bytes(whole)
    (tmp_path / 'aside').rename(raw_corpus / 'cropped_aligned/video3')
    assert prepare(raw_corpus, out).broken == {}
    assert files(out) == files(prepared[0])


def test_all_broken(raw_corpus, tmp_path):
    (raw_corpus / 'cropped_aligned').rename(tmp_path / 'aside')
    with pytest.raises(CorpusError, match=r'all 6 trials are broken, the first: .*video1\.txt: has no face images'):
        prepare(raw_corpus, tmp_path / 'out', skip_broken=True)
    assert not (tmp_path / 'out/corpus.json').exists()


def test_annotations_are_checked_before_anything_is_written(raw_corpus, tmp_path):
    with open(raw_corpus / 'VA_Estimation_Challenge/Validation_Set/video4.txt', 'a') as file:
        file.write('0,5;0,1\n')
    with pytest.raises(AnnotationError, match=r'video4\.txt, line 22'):
        prepare(raw_corpus, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_too_little_space(raw_corpus_template, tmp_path, monkeypatch):
    usage = type('Usage', (), {'free': 1_000_000})
    monkeypatch.setattr(preparation.shutil, 'disk_usage', lambda path: usage)
    with pytest.raises(CorpusError, match=r'out: 1\.0 MB free, but 6 trials with about 214 frames need 1\.6 MB'):
        prepare(raw_corpus_template, tmp_path / 'out')


@pytest.mark.parametrize('place', ['cropped_aligned/out', 'cropped_aligned/video1', '.'])
def test_out_among_the_raw_files(raw_corpus, place):
    with pytest.raises(CorpusError, match='give another folder'):
        prepare(raw_corpus, raw_corpus / place)


def test_folder_of_other_settings(prepared, raw_corpus_template):
    with pytest.raises(CorpusError, match='face_size = 48, not 40'):
        prepare(raw_corpus_template, prepared[0], face_size=40)


def test_no_space_left_names_the_folder(raw_corpus_template, writer, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    trial = read_layout(raw_corpus_template).trials[0]
    monkeypatch.setattr('mmaffect.utils.files.os.fsync', full)
    with pytest.raises(OSError, match='No space left on device; trial video1 is not written') as error:
        prepare_trial(trial, writer)
    assert error.value.filename == str(writer.root)
    assert list(writer.root.rglob('*.npy')) == []


def test_video_that_cannot_be_read(raw_corpus, writer):
    trial = read_layout(raw_corpus).trials[0]
    data = trial.video.read_bytes()
    for content in (b'', b'<html>', data[: len(data) // 2], data[len(data) // 2 :]):
        trial.video.write_bytes(content)
        with pytest.raises(MediaError, match=r'video1\.mp4'):
            prepare_trial(trial, writer)
    assert list(writer.root.rglob('*.npy')) == []


def test_one_frame_for_many_rows(raw_corpus, add_raw_trial, writer):
    add_raw_trial(raw_corpus, 'a', rows=10, video_frames=1)
    with pytest.raises(MediaError, match=r'a\.mp4: 1 frames for 10 rows of .*a\.txt'):
        prepare_trial(read_layout(raw_corpus).trials[0], writer)


def test_frame_costs_less_than_8_kilobytes(raw_corpus, add_raw_trial, tmp_path):
    assert frame_bytes(48, get_front_end('paper')) < 8000
    assert frame_bytes(48, get_front_end('paper'), fps=30) < 8000
    add_raw_trial(raw_corpus, 'a', rows=250)
    writer = CorpusWriter(tmp_path / 'out', name='test', front_end=get_front_end('paper'))
    entry = prepare_trial(read_layout(raw_corpus).trials[0], writer)
    assert entry['info']['num_frames'] == 250
    assert sum(entry['info']['bytes'].values()) / 250 < 8000


@pytest.mark.parametrize('front_end', ['paper', 'vggish'])
def test_waveforms_are_kept_where_they_are_asked_for(raw_corpus, tmp_path, front_end):
    prepare(raw_corpus, tmp_path / 'out', front_end=front_end, waveform=True)
    corpus = Corpus(tmp_path / 'out')
    assert corpus.waveform_rate == 16000
    found = corpus['video1'].waveform / 32767
    # The raw corpus sounds a tone of 440 Hz.
    spectrum = np.abs(np.fft.rfft(found[:16000]))
    assert np.argmax(spectrum) == 440
    assert len(found) == pytest.approx(60 / 25 * 16000, abs=2000)
    assert len(corpus['video4'].waveform) == 0
    corpus.verify('video1')
    with pytest.raises(ValueError, match='waveform_rate = 16000, not None'):
        prepare(raw_corpus, tmp_path / 'out', front_end=front_end)
