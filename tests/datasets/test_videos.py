import os
from pathlib import Path

import pytest

from mmaffect.datasets.face_source import FaceSettings
from mmaffect.datasets.split_draw import SplitDraw, draw_validation
from mmaffect.datasets.videos import VIDEO_SUFFIXES, read_videos
from mmaffect.errors import ConfigError, CorpusError
from mmaffect.inference.sources import SUFFIXES

VIDEOS = ['a.mp4', 'P16/cam.MOV', 'P17/cam.avi', '.hidden/x.mp4', '.y.mp4', 'notes.txt', 'P17/more/z.webm']


@pytest.fixture
def folder(tmp_path):
    for name in VIDEOS:
        path = tmp_path / 'videos' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for name in ('a', 'P16_cam', 'other'):
        path = tmp_path / 'labels' / f'{name}.csv'
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path / 'videos'


@pytest.fixture
def read(folder):
    """Reads the folder with a table of these lines."""

    def read(*lines, **settings):
        path = folder.parent / 'trials.csv'
        path.write_text('\n'.join(lines))
        return read_videos(folder, folder.parent / 'out', table=path, **settings)

    return read


def test_all_videos_of_a_folder(folder):
    corpus = read_videos(folder, folder.parent / 'out')
    assert [trial.name for trial in corpus.trials] == ['P16_cam', 'P17_cam', 'P17_more_z', 'a']
    assert {trial.split for trial in corpus.trials} == {'test'}
    assert {trial.annotation for trial in corpus.trials} == {None}
    assert [trial.video.relative_to(folder) for trial in corpus.trials] == [Path(VIDEOS[i]) for i in (1, 2, 6, 0)]
    files = [trial.found.file for trial in corpus.trials]
    assert len(set(files)) == 4
    assert {file.parent for file in files} == {folder.parent / 'out/detections'}
    assert corpus.notes == {'faces': {'detector': 'retinaface', 'every': 1, 'choice': 'largest'}}


def test_table(read, folder):
    corpus = read(
        '# who was there',
        'Video;trial;split;subject;annotation;person;;',
        'a.mp4;;train;s1;labels/a.csv;left;;',
        'a;;val;s2;labels/P16_cam.csv;Right;;',
        'P16/cam.MOV;talk;TEST;;;0.25;;',
        ';;;;;;;',
        'z.webm;;;;;;;',
    )
    found = {trial.name: trial for trial in corpus.trials}
    assert list(found) == ['a_left', 'a_right', 'P17_more_z', 'talk']
    assert [trial.split for trial in found.values()] == ['train', 'val', 'test', 'test']
    assert [trial.subject for trial in found.values()] == ['s1', 's2', None, None]
    assert [trial.found.person for trial in found.values()] == ['left', 'right', None, 0.25]
    assert found['a_left'].annotation == folder.parent / 'labels/a.csv'
    assert found['a_left'].found.file == found['a_right'].found.file
    assert corpus.unused == {'videos of no trial': [folder / 'P17/cam.avi'], 'annotations of no trial': []}


def test_annotations_of_a_folder(read, folder):
    corpus = read_videos(
        folder, folder.parent / 'out', annotations=folder.parent / 'labels', draw=SplitDraw(0.5, seed=1)
    )
    found = {trial.name: trial for trial in corpus.trials}
    assert sorted(found[name].split for name in ('a', 'P16_cam')) == ['train', 'val']
    assert found['P17_cam'].split == 'test'
    assert corpus.notes['split'] == {'val_share': 0.5, 'seed': 1, 'by': 'subject and video'}
    assert corpus.notes['annotation'] == {'lag': 0.0, 'low': -1.0, 'high': 1.0}
    assert corpus.unused == {'videos of no trial': [], 'annotations of no trial': [folder.parent / 'labels/other.csv']}
    with pytest.raises(ConfigError, match=r"trial 'a' has an annotation but no split; .*--val-share"):
        read_videos(folder, folder.parent / 'out', annotations=folder.parent / 'labels')
    (folder.parent / 'labels/a.txt').touch()
    with pytest.raises(CorpusError, match=r"a\.csv and .*a\.txt: both claim trial 'a'"):
        read_videos(folder, folder.parent / 'out', annotations=folder.parent / 'labels')


@pytest.mark.parametrize(
    ('lines', 'message'),
    [
        (['trial,split', 'x,train'], r"line 1: found the columns 'trial,split', expected 'video' and any of trial"),
        (['video,spilt', 'a.mp4,train'], "line 1: found the columns 'video,spilt'"),
        (['video', 'b.mp4'], r"line 2: found video 'b\.mp4', expected the path of a file in .*videos$"),
        (['video', 'cam'], r"line 2: found video 'cam', expected .*\(2 of that name in subfolders\)"),
        (['video,trial', ',b'], 'line 2: found no video'),
        (['video', 'a.mp4', 'a.mp4'], r"line 3: trial 'a' is that of .*line 2; expected other names \(column trial\)"),
        (['video,trial', 'a.mp4,../a'], r"line 2: '\.\./a' cannot name a trial"),
        (['video,split', 'a.mp4,dev'], "line 2: found split 'dev', expected train, val, test or nothing"),
        (['video,split', 'a.mp4,train'], "line 2: found split 'train' without an annotation; expected test"),
        (['video,annotation', 'a.mp4,labels/b.csv'], "line 2: found annotation 'labels/b.csv', expected a file"),
        (['video,person', 'a.mp4,1.5'], r"line 2: found person '1\.5', expected left, right, or a share"),
        (['video,person', 'a.mp4,middle'], "line 2: found person 'middle'"),
        (['video,person', 'a.mp4'], "line 2: found 'a.mp4', expected 2 cells"),
        (['video,person', ',', ','], 'no videos in it'),
        (['video', '\0'], 'a binary file'),
    ],
)
def test_table_that_does_not_fit(read, lines, message):
    with pytest.raises(CorpusError, match=message):
        read(*lines)


def test_one_path_of_a_video_however_it_is_written(read, folder, tmp_path):
    (tmp_path / 'beside.mp4').touch()
    corpus = read(
        'video,trial',
        'P16/../a.mp4,one',
        f'{folder.resolve()}/a.mp4,two',
        'a,three',
        '../beside.mp4,',
        'P16/cam.MOV,',
        'P17/cam.avi,',
    )
    found = {trial.name: trial for trial in corpus.trials}
    assert {found[name].video for name in ('one', 'two', 'three')} == {folder / 'a.mp4'}
    assert len({found[name].found.file for name in ('one', 'two', 'three')}) == 1
    assert found['beside'].video.samefile(tmp_path / 'beside.mp4')
    # Videos of one file name in two folders are two videos.
    assert [found[name].label for name in ('one', 'P16_cam', 'P17_cam')] == ['a.mp4', 'P16/cam.MOV', 'P17/cam.avi']
    assert corpus.unused['videos of no trial'] == [folder / 'P17/more/z.webm']


def test_trials_follow_the_split_of_their_subject_or_video(read):
    rows = ['video,trial,split,subject,annotation', 'a.mp4,t1,train,s1,labels/a.csv', 'a.mp4,t2,,s2,labels/a.csv']
    rows += ['P16/cam.MOV,t3,,s1,labels/a.csv', 'P17/cam.avi,t4,val,s3,labels/a.csv']
    # What has no annotation is in the test split for want of one, which decides on nobody.
    rows += ['P17/cam.avi,t5,,,', 'P17/cam.avi,t6,test,,', 'z,t7,,s3,labels/a.csv']
    corpus = read(*rows)
    expected = {'t1': 'train', 't2': 'train', 't3': 'train', 't4': 'val', 't5': 'test', 't6': 'test', 't7': 'val'}
    assert {trial.name: trial.split for trial in corpus.trials} == expected
    assert 'split' not in read(*rows, draw=SplitDraw(0.5)).notes
    with pytest.raises(CorpusError, match="line 3: trial 't2' shares subjects or a video with trials of train and val"):
        read(*rows[:3], 'z,t4,val,s1,labels/a.csv')


def test_a_folder_that_cannot_be_read_is_told(folder, monkeypatch):
    scan = os.scandir

    def denied(path):
        if Path(path).name == 'P17':
            raise PermissionError(13, 'Permission denied', str(path))
        return scan(path)

    monkeypatch.setattr(os, 'scandir', denied)
    with pytest.raises(PermissionError, match='P17'):
        read_videos(folder, folder.parent / 'out')


def test_name_that_is_none_of_a_trial(folder):
    (folder / 'a:b.mp4').touch()
    with pytest.raises(CorpusError, match=r"videos/a:b\.mp4: 'a:b' cannot name a trial"):
        read_videos(folder, folder.parent / 'out')


def test_the_suffixes_are_those_of_inference():
    assert set(VIDEO_SUFFIXES) < set(SUFFIXES)


def test_annotation_of_one_person_but_a_trial_of_each(read):
    faces = FaceSettings(choice='all')
    with pytest.raises(CorpusError, match='line 2: found an annotation of one person, but a trial of every face'):
        read('video,annotation,split', 'a.mp4,labels/a.csv,val', faces=faces)
    corpus = read('video,annotation,split,person', 'a.mp4,labels/a.csv,val,left', faces=faces)
    assert corpus.trials[0].found.choice == 'largest'


def test_folders_without_videos(tmp_path):
    with pytest.raises(CorpusError, match='missing: no such folder'):
        read_videos(tmp_path / 'missing', tmp_path / 'out')
    with pytest.raises(CorpusError, match='no videos in it; expected files'):
        read_videos(tmp_path, tmp_path / 'out')


def test_draw_keeps_groups_together_and_is_that_of_its_seed():
    trials = [f't{i}' for i in range(60)]
    groups = {trial: [f's{i // 3}'] for i, trial in enumerate(trials)}
    chosen = draw_validation(trials, groups, SplitDraw(0.2, 7))
    assert len(chosen) == 12
    assert all(len(chosen & set(trials[i : i + 3])) in (0, 3) for i in range(0, 60, 3))
    assert draw_validation(trials, groups, SplitDraw(0.2, 7)) == chosen
    assert draw_validation(trials, groups, SplitDraw(0.2, 8)) != chosen
    assert len(draw_validation(['a', 'b'], {'a': ['x'], 'b': ['y']}, SplitDraw(0.01))) == 1
    assert len(draw_validation(['a', 'b'], {'a': ['x'], 'b': ['y']}, SplitDraw(0.99))) == 1
    with pytest.raises(CorpusError, match='expected two groups at least'):
        draw_validation(['a', 'b'], {'a': ['x'], 'b': ['x']}, SplitDraw(0.5))
    for share in (0.0, 1.0, float('nan')):
        with pytest.raises(ConfigError, match='val_share'):
            SplitDraw(share)


@pytest.mark.parametrize(
    'settings',
    [
        {'choice': 'best'},
        {'every': 0},
        {'every': 1.5},
        {'min_seconds': -1},
        {'detector': {'type': print}},
    ],
)
def test_face_settings(settings):
    with pytest.raises(ConfigError, match='expected'):
        FaceSettings(**settings)
