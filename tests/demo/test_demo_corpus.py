import hashlib
import importlib.util
import itertools
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from mmaffect.datasets import Corpus
from mmaffect.datasets.preparation import prepare
from mmaffect.demo.conditions import KINDS
from mmaffect.demo.corpus import make_demo_corpus, make_video
from mmaffect.demo.plan import TEST, TRAIN, VALIDATION, Settings, draw_plan
from mmaffect.errors import CorpusError
from mmaffect.evaluation import CCCMetric
from mmaffect.registry import DATASETS

pytest.importorskip('skimage', reason='the demo portrait comes with scikit-image')
SETTINGS = Settings(trials=10, seconds=4, weak=0.3, seed=5)
TOOL = Path(__file__).parents[2] / 'tools/dataset/make_demo_corpus.py'


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp('demo') / 'one'
    return root, make_demo_corpus(root, SETTINGS, jobs=2)


def _digests(root):
    files = sorted(path for path in root.rglob('*') if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _trials(plan):
    return [(video, trial) for video in plan.videos for trial in video.trials]


def _annotation(root, video, trial):
    folder = {TRAIN: 'Train_Set', VALIDATION: 'Validation_Set'}[video.split]
    lines = (root / 'VA_Estimation_Challenge' / folder / f'{trial.name}.txt').read_text().splitlines()
    assert lines[0] == 'valence,arousal'
    return np.array([line.split(',') for line in lines[1:]], dtype=float)


def test_same_files_for_any_number_of_jobs_and_after_a_killed_run(corpus, tmp_path):
    root, plan = corpus
    again = tmp_path / 'again'
    make_demo_corpus(again, SETTINGS, jobs=1)
    assert _digests(again) == _digests(root)
    shutil.rmtree(again / 'cropped_aligned/p04_1')
    (again / 'conditions/p02_1_left.txt').unlink()
    (again / '.unfinished/p04_1/cropped_aligned/p04_1').mkdir(parents=True)
    (again / '.unfinished/p04_1/cropped_aligned/p04_1/00001.jpg').write_bytes(b'half')
    untouched = again / plan.videos[0].path
    before = untouched.stat().st_mtime_ns
    make_demo_corpus(again, SETTINGS, jobs=2)
    assert untouched.stat().st_mtime_ns == before
    assert _digests(again) == _digests(root)


def test_another_seed_draws_other_people(corpus, tmp_path):
    root, plan = corpus
    other = draw_plan(Settings(trials=10, seconds=4, weak=0.3, seed=6))
    assert other.subjects['p01'] != plan.subjects['p01']
    video = min(plan.videos, key=lambda each: each.num_frames)
    trial = video.trials[0]
    for folder in ('batch1', 'batch2', 'cropped_aligned', 'conditions', 'VA_Estimation_Challenge/Train_Set'):
        (tmp_path / folder).mkdir(parents=True)
    make_video(tmp_path, 6, video, [other.subjects[trial.subject]])
    one, two = _digests(tmp_path), _digests(root)
    changed = {Path(name).parts[0] for name in one if name not in two or one[name] != two[name]}
    assert changed == {Path(video.path).parts[0], 'cropped_aligned', 'VA_Estimation_Challenge'}


def test_annotations_and_crops_fit_the_videos(corpus):
    root, plan = corpus
    for video, trial in _trials(plan):
        numbers = sorted(int(path.stem) for path in (root / 'cropped_aligned' / trial.name).iterdir())
        lost = {frame + 1 for start, stop in trial.lost for frame in range(start, stop)}
        assert numbers == [number for number in range(1, video.num_frames + 1) if number not in lost]
        assert cv2.imread(str(root / 'cropped_aligned' / trial.name / f'{numbers[0]:05d}.jpg')).shape == (112, 112, 3)
        assert len((root / 'conditions' / f'{trial.name}.txt').read_text().split()) == video.num_frames
        if video.split == TEST:
            assert not list((root / 'VA_Estimation_Challenge').rglob(f'{trial.name}.txt'))
            continue
        rows = _annotation(root, video, trial)
        assert len(rows) == video.num_frames + trial.extra_rows
        invalid = rows[:, 0] == -5
        assert invalid.sum() == sum(stop - start for start, stop in trial.invalid)
        assert (rows[invalid] == -5).all()
        assert np.abs(rows[~invalid]).max() <= 1


def test_special_cases(corpus):
    root, plan = corpus
    trials = _trials(plan)
    assert len(trials) == 10
    assert sorted(trial.extra_rows for _, trial in trials)[::9] == [-1, 1]
    assert sum(bool(trial.invalid) for _, trial in trials) == 3
    assert any(trial.lost for _, trial in trials)
    assert any(video.num_frames == 75 for video, _ in trials)
    assert [len(video.trials) for video in plan.videos].count(2) == 1
    pair = next(video for video in plan.videos if len(video.trials) == 2)
    assert [trial.name for trial in pair.trials] == ['p02_1_left', 'p02_1_right']
    assert sorted({Path(video.path).suffix for video in plan.videos}) == ['.avi', '.mkv', '.mp4']
    for video in plan.videos:
        with av.open(str(root / video.path)) as content:
            pictures = list(content.decode(video=0))
            assert len(pictures) == video.num_frames
            assert (pictures[0].width, pictures[0].height) == (256 * len(video.trials), 256)
            assert len(content.streams.audio) == video.has_sound
    assert [video.has_sound for video in plan.videos].count(False) == 1


def test_lists(corpus):
    root, plan = corpus
    names = [line.split(',') for line in (root / 'subjects.csv').read_text().splitlines()]
    assert names == [['trial', 'subject'], *([trial.name, trial.subject] for _, trial in _trials(plan))]
    listed = (root / 'Valence_Arousal_Estimation_Challenge_test_set_release.txt').read_text().split()
    assert listed == [trial.name for video, trial in _trials(plan) if video.split == TEST]
    record = json.loads((root / 'demo.json').read_text())
    assert record['complete'] is True
    assert len(record['subjects']['p01']['identity']['skin']) == 3
    assert 'no accuracy on people' in (root / 'README.txt').read_text()
    assert not (root / '.unfinished').exists()


@pytest.mark.parametrize('trials', [10, 11, 12, 17, 36, 120])
def test_splits_share_nobody_and_names_keep_people_together(trials):
    plan = draw_plan(Settings(trials=trials))
    people = {split: {t.subject for v, t in _trials(plan) if v.split == split} for split in (TRAIN, VALIDATION, TEST)}
    assert sum(map(len, people.values())) == len(plan.subjects)
    assert min(map(len, people.values())) >= 2
    assert len(_trials(plan)) == trials
    for split in people:
        names = sorted((trial.name, trial.subject) for video, trial in _trials(plan) if video.split == split)
        subjects = [subject for _, subject in names]
        assert sum(a != b for a, b in itertools.pairwise(subjects)) + 1 == len(people[split])


def test_more_trials_for_validation_leave_those_of_training_as_they_are():
    def drawn(settings, split):
        plan = draw_plan(settings)
        return [(v, [plan.subjects[t.subject] for t in v.trials]) for v in plan.videos if v.split == split]

    usual, larger = Settings(trials=22, weak=0.4), Settings(trials=47, weak=0.4, validation=30)
    assert usual.counts == {TRAIN: 15, VALIDATION: 5, TEST: 2}
    assert larger.counts == {TRAIN: 15, VALIDATION: 30, TEST: 2}
    assert drawn(larger, TRAIN) == drawn(usual, TRAIN)
    validation = drawn(larger, VALIDATION)
    assert sum(len(video.trials) for video, _ in validation) == 30
    # All but the last of the smaller one, which is the shorter special case there.
    assert validation[:4] == drawn(usual, VALIDATION)[:4]


def test_other_settings_or_files_in_the_folder(corpus, tmp_path):
    root, _ = corpus
    with pytest.raises(CorpusError, match='choose another folder'):
        make_demo_corpus(root, Settings(trials=10, seconds=4, weak=0.3, seed=6))
    (tmp_path / 'holiday.jpg').write_bytes(b'')
    with pytest.raises(CorpusError, match='expected a new or empty folder'):
        make_demo_corpus(tmp_path, SETTINGS)
    (tmp_path / 'demo.json').write_text('[]')
    with pytest.raises(CorpusError, match='cannot be read'):
        make_demo_corpus(tmp_path, SETTINGS)


def _by_frame(video, trial):
    """The condition of every annotated frame, from the record of what was drawn."""
    words = np.array(['normal'] * video['num_frames'], object)
    for span in video['spans']:
        words[span['start'] : span['stop']] = span['kind']
    rows = video['num_frames'] + trial['extra_rows']
    return [words[min(frame, len(words) - 1)] for frame in range(rows)]


def test_the_prepared_corpus_tells_what_was_drawn(corpus, tmp_path):
    root, _ = corpus
    result = prepare(root, tmp_path / 'corpus', jobs=2, front_end='vggish', face_size=8)
    prepared = Corpus(tmp_path / 'corpus')
    record = json.loads((root / 'demo.json').read_text())
    expected = {trial['name']: _by_frame(video, trial) for video in record['videos'] for trial in video['trials']}
    assert set(prepared) == set(expected)
    lengths = {trial['extra_rows'] for video in record['videos'] for trial in video['trials']}
    assert lengths == {-1, 0, 1}
    for name, words in expected.items():
        trial = prepared[name]
        assert [trial.info.conditions[code] for code in trial.conditions] == words
    assert prepared.conditions == (
        'normal',
        *sorted({word for words in expected.values() for word in words} - {'normal'}),
    )
    share = np.mean([word == 'normal' for words in expected.values() for word in words])
    assert f'conditions: normal {share:.2%}, ' in result.summary

    # Perfect where all is normal, wrong by a constant elsewhere.
    windows = dict(type='AffectDataset', data_root=str(tmp_path / 'corpus'), split='val', window=50, hop=20)
    windows |= dict(modalities=['audio'], front_end='vggish', pipeline=[dict(type='PackAffectInputs')])
    dataset = DATASETS.build(windows)
    metric = CCCMetric(resamples=2, by_condition=True)
    metric.dataset_meta = dataset.metainfo
    rows = {}
    for item in dataset:
        sample = item['data_samples'].to_dict()
        affect = sample['gt_affect'].nan_to_num()
        words = expected[sample['trial']][sample['start'] :][: len(affect)]
        weak = np.array([word != 'normal' for word in words])
        pred = affect + torch.from_numpy(0.5 * weak)[:, None]
        metric.process({}, [{**sample, 'pred_affect': pred, 'targets': ('valence', 'arousal')}])
        used = np.flatnonzero(weak & sample['valid'].numpy())
        rows |= {(sample['trial'], sample['start'] + i): affect[i].double().tolist() for i in used}
    figures = metric.evaluate(len(dataset))
    assert figures['CCC_by_condition/normal/valence'] == pytest.approx(1)
    assert len(rows) > 50
    for column, target in enumerate(('valence', 'arousal')):
        variance = np.var([row[column] for row in rows.values()])
        assert figures[f'CCC_by_condition/decoupled/{target}'] == pytest.approx(
            2 * variance / (2 * variance + 0.25), 1e-5
        )


@pytest.mark.parametrize('kinds', [('silence',), ('noise', 'frozen_face'), ('av_offset', 'unrelated_voice')])
def test_only_the_kinds_that_are_asked_for(kinds):
    plan = draw_plan(Settings(trials=40, weak=0.6, kinds=kinds))
    found = {span.kind for video in plan.videos for span in video.spans}
    assert found == set(kinds)
    mute = next(video for video in plan.videos if not video.has_sound)
    assert {span.kind for span in mute.spans} == set(kinds) & {'frozen_face'}
    # Other kinds, and no other people.
    everything = draw_plan(Settings(trials=40, weak=0.6))
    assert plan.subjects == everything.subjects
    assert [video.num_frames for video in plan.videos] == [video.num_frames for video in everything.videos]


def test_all_kinds_are_drawn_as_before_there_was_a_choice():
    drawn = [[(span.start, span.stop, span.kind, span.offset) for span in v.spans] for v in draw_plan(SETTINGS).videos]
    assert drawn == [
        [(2, 52, 'covered_face', 0.0)],
        [(13, 63, 'silence', 0.0)],
        [],
        [],
        [(5, 55, 'noise', 0.0)],
        [(26, 76, 'unrelated_voice', 0.0)],
        [(1, 51, 'covered_face', 0.0)],
        [(46, 96, 'av_offset', -1.964)],
        [],
    ]
    assert Settings(kinds=KINDS[::-1]) == Settings()


def test_a_record_from_before_there_were_kinds(corpus, tmp_path):
    root = tmp_path / 'old'
    shutil.copytree(corpus[0], root)
    record = json.loads((root / 'demo.json').read_text())
    assert record['settings'].pop('kinds') == list(KINDS)
    (root / 'demo.json').write_text(json.dumps(record))
    make_demo_corpus(root, SETTINGS)
    assert _digests(root) == _digests(corpus[0])
    with pytest.raises(CorpusError, match='choose another folder'):
        make_demo_corpus(root, replace(SETTINGS, kinds=('noise',)))


@pytest.mark.parametrize('kinds', [[], ['rain'], 'noise', None, [['noise']], [3]])
def test_a_record_with_wrong_kinds(kinds, tmp_path):
    settings = {'trials': 10, 'seconds': 4, 'weak': 0.3, 'seed': 5, 'kinds': kinds}
    (tmp_path / 'demo.json').write_text(json.dumps({'format': 1, 'settings': settings}))
    with pytest.raises(CorpusError, match='cannot be read'):
        make_demo_corpus(tmp_path, SETTINGS)


def _tool():
    specification = importlib.util.spec_from_file_location('make_demo_corpus_tool', TOOL)
    tool = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(tool)
    return tool


def test_kinds_on_the_command_line():
    settings = _tool().parse_args(['unused', '--weak', '0.4', '--kinds', 'silence', 'noise', 'noise'])[1]
    assert settings == Settings(weak=0.4, kinds=('silence', 'noise'))
    assert settings.kinds == ('silence', 'noise')
    assert _tool().parse_args(['unused'])[1] == Settings()
    assert _tool().parse_args(['unused', '--validation', '30'])[1] == Settings(validation=30)


@pytest.mark.parametrize(
    ('words', 'text'),
    [
        (['--trials', '3'], 'trials is 3; expected at least 10'),
        (['--weak', '1.5'], r'weak is 1.5; expected a share in \[0, 1\)'),
        (['--weak', 'nan'], 'weak is nan'),
        (['--seconds', '-2'], 'seconds is -2.0; expected 4 to 3600'),
        (['--seed', '-1'], 'seed is -1'),
        (['--jobs', '0'], 'jobs is 0'),
        (['--validation', '41'], 'validation is 41; expected 2 to 40 of 48 trials'),
        (['--validation', '1'], 'validation is 1; expected 2 to 40'),
        (['--trials', 'many'], 'invalid int value'),
        (['--kinds', 'rain'], "invalid choice: 'rain'"),
        (['--kinds'], 'expected at least one argument'),
    ],
)
def test_wrong_arguments_are_one_line_and_status_2(words, text, capsys):
    with pytest.raises(SystemExit, match='2'):
        _tool().parse_args(['unused', *words])
    assert re.search(text, capsys.readouterr().err.strip().splitlines()[-1])
