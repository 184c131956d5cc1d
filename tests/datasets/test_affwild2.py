from pathlib import Path

import pytest

from mmaffect.datasets.affwild2 import check_files, read_layout
from mmaffect.errors import CorpusError


def test_trials_are_ordered_and_know_their_files(raw_corpus):
    trials = read_layout(raw_corpus).trials
    assert [(trial.name, trial.split) for trial in trials] == [
        ('video1', 'train'),
        ('video2_left', 'train'),
        ('video2_right', 'train'),
        ('video3', 'val'),
        ('video4', 'val'),
        ('video5', 'test'),
    ]
    left, right, test = trials[1], trials[2], trials[5]
    assert left.video == right.video == raw_corpus / 'videos/batch1/video2.mp4'
    assert left.faces == raw_corpus / 'cropped_aligned/video2_left'
    assert right.annotation == raw_corpus / 'VA_Estimation_Challenge/Train_Set/video2_right.txt'
    assert test.annotation is None
    assert left.subject is None
    assert not read_layout(raw_corpus).synthetic


@pytest.mark.parametrize(
    'place', ['VA_Set', 'annotations/VA_Set', '6th_ABAW_Annotations/VA_Estimation_Challenge', 'annotations/8th/va_set']
)
def test_older_layouts(raw_corpus, place):
    expected = [(trial.name, trial.split) for trial in read_layout(raw_corpus).trials]
    (raw_corpus / place).parent.mkdir(parents=True, exist_ok=True)
    (raw_corpus / 'VA_Estimation_Challenge').rename(raw_corpus / place)
    (raw_corpus / 'cropped_aligned').rename(raw_corpus / 'cropped_aligned_new_50_vids')
    assert [(trial.name, trial.split) for trial in read_layout(raw_corpus).trials] == expected


def test_unsuffixed_trial_beside_a_suffixed_one(raw_corpus, add_raw_trial):
    add_raw_trial(raw_corpus, 'video2', 'train', rows=5)
    add_raw_trial(raw_corpus, 'a_left', 'train', rows=3)
    videos = {trial.name: trial.video.name for trial in read_layout(raw_corpus).trials}
    assert videos['video2'] == videos['video2_left'] == videos['video2_right'] == 'video2.mp4'
    assert videos['a_left'] == 'a_left.mp4'


def test_video_suffix_case_several_face_folders_and_unused_videos(raw_corpus):
    batch = raw_corpus / 'videos/batch1'
    (batch / 'video1.mp4').rename(raw_corpus / 'videos/video1.AVI')
    (batch / 'other_track.mp4').write_bytes(b'')
    second = raw_corpus / 'cropped_aligned_batch2/cropped_aligned_batch2'
    second.mkdir(parents=True)
    (raw_corpus / 'cropped_aligned/video4').rename(second / 'video4')
    layout = read_layout(raw_corpus)
    assert list(layout.unused.values()) == [[batch / 'other_track.mp4']]
    by_name = {trial.name: trial for trial in layout.trials}
    assert by_name['video1'].video == raw_corpus / 'videos/video1.AVI'
    assert by_name['video4'].faces == second / 'video4'


def test_face_folders_are_not_searched(raw_corpus):
    (raw_corpus / 'cropped_aligned/video1/stray.mp4').write_bytes(b'')
    elsewhere = raw_corpus / 'faces/video1'
    elsewhere.mkdir(parents=True)
    (elsewhere / '00001.jpg').write_bytes(b'')
    assert not any(read_layout(raw_corpus).unused.values())


def test_subjects_and_demo_mark(raw_corpus):
    table = 'trial,subject\nvideo1,p7\n"video3",p8\nvideo4,\n'
    (raw_corpus / 'subjects.csv').write_text(table, encoding='utf-8-sig')
    (raw_corpus / 'demo.json').write_text('{}')
    layout = read_layout(raw_corpus)
    assert layout.synthetic
    known = {trial.name: trial.subject for trial in layout.trials if trial.subject is not None}
    assert known == {'video1': 'p7', 'video3': 'p8'}


def _duplicate_trial(raw: Path) -> None:
    source = raw / 'VA_Estimation_Challenge'
    (source / 'Validation_Set/video1.txt').write_bytes((source / 'Train_Set/video1.txt').read_bytes())


def _test_line(line: str):
    def append(raw: Path) -> None:
        with open(raw / 'Valence_Arousal_Estimation_Challenge_test_set_release.txt', 'a') as file:
            file.write(line + '\n')

    return append


def _subject_line(line: str):
    def write(raw: Path) -> None:
        (raw / 'subjects.csv').write_text(f'trial,subject\nvideo1,p7\n{line}\n')

    return write


def _empty_folder(raw: Path) -> None:
    for path in (raw / 'VA_Estimation_Challenge/Validation_Set').iterdir():
        path.unlink()


def _second(path: str):
    def make(raw: Path) -> None:
        target = raw / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.mkdir() if not target.suffix else target.write_bytes(b'x')

    return make


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (_duplicate_trial, r"Validation_Set/video1\.txt: trial 'video1' is in .*Train_Set/video1\.txt too"),
        (_test_line('video5'), r"test_set_release\.txt, line 2: trial 'video5' is in line 1 too"),
        (_test_line('video1'), r"line 2: trial 'video1' is in .*video1\.txt \(train\) too"),
        (_test_line('../video1'), r'line 2: .* cannot name a trial'),
        (_second('other/Valence_test_set_release.txt'), '2 test lists'),
        (_empty_folder, r'Validation_Set: empty; expected an annotation file'),
        (_second('videos/batch2/video1.mkv'), r"batch1/video1\.mp4 and .*batch2/video1\.mkv: 2 claim trial 'video1'"),
        (_second('cropped_aligned_2/video1'), r"2 claim trial 'video1'"),
        (_second('subjects.csv'), r"subjects\.csv, line 1: found 'x', expected the header 'trial,subject'"),
        (_subject_line('video9,p1'), r"subjects\.csv, line 3: trial 'video9'; there is no such trial"),
        (_subject_line('video1,p1'), r'subjects\.csv, line 3: .*expected trial,subject, each trial once'),
    ],
)
def test_problems_name_the_file(raw_corpus, damage, message):
    damage(raw_corpus)
    with pytest.raises(CorpusError, match=message):
        read_layout(raw_corpus)


def test_nothing_to_prepare(tmp_path):
    with pytest.raises(CorpusError, match='no trials found; expected VA_Estimation_Challenge'):
        read_layout(tmp_path)
    with pytest.raises(CorpusError, match='no such folder'):
        read_layout(tmp_path / 'missing')


def test_missing_video_or_faces(raw_corpus):
    (raw_corpus / 'videos/batch1/video2.mp4').unlink()
    (raw_corpus / 'cropped_aligned/video3').rename(raw_corpus / 'elsewhere')
    trials = {trial.name: trial for trial in read_layout(raw_corpus).trials}
    with pytest.raises(CorpusError, match=r'video2_left\.txt: has no video; expected video2_left\.mp4 or video2\.mp4'):
        check_files(trials['video2_left'])
    with pytest.raises(CorpusError, match=r'video3\.txt: has no face images; expected cropped_aligned/video3/00001'):
        check_files(trials['video3'])
    check_files(trials['video1'])


def test_lists_of_other_tracks_are_not_read(raw_corpus):
    for name in ('Expression_Classification', 'Action_Unit_Detection'):
        (raw_corpus / f'{name}_Challenge_test_set_release.txt').write_text('video9\n')
    assert 'video9' not in [trial.name for trial in read_layout(raw_corpus).trials]
