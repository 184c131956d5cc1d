import json
from pathlib import Path

import numpy as np
import pytest

from mmaffect.datasets import trial_work
from mmaffect.datasets.annotation_table import AnnotationScale
from mmaffect.datasets.corpus import Corpus
from mmaffect.datasets.face_detection import detect_video, read_detections
from mmaffect.datasets.face_source import FaceSettings, FoundFaces, choose_found, of_person
from mmaffect.datasets.preparation import prepare
from mmaffect.datasets.raw import RawTrial
from mmaffect.datasets.trial_preparation import read_targets
from mmaffect.datasets.video_preparation import corpus_from_csv
from mmaffect.errors import AnnotationError, ConfigError, CorpusError, MediaError
from mmaffect.faces import FaceTracks
from mmaffect.media import read_timestamps
from tests.video_corpora import DETECTOR, SOURCE, number_of, still, write_squares

TABLE = """video,trial,split,subject,annotation,person
one.mp4,,train,s1,one.csv,
two.mp4,,val,s2,two.txt,left
two.mp4,,test,,,right
two.mp4,two_at,test,,,0.8
silent.mp4,,,,,
"""


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """Three videos with a table, and the detector in a module that worker processes find."""
    root = tmp_path_factory.mktemp('videos')
    (root / 'square_detector.py').write_text(SOURCE)
    # Seen at frames 5 to 29 and 35 to 49, moving to the right.
    moving = {i: (10 + 2 * i, 20) for i in [*range(5, 30), *range(35, 50)]}
    write_squares(root / 'videos/one.mp4', [moving], 50)
    write_squares(root / 'videos/two.mp4', [still(range(40), 15), still(range(10, 40), 105, 40)], 40)
    write_squares(root / 'videos/silent.mp4', [{}], 30, sound=False)
    stamps = np.arange(2, 17) / 10
    lines = [f'{t:.1f};{t / 2:.3f};{-t / 4:.3f}' for t in stamps]
    (root / 'one.csv').write_text('\n'.join(['time;arousal;valence', *lines]))
    (root / 'two.txt').write_text(
        'valence,arousal\n' + ''.join(f'{i / 100},-5\n' * (i == 3) or f'{i / 100},0\n' for i in range(45))
    )
    (root / 'trials.csv').write_text(TABLE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(root)
        yield root


@pytest.fixture
def make(source):
    """Prepares the three videos."""

    def make(out, **settings):
        given = {'table': source / 'trials.csv', 'detector': DETECTOR, 'face_size': 32, 'front_end': 'vggish'}
        return corpus_from_csv(source / 'videos', out, **{**given, **settings})

    return make


@pytest.fixture(scope='module')
def prepared(source, tmp_path_factory):
    out = tmp_path_factory.mktemp('prepared') / 'corpus'
    settings = {'detector': DETECTOR, 'face_size': 32, 'front_end': 'vggish'}
    return out, corpus_from_csv(source / 'videos', out, table=source / 'trials.csv', **settings)


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob('*')) if path.is_file()}


def test_faces_times_and_targets_stay_in_step(prepared, source):
    corpus = Corpus(prepared[0])
    one = corpus['one']
    seen = np.array([*range(5, 30), *range(35, 50)])
    assert np.flatnonzero(one.face_present).tolist() == seen.tolist()
    assert [number_of(face) for face in one.faces[seen]] == seen.tolist()
    assert not one.faces[~one.face_present].any()
    times = read_timestamps(source / 'videos/one.mp4').seconds
    np.testing.assert_array_equal(one.timestamps, times)
    inside = (times >= 0.2 - 1e-6) & (times <= 1.6 + 1e-6)
    assert one.valid.tolist() == inside.tolist()
    # Both are straight lines in time.
    np.testing.assert_allclose(one.targets[inside], np.stack([-times / 4, times / 2], 1)[inside], atol=2e-3)
    assert (one.info.split, one.info.subject, one.info.has_audio) == ('train', 's1', True)
    silent = corpus['silent']
    assert (silent.info.split, silent.info.has_audio, silent.info.num_frames) == ('test', False, 30)
    assert not silent.valid.any()
    assert not silent.face_present.any()


def test_one_of_two_people(prepared):
    corpus = Corpus(prepared[0])
    left, right, there = (corpus[name] for name in ('two_left', 'two_right', 'two_at'))
    assert [number_of(face) for face in left.faces] == list(range(40))
    for trial in (right, there):
        assert np.flatnonzero(trial.face_present).tolist() == list(range(10, 40))
        assert [number_of(face) for face in trial.faces[10:]] == list(range(110, 140))
    assert corpus.people['two_left'] == corpus.people['two_right'] == {'s2'}
    # Aff-Wild2's own file: row i is frame i, and rows beyond the video are left out.
    assert np.flatnonzero(~left.valid).tolist() == [3]
    np.testing.assert_allclose(left.targets[left.valid, 0], np.delete(np.arange(40), 3) / 100, atol=1e-6)


def test_what_was_done_is_noted(prepared, source):
    out, result = prepared
    index = json.loads((out / 'corpus.json').read_text())
    assert index['notes'] == {
        'faces': {'detector': DETECTOR, 'every': 1, 'choice': 'largest'},
        'annotation': {'lag': 0.0, 'low': -1.0, 'high': 1.0},
    }
    entry = json.loads((out / 'index/two_right.json').read_text())
    assert entry['notes']['source']['faces'] == {
        'detector': DETECTOR,
        'every': 1,
        'choice': 'largest',
        'person': 'right',
        'number': 0,
    }
    rows = {line.split()[0]: line.split() for line in result.summary.splitlines() if line}
    #                        trials  frames  invalid  no face  no sound
    assert rows['train'][1:6] == ['1', '50', '28.00%', '20.00%', '0']
    assert rows['val'][1:6] == ['1', '40', '2.50%', '0.00%', '0']
    assert rows['test'][1:6] == ['3', '110', 'all', '45.45%', '1']
    assert f'faces: detector {DETECTOR}, every 1, choice largest\n' in result.summary
    assert not list(out.rglob('*.tmp*'))


def test_every_way_of_running_gives_the_same_bytes(prepared, make, tmp_path, monkeypatch):
    expected = files(prepared[0])
    first = make(tmp_path / 'out', shard=(2, 2), jobs=2)
    assert not first.complete
    assert not (tmp_path / 'out/corpus.json').exists()
    # Trials of one video are of one shard, since they share its detections.
    shares = {path.stem for path in (tmp_path / 'out/index').glob('[!.]*.json')}
    assert ('two_left' in shares) == ('two_right' in shares)
    assert make(tmp_path / 'out', shard=(1, 2)).complete
    assert files(tmp_path / 'out') == expected
    monkeypatch.setattr(trial_work, 'run_in_processes', None)
    assert make(tmp_path / 'out').complete


def test_other_settings_prepare_again_what_depends_on_them(make, source, tmp_path):
    out = tmp_path / 'out'

    def state(kind):
        return {path.name: path.stat().st_mtime_ns for path in (out / kind).glob('[!.]*.np?')}

    make(out)
    detections, faces = state('detections'), state('faces')
    make(out, lag=0.2)
    times = Corpus(out)['one'].timestamps
    assert Corpus(out)['one'].valid.tolist() == (times <= 1.4 + 1e-6).tolist()
    # Only the trials with an annotation.
    assert {name for name, stamp in state('faces').items() if faces[name] != stamp} == {'one.npy', 'two_left.npy'}
    make(out, faces='longest')
    assert state('detections') == detections
    faces = state('faces')
    make(out, faces='longest', detect_every=2)
    assert not detections.items() & state('detections').items()
    assert not faces.items() & state('faces').items()
    one = Corpus(out)['one']
    # Between two searched frames faces are interpolated; frames 5, 29 and 35 have one neighbour that shows none.
    seen = np.flatnonzero(one.face_present)
    assert set(range(6, 29)) <= set(seen.tolist()) <= {*range(5, 30), *range(35, 50)}
    assert [number_of(face) for face in one.faces[seen]] == seen.tolist()


def test_a_trial_of_every_face(make, tmp_path):
    out = tmp_path / 'out'
    result = make(out, table=None, faces='all')
    corpus = Corpus(out)
    assert corpus.trials == ['one_face1', 'two_face1', 'two_face2']
    assert number_of(corpus['two_face2'].faces[20]) == 120
    assert number_of(corpus['two_face1'].faces[20]) == 20
    assert 'no trial, since no face is seen for long enough: silent\n' in result.summary
    assert make(out, table=None, faces='all', min_seconds=1.5).complete
    assert Corpus(out).trials == ['one_face1', 'two_face1']
    with pytest.raises(CorpusError, match='no face is seen for long enough in any of 3 videos'):
        make(tmp_path / 'none', table=None, faces='all', min_seconds=60)


def test_drawn_split_is_written_down(make, source, tmp_path):
    table = source / 'open.csv'
    table.write_text('video,annotation\none.mp4,one.csv\ntwo.mp4,two.txt\nsilent.mp4,\n')
    make(tmp_path / 'out', table=table, val_share=0.5, split_seed=5)
    corpus = Corpus(tmp_path / 'out')
    assert sorted(map(len, (corpus.split('train'), corpus.split('val')))) == [1, 1]
    assert corpus.split('test') == ['silent']
    notes = json.loads((tmp_path / 'out/corpus.json').read_text())['notes']
    assert notes['split'] == {'val_share': 0.5, 'seed': 5, 'by': 'subject and video'}


def test_broken_videos_are_told_or_left_out(make, source, tmp_path):
    videos = tmp_path / 'videos'
    videos.mkdir()
    whole = (source / 'videos/one.mp4').read_bytes()
    (videos / 'a.mp4').write_bytes(b'no video at all')
    (videos / 'b.mp4').write_bytes(whole[: len(whole) // 2])
    (videos / 'c.mp4').write_bytes(whole)
    settings = {'detector': DETECTOR, 'face_size': 8, 'front_end': 'vggish'}
    with pytest.raises(MediaError, match=r'[ab]\.mp4'):
        corpus_from_csv(videos, tmp_path / 'out', **settings)
    assert not (tmp_path / 'out/corpus.json').exists()
    result = corpus_from_csv(videos, tmp_path / 'out', skip_broken=True, **settings)
    assert sorted(result.broken) == ['a', 'b']
    assert Corpus(tmp_path / 'out').trials == ['c']
    assert not list((tmp_path / 'out').rglob('*.tmp*'))
    (videos / 'a.mp4').write_bytes(whole)
    (videos / 'b.mp4').unlink()
    assert corpus_from_csv(videos, tmp_path / 'out', **settings).broken == {}
    assert Corpus(tmp_path / 'out').trials == ['a', 'c']


def test_annotations_are_checked_before_any_video(make, source, tmp_path):
    (source / 'bad.csv').write_text('time,valence,arousal\n0,0,0\n0.04,2,0\n')
    table = source / 'bad_trials.csv'
    table.write_text('video,annotation,split\none.mp4,bad.csv,val\n')
    with pytest.raises(AnnotationError, match=r"bad\.csv, line 3: found valence '2'; another range\?"):
        make(tmp_path / 'out', table=table)
    assert not (tmp_path / 'out').exists()


def test_read_targets_other_times(make, source, tmp_path):
    (source / 'late.csv').write_text('time,valence,arousal\n100,0,0\n200,0,0\n')
    table = source / 'late_trials.csv'
    table.write_text('video,annotation,split\none.mp4,late.csv,val\n')
    with pytest.raises(
        AnnotationError, match=r'late\.csv: its times are 100 to 200 s .* expected some within 0 to 1\.96 s'
    ):
        make(tmp_path / 'out', table=table)


@pytest.mark.parametrize(('unit', 'end'), [('milliseconds', 2000), ('frames', 50)])
def test_times_that_are_no_seconds(make, source, tmp_path, unit, end):
    stamps = np.linspace(0, end, 51)
    (source / f'{unit}.csv').write_text('\n'.join(['time,valence,arousal', *(f'{t:g},0,0' for t in stamps)]))
    table = source / f'{unit}_trials.csv'
    table.write_text(f'video,annotation,split\none.mp4,{unit}.csv,val\n')
    with pytest.raises(AnnotationError, match=rf'its times go on to {end}, but .*one\.mp4 is 1\.96 s long'):
        make(tmp_path / 'out', table=table)


@pytest.mark.parametrize(
    ('rows', 'flags'),
    [
        (['time', *np.arange(0, 0.9, 0.1)], ['annotation_short']),
        (['time', *np.arange(0, 1.1, 0.1)], []),
        (['time', *np.arange(0, 2.9, 0.1)], []),
        (['time', *np.arange(0, 3.1, 0.1)], ['annotation_beyond']),
        (['frame', *range(1, 24)], ['annotation_short']),
        (['frame', *range(1, 27)], []),
        (['frame', *range(1, 77)], ['annotation_beyond']),
    ],
)
def test_annotation_that_ends_elsewhere_is_flagged(source, tmp_path, rows, flags):
    (tmp_path / 'a.csv').write_text('\n'.join([f'{rows[0]},valence,arousal', *(f'{at:g},0,0' for at in rows[1:])]))
    times = read_timestamps(source / 'videos/one.mp4')
    trial = RawTrial('a', 'val', source / 'videos/one.mp4', tmp_path / 'a.csv', None, scale=AnnotationScale())
    assert read_targets(trial, times)[2] == flags


def test_videos_of_one_file_name_are_of_different_people(source, tmp_path):
    for folder in ('p1', 'p2'):
        (tmp_path / 'videos' / folder).mkdir(parents=True)
        (tmp_path / 'videos' / folder / 'cam.mp4').write_bytes((source / 'videos/silent.mp4').read_bytes())
    (tmp_path / 'trials.csv').write_text('video,subject\np1/cam.mp4,s1\np2/cam.mp4,s2\n')
    settings = {'detector': DETECTOR, 'face_size': 8, 'front_end': 'vggish'}
    corpus_from_csv(tmp_path / 'videos', tmp_path / 'out', table=tmp_path / 'trials.csv', **settings)
    corpus = Corpus(tmp_path / 'out')
    assert corpus.people == {'p1_cam': {'s1'}, 'p2_cam': {'s2'}}
    assert corpus.videos == {'p1_cam': ('p1/cam.mp4',), 'p2_cam': ('p2/cam.mp4',)}


def test_conditions_of_videos(make, source, tmp_path):
    videos = tmp_path / 'videos'
    (videos / 'conditions').mkdir(parents=True)
    for name in ('one', 'silent'):
        (videos / f'{name}.mp4').symlink_to(source / f'videos/{name}.mp4')
    (videos / 'conditions/one.txt').write_bytes(b'\xef\xbb\xbfnormal\r\n' + 49 * b'noise\r\n')
    (videos / 'conditions/oen.txt').write_text('normal')
    table = tmp_path / 'trials.csv'
    table.write_text('video,split,annotation\none.mp4,train,one.csv\nsilent.mp4,,\n')
    (tmp_path / 'one.csv').write_bytes((source / 'one.csv').read_bytes())
    settings = {'table': table, 'detector': DETECTOR, 'face_size': 8, 'front_end': 'vggish'}
    summary = corpus_from_csv(videos, tmp_path / 'out', **settings).summary
    assert 'conditions: normal 2.00%, noise 98.00%\n' in summary
    assert 'warning: 1 files of conditions of no trial: oen.txt\n' in summary
    corpus = Corpus(tmp_path / 'out')
    assert corpus['one'].conditions.tolist() == [0] + [1] * 49
    assert corpus.info('one').conditions == ('normal', 'noise')
    assert corpus.info('silent').conditions is None
    (videos / 'conditions/one.txt').write_text('normal\n' * 49)
    with pytest.raises(AnnotationError, match=r'conditions/one\.txt: 49 lines; expected 50'):
        corpus_from_csv(videos, tmp_path / 'out', **settings)


def test_annotations_of_no_trial_are_told(make, source, tmp_path):
    labels = tmp_path / 'labels'
    labels.mkdir()
    for name in ('one', 'tow'):
        (labels / f'{name}.csv').write_bytes((source / 'one.csv').read_bytes())
    table = tmp_path / 'trials.csv'
    table.write_text('video,split\none.mp4,train\nsilent.mp4,\n')
    summary = make(tmp_path / 'out', table=table, annotations=labels).summary
    assert 'warning: 1 annotations of no trial: tow.csv\n' in summary
    assert 'warning: 1 videos of no trial: two.mp4\n' in summary


def test_two_trials_of_one_name(make, source, tmp_path):
    table = tmp_path / 'trials.csv'
    table.write_text('video,trial,person\none.mp4,,\ntwo.mp4,one_face1,left\n')
    with pytest.raises(CorpusError, match=r"one\.mp4 and .*two\.mp4: both have a trial 'one_face1'"):
        make(tmp_path / 'out', table=table, faces='all')


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'jobs': 0}, 'jobs=0'),
        ({'shard': (0, 1)}, r'shard=\(0, 1\)'),
        ({'shard': (3, 2)}, r'shard=\(3, 2\)'),
        ({'face_size': 0}, 'face_size=0'),
        ({'front_end': 'mfcc'}, "front end 'mfcc'"),
        ({'detector': 'no_such'}, "detector='no_such'; expected one of"),
        ({'detector': 'missing.onnx'}, r"detector='missing\.onnx': No such file"),
        ({'detect_every': 0}, 'every=0'),
        ({'lag': -1.0}, 'lag is -1'),
        ({'scale': (1.0, 0.0)}, 'scale is'),
    ],
)
def test_settings_out_of_range(make, tmp_path, settings, message):
    with pytest.raises(ConfigError, match=message):
        make(tmp_path / 'out', **settings)


def test_wrong_detector_is_no_broken_trial(make, tmp_path):
    with pytest.raises(ConfigError, match='expected one of'):
        make(tmp_path / 'out', detector='no_such', skip_broken=True)


def test_detector_that_fails_is_a_defect_and_no_broken_trial(make, tmp_path):
    with pytest.raises(ValueError, match='a detector that fails'):
        make(tmp_path / 'out', detector={**DETECTOR, 'fails': True}, skip_broken=True)


def test_damaged_detections_are_made_again(make, tmp_path):
    make(tmp_path / 'out')
    file = next((tmp_path / 'out/detections').glob('one-*.npz'))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(MediaError, match=r'npz: damaged'):
        read_detections(file)
    make(tmp_path / 'out')
    assert read_detections(file).width == 160


def test_detections_that_cannot_be_written(source, tmp_path, monkeypatch):
    def full(*args, **arrays):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(np, 'savez', full)
    settings = FaceSettings(DETECTOR).detection
    with pytest.raises(OSError, match=r'No space left on device; faces of one\.mp4 are not kept') as error:
        detect_video(source / 'videos/one.mp4', tmp_path / 'a.npz', json.dumps(DETECTOR), settings, 1, False)
    assert (error.value.errno, error.value.filename) == (28, str(tmp_path / 'a.npz'))
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures('source')
def test_affwild2_with_faces_of_our_own(raw_corpus_template, tmp_path):
    out = tmp_path / 'out'
    prepare(raw_corpus_template, out, faces=FaceSettings(DETECTOR), front_end='vggish', face_size=8)
    prepare(raw_corpus_template, tmp_path / 'crops', front_end='vggish', face_size=8)
    own, crops = Corpus(out), Corpus(tmp_path / 'crops')
    assert own.trials == crops.trials
    for name in own:
        np.testing.assert_array_equal(own[name].targets, crops[name].targets)
        np.testing.assert_array_equal(own[name].timestamps, crops[name].timestamps)
        np.testing.assert_array_equal(own[name].logmel, crops[name].logmel)
        # Its videos show nobody.
        assert not own[name].face_present.any()
        assert not own[name].faces.any()
    entry = json.loads((out / 'index/video2_right.json').read_text())
    assert entry['notes']['source']['faces']['person'] == 'right'
    with pytest.raises(ConfigError, match="faces='all'"):
        prepare(raw_corpus_template, out, faces=FaceSettings(DETECTOR, choice='all'))


def tracks(rows: list[tuple[int, float, float]]) -> FaceTracks:
    """Faces from frame, middle and width."""
    frame, middle, width = (np.array(column) for column in zip(*rows, strict=True))
    box = np.stack([middle - width / 2, np.zeros(len(rows)), width, width], 1).astype(np.float32)
    number = np.zeros(len(rows), np.int32)
    return FaceTracks(
        9, frame.astype(np.int64), number, box, np.zeros((len(rows), 5, 2), np.float32), np.ones(len(rows))
    )


def test_people_are_told_apart_by_where_they_are():
    # Both sit in the right half; a small third face in the background does not count.
    rows = [(0, 60, 20), (0, 90, 20), (0, 10, 4), (1, 62, 20), (1, 88, 22), (2, 91, 20), (3, 61, 20)]
    found = tracks(rows)
    assert of_person(found, 'left', 100).tolist() == [True, False, True, True, False, False, True]
    assert of_person(found, 'right', 100).tolist() == [False, True, False, False, True, True, False]
    # Nobody is within a width of their face at frame 3.
    assert of_person(found, 0.9, 100).tolist() == [False, True, False, False, True, True, False]
    # With one person all the time, the middle of the picture divides.
    alone = tracks([(0, 60, 20), (1, 40, 20)])
    assert of_person(alone, 'left', 100).tolist() == [False, True]


def test_default_detector_on_a_clip_of_a_person(tmp_path, clips):
    clip = clips / 'grid' / 'bbaf2n.mpg'
    (tmp_path / 'videos').mkdir()
    (tmp_path / 'videos' / clip.name).symlink_to(clip)
    corpus_from_csv(tmp_path / 'videos', tmp_path / 'out')
    corpus = Corpus(tmp_path / 'out')
    trial = corpus[clip.stem]
    assert trial.faces.shape == (75, 48, 48, 3)
    assert trial.face_present.all()
    # A crop of skin, brighter in red than in blue, that changes little from frame to frame.
    assert trial.faces[:, 12:36, 12:36, 0].mean() > trial.faces[:, 12:36, 12:36, 2].mean() + 10
    assert np.abs(np.diff(trial.faces.astype(float), axis=0)).mean() < 12
    file = next((tmp_path / 'out/detections').glob('*.npz'))
    detections = read_detections(file)
    chosen = choose_found(FoundFaces(FaceSettings(), file), detections)
    assert len(chosen) == 1
    assert (detections.width, len(detections.times)) == (360, 75)
