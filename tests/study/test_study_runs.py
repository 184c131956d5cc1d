"""Runs of a study on a toy corpus; their moments against NumPy on what TraceWriter writes."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.runner import Runner

from mmaffect.datasets import Corpus
from mmaffect.engine import training
from mmaffect.engine.running import build_runner, load_config
from mmaffect.errors import ConfigError, CorpusError
from mmaffect.study import runs
from mmaffect.study.design import StudySettings
from mmaffect.study.material import Places
from mmaffect.study.measures import gate_records, merge_shares
from mmaffect.study.progress import read_table, run_all, summary
from mmaffect.study.runs import read_record, run_config, train_run
from mmaffect.study.table import StudyTable
from tests.corpora import write_corpus
from tests.study.study_corpora import TRIALS, write_study_corpus

SETTINGS = StudySettings(weak=(0.2,), fusions=('concat', 'grjca'), seeds=(0, 1), epochs=2)


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
    return write_study_corpus(tmp_path_factory.mktemp('study') / 'w0.2')


@pytest.fixture(scope='module')
def trained(corpus, tmp_path_factory):
    """Record of a run of GRJCA, and its work dir."""
    work_dir = tmp_path_factory.mktemp('grjca')
    return train_run(0.2, 'grjca', 3, str(corpus), str(work_dir), SETTINGS), work_dir


def numbers(record):
    return {key: value for key, value in record.items() if key not in ('seconds', 'config')}


def test_moments_are_those_of_the_predictions_that_the_test_tool_writes(corpus, trained, tmp_path):
    record, work_dir = trained
    cfg = load_config(runs.FUSIONS['grjca'].path, data_root=str(corpus), work_dir=str(tmp_path / 'test'))
    cfg.test_evaluator = [{'type': 'TraceWriter', 'out_dir': str(tmp_path / 'traces'), 'plot': False}]
    cfg.load_from = str(work_dir / 'epoch_2.pth')
    cfg.log_level = 'WARNING'
    build_runner(cfg, loaders=('test_dataloader',)).test()

    expected = {}
    data = Corpus(corpus)
    for trial, _, frames, _ in TRIALS[2:]:
        with open(tmp_path / 'traces' / f'{trial}.csv', newline='') as file:
            rows = list(csv.DictReader(line for line in file if not line.startswith('#')))
        words = np.array(data[trial].info.conditions)[data[trial].conditions]
        assert len(rows) == frames
        for word in set(words):
            own = [row for row, kind in zip(rows, words, strict=True) if kind == word and row['annotated_valence']]
            own = [row for row in own if row['annotated_valence'] != 'nan']
            moments = []
            for target in ('valence', 'arousal'):
                p, t = (np.array([float(row[name]) for row in own]) for name in (target, f'annotated_{target}'))
                moments.append([p.mean(), p.var(), t.mean(), t.var(), np.cov(p, t, ddof=0)[0, 1]])
            expected[trial, word] = (len(own), moments)
    found = {(row['trial'], row['condition']): row for row in record['trials']}
    assert found.keys() == expected.keys()
    for key, (frames, moments) in expected.items():
        assert found[key]['frames'] == frames
        np.testing.assert_allclose([found[key]['valence'], found[key]['arousal']], moments, atol=2e-6)


def test_gates_are_those_of_the_model_averaged_over_windows(corpus, trained, monkeypatch):
    record, work_dir = trained
    kept = {}

    def keep(shares, conditions):
        kept.update(shares=shares, conditions=conditions)
        return gate_records(shares, conditions)

    monkeypatch.setattr(runs, 'gate_records', keep)
    cfg = run_config(0.2, 'grjca', 3, str(corpus), str(work_dir), SETTINGS)
    again = runs.measure(cfg, work_dir / 'epoch_2.pth')
    assert json.dumps(again) == json.dumps({key: record[key] for key in again})  # NaN is not equal to itself
    names = [f'{one}/{gate}_{k}' for one in ('audio', 'visual') for gate in ('iteration', 'stage') for k in (1, 2)]
    assert sorted({row['gate'] for row in record['gates']}) == names
    assert {row['condition'] for row in record['gates']} == {'any', 'silence', 'frozen_face'}

    # By hand: windows of 100 frames with hop 50 of the first validation trial, one at a time.
    model = runs.build_model(cfg)
    model.load_state_dict(torch.load(work_dir / 'epoch_2.pth', weights_only=False)['state_dict'])
    model.eval()
    features = {one: np.load(corpus / f'features/demo/{one}/b1.npy') for one in ('audio', 'visual')}
    total, count = np.zeros(170), np.zeros(170)
    for start in (0, 50, 70):
        own = {one: torch.from_numpy(array[None, start : start + 100]) for one, array in features.items()}
        with torch.no_grad():
            streams = [getattr(model, one)(own[one]) for one in ('audio', 'visual')]
            gates = model.neck(*streams, return_gates=True)[1]
        total[start : start + 100] += gates.audio[1][0, :, 1].numpy()
        count[start : start + 100] += 1
    np.testing.assert_allclose(kept['shares']['b1']['audio/iteration_2'], total / count, atol=1e-5)
    assert np.isnan(kept['shares']['b3']['audio/iteration_1']).all()  # has no sound
    assert np.isfinite(kept['shares']['b3']['visual/iteration_1']).all()


def test_shares_of_windows_are_averaged_where_they_are_known():
    nan = float('nan')
    windows = [
        {'trial': 'a', 'start': 0, 'stride': 1, 'shares': {'g': np.array([0.0, 1.0, nan])}},
        {'trial': 'a', 'start': 1, 'stride': 1, 'shares': {'g': np.array([0.5, nan, 0.25])}},
    ]
    np.testing.assert_array_equal(merge_shares(windows, {'a': 5})['a']['g'], [0.0, 0.75, nan, 0.25, nan])


def test_gates_of_one_choice_tell_nothing_and_unattended_features_are_expected_to_get_more():
    words = {'a': np.array(['normal', 'normal', 'silence', 'silence'])}
    share = np.array([0.1, 0.2, 0.7, 0.9])
    shares = {'a': {'audio/stage_0': share, 'audio/stage_1': 1 - share, 'audio/stage_2': np.ones(4)}}
    found = {(row['gate'], row['condition']): row['auroc'] for row in gate_records(shares, words)}
    assert set(found) == {(f'audio/stage_{k}', word) for k in (0, 1) for word in ('any', 'silence')}
    assert set(found.values()) == {1.0}


def test_a_repeated_run_is_the_same_bit_for_bit_and_a_finished_one_is_kept(corpus, trained, tmp_path, monkeypatch):
    record, work_dir = trained
    again = train_run(0.2, 'grjca', 3, str(corpus), str(tmp_path / 'again'), SETTINGS)
    assert json.dumps(numbers(again)) == json.dumps(numbers(record))
    other = train_run(0.2, 'grjca', 4, str(corpus), str(tmp_path / 'other'), SETTINGS)
    assert numbers(other)['trials'] != record['trials']

    def train(*_):
        raise AssertionError('trained again')

    monkeypatch.setattr(training, '_train', train)
    assert json.dumps(train_run(0.2, 'grjca', 3, str(corpus), str(work_dir), SETTINGS)) == json.dumps(record)
    # Killed between training and record: only measured again.
    (tmp_path / 'again/record.json').unlink()
    found = train_run(0.2, 'grjca', 3, str(corpus), str(tmp_path / 'again'), SETTINGS)
    assert json.dumps(found) == json.dumps(again)
    with pytest.raises(ConfigError, match='has the finished run of another config'):
        train_run(0.2, 'grjca', 3, str(corpus), str(work_dir), replace(SETTINGS, batch_size=8))


def test_a_run_that_was_killed_is_trained_again_to_the_same_record(corpus, trained, tmp_path, monkeypatch):
    class KilledError(Exception):
        pass

    def save(*_, **__):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(Runner, 'save_checkpoint', save)
        with pytest.raises(KilledError):
            train_run(0.2, 'grjca', 3, str(corpus), str(tmp_path), SETTINGS)
    assert not (tmp_path / 'result.json').exists()
    again = train_run(0.2, 'grjca', 3, str(corpus), str(tmp_path), SETTINGS)
    assert json.dumps(numbers(again)) == json.dumps(numbers(trained[0]))


def test_a_damaged_record_is_none_and_a_corpus_without_conditions_an_error(corpus, trained, tmp_path):
    cfg = run_config(0.2, 'grjca', 3, str(corpus), str(tmp_path), SETTINGS)
    for content in ('', '[]', '{"config": "other"}'):
        (tmp_path / 'record.json').write_text(content)
        assert read_record(cfg) is None
    bare = write_corpus(tmp_path / 'bare', TRIALS)
    (bare / 'features').symlink_to(corpus / 'features')
    cfg = run_config(0.2, 'grjca', 3, str(bare), str(tmp_path), SETTINGS)
    with pytest.raises(CorpusError, match='bare: tells no conditions of its frames'):
        runs.measure(cfg, trained[1] / 'epoch_2.pth')


def test_a_study_goes_on_where_it_stopped_and_a_failed_run_does_not_stop_it(corpus, tmp_path):
    places = Places(corpus.parent, tmp_path / 'work', tmp_path)
    corpora, folder = {0.2: str(corpus)}, tmp_path / 'table'
    train_run(0.2, 'concat', 0, str(corpus), str(places.run(0.2, 'concat', 0)), SETTINGS)
    broken = places.run(0.2, 'grjca', 1)
    broken.mkdir(parents=True)
    (broken / 'epoch_2.pth').write_bytes(b'of something else')
    table = read_table(folder)
    failed = run_all(corpora, places, SETTINGS, table, folder, 1)
    assert len(failed) == 1
    assert failed[0].startswith('w=0.2, grjca, seed 1: ConfigError: ')
    assert 'epoch_2.pth of another tool' in failed[0]
    found = StudyTable.load(folder)
    assert {name: found.seeds(0.2, name) for name in found.fusions(0.2)} == {'concat': (0, 1), 'grjca': (0,)}
    written = {path.name: path.read_bytes() for path in folder.iterdir()}

    # Begun again, finished runs are kept, to the byte.
    times = {path: path.stat().st_mtime_ns for path in places.work_dir.rglob('record.json')}
    assert len(times) == 3
    (broken / 'epoch_2.pth').unlink()
    assert run_all(corpora, places, replace(SETTINGS, seeds=(0,)), read_table(folder), folder, 1) == []
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == written
    text = summary(found, SETTINGS)
    assert text.startswith('w = 0.2: mean CCC of valence and arousal')
    assert [line.split('  ')[0] for line in text.splitlines()[1:]] == ['fusion', 'concatenation', 'GRJCA']


def test_runs_of_another_study_do_not_get_into_a_table(corpus, trained, tmp_path):
    record = json.loads(Path(trained[1], 'record.json').read_text())
    places = Places(corpus.parent, tmp_path, tmp_path)
    other = {**record, 'fusion': 'concat', 'trials': record['trials'][1:]}
    settings = replace(SETTINGS, fusions=('grjca',), seeds=(3,))
    run_dir = places.run(0.2, 'grjca', 3)
    run_dir.mkdir(parents=True)
    (run_dir / 'record.json').write_text(json.dumps(record))
    with pytest.raises(ConfigError, match=r'the table is of another study: give another --table'):
        run_all({0.2: str(corpus)}, places, settings, StudyTable.from_records([other]), tmp_path / 'table', 1)
