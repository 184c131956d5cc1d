import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmaffect.datasets.corpus import Corpus
from mmaffect.datasets.features import FeatureWriter
from mmaffect.engine import cross_validation
from mmaffect.engine.cross_validation import (
    collect_folds,
    describe_fold,
    fold_configs,
    fold_figures,
    train_folds,
    use_one_seed,
)
from mmaffect.engine.cross_validation_report import cross_validation_report, identity_notes, plain_json
from mmaffect.engine.fold_prediction import best_folds, check_prediction
from mmaffect.engine.running import load_config
from mmaffect.errors import ConfigError, CorpusError
from tests.corpora import write_corpus

TRIALS = [
    *((f't{n}', 'train', 40 + 5 * n, True) for n in range(6)),
    ('v1', 'val', 60, True),
    ('v2', 'val', 45, True),
    ('x1', 'test', 50, True),
]
CONFIG = 'configs/comparison/concat_demo.py'


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
    """Six training trials, t2 and t3 of one person, with features; nobody else is known."""
    root = write_corpus(tmp_path_factory.mktemp('data') / 'corpus', TRIALS, subjects={'t2': 'p', 't3': 'p'})
    for modality in ('visual', 'audio'):
        writer = FeatureWriter(root / f'features/demo/{modality}', {'of': modality})
        for n, (trial, _, frames, _) in enumerate(TRIALS):
            writer.write(trial, np.random.default_rng(n).normal(size=(frames, 64)).astype(np.float32))
    return root


@pytest.fixture
def load(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])

    def load(epochs=1, **options):
        return load_config(
            CONFIG,
            data_root=str(corpus),
            work_dir=str(tmp_path / 'work'),
            options={'train_cfg.max_epochs': epochs, **options},
        )

    return load


def interrupt(monkeypatch, work_dir, epoch=0):
    """Have the training in a folder interrupted when it begins an epoch."""

    class Interrupt(Hook):
        def before_train_epoch(self, runner):
            if runner.epoch == epoch:
                raise KeyboardInterrupt

    train = Runner.train

    def interrupted(runner):
        if runner.work_dir == str(work_dir):
            runner.register_hook(Interrupt())
        return train(runner)

    monkeypatch.setattr(Runner, 'train', interrupted)


def test_an_interrupted_fold_continues_and_finished_ones_stay(corpus, load, tmp_path, monkeypatch):
    folds = fold_configs(load(epochs=2), [0, 3, 5])
    work = tmp_path / 'work'
    lines = []
    with monkeypatch.context() as patch:
        interrupt(patch, work / 'fold_3', epoch=1)
        with pytest.raises(KeyboardInterrupt):
            train_folds(Corpus(corpus), folds, tell=lines.append)
    assert [path.parent.name for path in sorted(work.glob('*/result.json'))] == ['fold_0']
    first = (work / 'fold_0/result.json').stat().st_mtime_ns

    lines.clear()
    done = train_folds(Corpus(corpus), folds, tell=lines.append)
    assert list(done) == [0, 3, 5]
    assert (work / 'fold_0/result.json').stat().st_mtime_ns == first
    assert lines[0].startswith('fold 0 (official split): CCC valence')
    assert not any('training, log in' in line for line in lines if 'fold 0' in line)
    assert 'Logging error' not in ''.join(path.read_text() for path in work.glob('*/output.log'))

    # What was interrupted after its first epoch is what it is without an interruption.
    whole = load(epochs=2)
    whole.work_dir = str(tmp_path / 'whole')
    again = train_folds(Corpus(corpus), fold_configs(whole, [3]), tell=lines.append)
    run = done[3]['runs'][0]
    assert run['epochs'] == [1, 2]
    assert run['history'] == again[3]['runs'][0]['history']
    assert run['config'] == again[3]['runs'][0]['config']  # whatever the work dir
    assert (work / 'fold_3' / run['best_checkpoint']).is_file()


def test_a_fold_that_is_finished_with_another_config_is_not_thrown_away(corpus, load, tmp_path):
    train_folds(Corpus(corpus), fold_configs(load(), [4]), tell=[].append)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / 'work').rglob('*.pth')}
    assert files
    other = fold_configs(load(**{'model.head.dropout': 0.1}), [3, 4])
    lines = []
    assert collect_folds(Corpus(corpus), other, lines.append) == {}
    assert len(lines) == 1
    assert lines[0].startswith('fold 4 (not comparable with the official split): finished, but with another config (')
    assert 'model.head.dropout = 0.2, now 0.1' in lines[0]
    with pytest.raises(ConfigError, match=r'fold_4: has the finished run .*dropout.*another --work-dir or delete'):
        train_folds(Corpus(corpus), other, tell=[].append)
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert not (tmp_path / 'work/fold_3').exists()  # told before anything is trained


def test_a_fold_that_another_process_trains_is_left_to_it(corpus, load, tmp_path):
    folds = fold_configs(load(), [1, 2])
    lines = []
    (tmp_path / 'work/fold_1').mkdir(parents=True)
    with FileLock(tmp_path / 'work/fold_1/.lock'):
        done = train_folds(Corpus(corpus), folds, tell=lines.append)
    assert list(done) == [2]
    busy = [line for line in lines if 'another process trains it' in line]
    assert [line.startswith('fold 1') for line in busy] == [True, True]
    assert [line for line in lines if line.startswith('fold 1') and 'training, log in' in line] == []
    assert not (tmp_path / 'work/fold_1/result.json').exists()
    assert list(train_folds(Corpus(corpus), folds, tell=lines.append)) == [1, 2]


def test_a_fold_that_another_process_finishes_meanwhile_is_taken_and_not_timed(corpus, load, monkeypatch):
    folds = fold_configs(load(), [1, 2, 3])
    train = cross_validation.train_or_keep

    def overtaken(cfg, **arguments):
        if cfg.work_dir.endswith('fold_1'):
            train(cfg)  # by another process
        return train(cfg, **arguments)

    monkeypatch.setattr(cross_validation, 'train_or_keep', overtaken)
    lines = []
    assert list(train_folds(Corpus(corpus), folds, tell=lines.append)) == [1, 2, 3]
    assert [line for line in lines if line.startswith('fold 1') and 'training, log in' in line] == []
    assert [line.endswith('(1 of 3 folds)') for line in lines if line.startswith('fold 1')] == [True]
    assert [line for line in lines if '(2 of 3 folds, about' in line]


def test_a_process_with_something_to_predict_waits_for_the_others(corpus, load, monkeypatch):
    folds = fold_configs(load(), [1])
    train = cross_validation.train_or_keep
    waits = []

    def busy(cfg, wait=True, tell=None):
        waits.append(wait)
        return train(cfg, tell=tell) if wait else None

    monkeypatch.setattr(cross_validation, 'train_or_keep', busy)
    lines = []
    assert list(train_folds(Corpus(corpus), folds, tell=lines.append, wait=True)) == [1]
    assert waits == [False, False, True]
    assert 'another process trains it; waiting for it' in lines[1]


def test_a_seed_is_drawn_once_for_all_calls(load, tmp_path):
    seeds = set()
    for _ in range(2):
        folds = fold_configs(load(**{'randomness.seed': None}), [0, 4])
        use_one_seed(tmp_path / 'work', folds)
        seeds |= {cfg.randomness.seed for cfgs in folds.values() for cfg in cfgs}
    assert len(seeds) == 1
    assert seeds.pop() in range(2**31)
    folds = fold_configs(load(**{'randomness.seed': 5}), [0])
    use_one_seed(tmp_path / 'work', folds)
    assert folds[0][0].randomness.seed == 5


def test_configs_of_folds(load, tmp_path):
    folds = fold_configs(load(), [0, 5], ['valence', 'arousal'])
    assert {fold: [cfg.work_dir for cfg in cfgs] for fold, cfgs in folds.items()} == {
        fold: [str(tmp_path / f'work/fold_{fold}/{target}') for target in ('valence', 'arousal')] for fold in (0, 5)
    }
    last = folds[5][1]
    assert (last.train_dataloader.dataset.fold, last.val_dataloader.dataset.fold) == (5, 5)
    assert last.model.head.targets == ['arousal']
    assert folds[0][0].train_dataloader.dataset.fold == 0
    assert [cfg.work_dir for cfg in fold_configs(load(), [2])[2]] == [str(tmp_path / 'work/fold_2')]


def test_what_a_fold_is_made_of(corpus, tmp_path):
    # One trial a part, and the last part takes the sixth; the person of t2 and t3 moves the cut between them.
    sizes = {fold: describe_fold(Corpus(corpus), fold)['val'] for fold in range(6)}
    assert sizes == {0: 2, 1: 1, 2: 1, 3: 2, 4: 1, 5: 1}
    found = describe_fold(Corpus(corpus), 3)
    assert (found['train'], found['val'], found['known'], found['left_out']) == (6, 2, 2, 0)
    assert (found['shared_people'], found['shared_videos']) == ({}, {})

    few = write_corpus(tmp_path / 'few', [(f't{n}', 'train', 30, True) for n in range(3)], face_size=8)
    with pytest.raises(CorpusError, match=r'fold 0 has no trials to validate on; 3 training and 0 validation'):
        describe_fold(Corpus(few), 0)
    straddling = [('t0', 'train', 30, True), ('v0', 'val', 30, True)]
    straddling += [(f't{n}', 'train', 30, True) for n in range(1, 5)]
    root = write_corpus(
        tmp_path / 'straddling',
        straddling,
        face_size=8,
        subjects={'t0': 'p', 'v0': 'p'},
        videos={'t4': 'two.mp4', 't3': 'two.mp4'},
    )
    official, first, fifth = (describe_fold(Corpus(root), fold) for fold in (0, 1, 5))
    assert official['shared_people'] == {'p': ('t0', 'v0')}
    # Nobody knows who is in the video, but it is the same person.
    assert (first['shared_people'], first['shared_videos'], first['val']) == ({}, {}, 2)
    assert (fifth['left_out'], fifth['train'], fifth['shared_people']) == (1, 4, {})
    notes = ' '.join(identity_notes([official, first, fifth]))
    assert 'Fold 0: person p is in training (trial t0) and in validation (trial v0).' in notes
    assert 'nobody known is in both' in notes
    unknown = identity_notes([{**first, 'known': 0, 'shared_videos': {'two.mp4': ('t3', 't4')}}])
    assert 'Fold 1: video two.mp4 is in training (trial t3) and in validation (trial t4).' in unknown
    assert 'Fold 5: 1 official validation trials are left out' in notes
    assert 'People, known for 33% of the trials, are in training or in validation of folds 1, 5' in notes


def test_figures_of_one_model_a_target_by_hand():
    valence = {'history': {'CCC/valence': [0.1, 0.5, 0.3], 'CCC/mean': [0.1, 0.5, 0.3], 'PCC/valence': [1, 1, 1]}}
    arousal = {'history': {'CCC/arousal': [0.7, math.nan], 'CCC/mean': [0.7, math.nan]}}
    found = fold_figures([valence, arousal])
    assert found['best/CCC/mean'] == pytest.approx((0.5 + 0.7) / 2)
    assert (found['best/CCC/valence'], found['best/CCC/arousal'], found['last/CCC/valence']) == (0.5, 0.7, 0.3)
    assert math.isnan(found['last/CCC/mean'])


def test_best_folds():
    figures = {fold: {'best/CCC/mean': value} for fold, value in enumerate((0.2, math.nan, 0.6, 0.2, -0.1))}
    assert best_folds(figures) == [2, 0, 3, 4]
    assert best_folds(figures, 2) == [2, 0]
    with pytest.raises(ConfigError, match='--best-folds 5: only 4 of 5 folds have a CCC'):
        best_folds(figures, 5)


def row(fold, values, **changes):
    figures = dict(zip(('best/CCC/valence', 'best/CCC/mean', 'last/CCC/mean'), values, strict=True))
    name = 'official' if fold == 0 else 'other'
    return {
        'fold': fold, 'name': name, 'train': 4, 'val': 2, 'known': 6, 'left_out': 0, 'shared_people': {},
        'shared_videos': {}, 'corpus': 'toy', 'seed': 7, 'synthetic': True, 'epochs': [3], 'figures': figures,
        **changes,
    }  # fmt: skip


def test_report_by_hand():
    text = cross_validation_report([row(0, (0.25, 0.5, 0.5)), row(2, (0.75, 0.0, 0.5))])
    lines = text.splitlines()
    assert 'CCC on toy, seed 7' in lines[0]
    assert 'chosen on the trials that it is measured on' in lines[0]
    table = [line for line in lines if line.startswith('|')]
    assert table[0].endswith('| best epoch | valence | mean | mean after the last epoch |')
    assert table[2] == '| official | 4, 2 | 3 | 0.250 | 0.500 | 0.500 |'
    assert table[4].endswith('of 2 folds | | | 0.500 ± 0.354 | 0.250 ± 0.354 | 0.500 ± 0.000 |')
    assert {line.count('|') for line in table} == {7}
    assert 'not comparable with those of the official split' in text
    assert 'People are in training or in validation of any fold, nobody is in both.' in text
    assert 'no accuracy on people' in lines[-1]

    assert 'Not finished' not in text

    assert 'Not finished with this config: fold 1, 5.' in cross_validation_report([row(0, (0.25, 0.5, 0.5))], [1, 5])

    alone = cross_validation_report([row(0, (0.25, 0.5, 0.5), known=0, synthetic=False)])
    assert '±' not in alone
    assert 'not comparable' not in alone
    assert 'The corpus does not tell who is in its trials' in alone
    assert 'no accuracy' not in alone


def test_what_cannot_be_predicted_is_told_before_training(load, tmp_path):
    cfgs = fold_configs(load(), [0])[0]
    assert check_prediction(cfgs) == ['x1']
    with pytest.raises(ConfigError, match=r"holds valence and arousal, the models predict \['valence'\]"):
        check_prediction(fold_configs(load(), [0], ['valence'])[0])
    with pytest.raises(ConfigError, match=r"save_best = 'CCC/valence', .* must be 'CCC/mean'"):
        check_prediction(fold_configs(load(**{'default_hooks.checkpoint.save_best': 'CCC/valence'}), [0])[0])
    # The best weights are those by the mean CCC already if the hook is left as it is.
    for hooks in ({'type': 'CheckpointHook'}, None):
        cfg = fold_configs(load(), [0])[0][0]
        cfg.default_hooks.pop('checkpoint')
        if hooks:
            cfg.default_hooks.checkpoint = hooks
        assert check_prediction([cfg]) == ['x1']
    cfg.default_hooks.checkpoint = {'type': 'mmengine.CheckpointHook'}
    with pytest.raises(ConfigError, match='save_best = None'):
        check_prediction([cfg])
    cfg = fold_configs(load(), [0])[0][0]
    features = tmp_path / 'features'
    shutil.copytree(cfg.test_dataloader.dataset.data_root + '/features/demo/visual', features)
    cfg.test_dataloader.dataset.features.visual = str(features)
    assert check_prediction([cfg]) == ['x1']
    (features / 'x1.npy').unlink()
    with pytest.raises(CorpusError, match=r'x1\.npy: missing'):
        check_prediction([cfg])
    root = write_corpus(tmp_path / 'corpus', TRIALS[:-1], face_size=8)
    cfgs[0].test_dataloader.dataset.data_root = str(root)
    with pytest.raises(CorpusError, match='has no test trials to predict'):
        check_prediction(cfgs)


def test_a_config_without_head_or_validation_is_one_line(load):
    cfg = load()
    del cfg.model['head']
    with pytest.raises(ConfigError, match=r'--targets arousal: the model of .*concat_demo\.py has no head'):
        fold_configs(cfg, [1], ['arousal'])
    cfg.val_dataloader = None
    with pytest.raises(ConfigError, match='has no validation'):
        fold_configs(cfg, [1])


def test_a_report_is_json_of_others():
    value = {'a': [math.nan, 1.5, (math.inf, 'x')], 2: {'b': None, 'c': True}}
    assert json.loads(json.dumps(plain_json(value), allow_nan=False)) == {
        'a': [None, 1.5, [None, 'x']],
        '2': {'b': None, 'c': True},
    }
