"""Models of a study on corrupted trials, against features that are extracted from corrupted datasets."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmaffect.datasets import Corpus
from mmaffect.engine.extraction import extract_features, load_backbones
from mmaffect.engine.running import build_model, load_config
from mmaffect.errors import ConfigError
from mmaffect.study import corrupted
from mmaffect.study.corrupted import MAIN, check_fusions, write_robustness
from mmaffect.study.design import StudySettings
from mmaffect.study.extras import read_robustness
from mmaffect.study.material import ENCODERS, Places, encoder_config, extract
from mmaffect.study.runs import measure, run_config, train_run
from mmaffect.study.statistics import mean_ccc
from mmaffect.study.table import StudyTable
from tests.corpora import write_corpus

TRIALS = [
    ('a1', 'train', 60, True),
    ('a2', 'train', 70, True),
    ('b1', 'val', 120, True),
    ('b2', 'val', 40, True),
    ('b3', 'val', 61, False),
]
SETTINGS = StudySettings(weak=(0.0, 0.4), fusions=('audio', 'concat'), seeds=(0, 5), epochs=2, encoder_epochs=2)
CHOICE = {'corruptions': ['VoiceSwap', 'FaceDropout'], 'severities': [2, 5]}


def write_encoders(places):
    """Weights as they are drawn, but for those of sound, whose features would hardly differ from frame to frame."""
    for number, modality in enumerate(ENCODERS):
        torch.manual_seed(number)
        model = build_model(load_config(encoder_config(modality)))
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.startswith('audio.backbone'):
                    parameter.copy_(torch.rand_like(parameter) - 0.45)
        folder = places.encoder(modality)
        folder.mkdir(parents=True)
        torch.save({'state_dict': model.state_dict(), 'meta': {}}, folder / 'epoch_2.pth')


def encoder_path(places, modality):
    return str(places.encoder(modality) / f'epoch_{SETTINGS.encoder_epochs}.pth')


@pytest.fixture(scope='module')
def study(tmp_path_factory):
    """Two corpora of the same trials, encoders, and the runs of two fusions."""
    root = tmp_path_factory.mktemp('study')
    places = Places(root / 'data', root / 'work', root / 'none')
    write_encoders(places)
    records, corpora = [], {}
    for weak in SETTINGS.weak:
        decoupled = {
            name: ['normal'] * (frames // 2) + ['silence'] * (frames - frames // 2) for name, _, frames, _ in TRIALS
        }
        normal = {name: ['normal'] * frames for name, _, frames, _ in TRIALS}
        corpora[weak] = str(write_corpus(places.corpus(weak), TRIALS, conditions=decoupled if weak else normal))
        for modality in ENCODERS:
            extract(modality, encoder_path(places, modality), corpora[weak])
        for fusion in SETTINGS.fusions:
            for seed in SETTINGS.seeds[: 1 if fusion == 'audio' else 2]:
                work_dir = str(places.run(weak, fusion, seed))
                records.append(train_run(weak, fusion, seed, corpora[weak], work_dir, SETTINGS))
    return places, corpora, StudyTable.from_records(records)


@pytest.fixture
def here(monkeypatch):
    """Trials that were measured, in this process."""
    done = []

    def run(function, tasks, jobs, preload):
        for number, task in enumerate(tasks):
            done.append(task[1])
            yield number, function(*task)

    monkeypatch.setattr(corrupted, 'run_in_processes', run)
    return done


def rows_of(path):
    with open(path, newline='') as file:
        return {
            (float(row['weak']), row['fusion'], int(row['seed']), row['corruption'], int(row['severity'])): row
            for row in csv.DictReader(file)
        }


def ccc_of(table, weak, fusion, seed):
    return [float(mean_ccc(table.moments(weak, fusion, seeds=[seed]), one)[0]) for one in ('valence', 'arousal')]


def figures(row):
    return [float(row[name]) for name in ('valence', 'arousal')]


@pytest.fixture(scope='module')
def rows(study, tmp_path_factory):
    """Measured in processes."""
    places, corpora, table = study
    path = write_robustness(table, corpora, places, SETTINGS, tmp_path_factory.mktemp('table'), 2, **CHOICE)
    return path, rows_of(path)


def test_clean_rows_are_those_of_the_table_and_nothing_that_was_run_is_missing(study, rows):
    _, _, table = study
    path, found = rows
    conditions = [('clean', 0), *((name, severity) for name in CHOICE['corruptions'] for severity in (2, 5))]
    runs = [(w, *run) for w in (0.0, 0.4) for run in (('audio', 0), ('concat', 0), ('concat', 5))]
    assert list(found) == [(*run, *condition) for run in runs for condition in conditions]
    for weak, fusion, seed in runs[:3]:
        row = found[weak, fusion, seed, 'clean', 0]
        assert figures(row) == pytest.approx(ccc_of(table, weak, fusion, seed), abs=1e-4)
        assert float(row['mean']) == pytest.approx(np.mean(figures(row)), abs=1e-4)
    read = read_robustness(path.parent)
    assert read.fusions(0.4) == ['audio', 'concat']
    assert read.of(0.4, 'concat', 'FaceDropout', 5) == pytest.approx(
        [float(found[0.4, 'concat', seed, 'FaceDropout', 5]['mean']) for seed in (0, 5)]
    )


def test_a_corrupted_row_is_that_of_features_of_a_corrupted_dataset(study, rows, tmp_path):
    places, corpora, _ = study
    _, found = rows
    for corruption, modality in (('VoiceSwap', 'audio'), ('FaceDropout', 'visual')):
        name = f'other_{corruption}'
        cfg = load_config(encoder_config(modality), data_root=corpora[0.0])
        model = build_model(cfg)
        load_backbones(model, encoder_path(places, modality))
        dataset = {**cfg.val_dataloader.dataset, 'corruptions': [dict(type=corruption, severity=5)]}
        extract_features(model, dataset, name, {'of': corruption})
        for weak, fusion, seed in ((0.0, 'concat', 5), (0.4, 'concat', 0), (0.4, 'audio', 0)):
            work_dir = places.run(weak, fusion, seed)
            cfg = run_config(weak, fusion, seed, corpora[0.0], str(tmp_path), SETTINGS)
            if modality in cfg.val_dataloader.dataset.features:
                cfg.val_dataloader.dataset.features[modality] = f'{name}/{modality}'
            run = {'weak': 0.0, 'fusion': fusion, 'seed': 0, 'parameters': 1, 'epochs': 1, 'seconds': 1}
            table = StudyTable.from_records([run | measure(cfg, work_dir / 'epoch_2.pth')])
            row = found[weak, fusion, seed, corruption, 5]
            assert figures(row) == pytest.approx(ccc_of(table, 0.0, fusion, 0), abs=1e-4)
            clean = found[weak, fusion, seed, 'clean', 0]
            # What a model does not take does not change it.
            assert (figures(row) == figures(clean)) == (fusion not in ('concat', modality))


def test_what_is_done_of_a_trial_is_kept_until_something_changes(study, rows, here, tmp_path):
    places, corpora, table = study
    text = rows[0].read_text()

    def again(**more):
        here.clear()
        path = write_robustness(table, corpora, places, SETTINGS, tmp_path, 1, **{**CHOICE, **more})
        return path.read_text(), list(here)

    assert again() == (text, [])
    # Stopped before one trial, and within another.
    kept = places.work_dir / 'robustness'
    (kept / 'b1.json').unlink()
    (kept / 'b3.json').write_text('{"half')
    assert again() == (text, ['b1', 'b3'])
    only, done = again(fusions=('concat',), seeds=1, severities=[5])
    assert done == []
    lines = [line for line in text.splitlines() if ',concat,0,' in line and line.split(',')[4] != '2']
    assert only.splitlines()[1:] == lines
    # Another model in the place of one: it alone is measured, everything else is kept.
    found = json.loads((kept / 'b2.json').read_text())
    checkpoint = places.run(0.4, 'concat', 5) / 'epoch_2.pth'
    before = checkpoint.read_bytes()
    weights = torch.load(checkpoint, weights_only=False)
    weights['state_dict'] = {key: 0.5 * value for key, value in weights['state_dict'].items()}
    torch.save(weights, checkpoint)
    try:
        changed, done = again()
    finally:
        checkpoint.write_bytes(before)
    assert done == ['b1', 'b2', 'b3']
    new = json.loads((kept / 'b2.json').read_text())
    assert len(new) == len(found) + 1
    assert {key: new[key] for key in found} == found
    differ = [a.split(',')[:3] for a, b in zip(changed.splitlines(), text.splitlines(), strict=True) if a != b]
    assert differ == [['0.4', 'concat', '5']] * 5


def test_what_was_not_run_is_left_out(study, here, tmp_path):
    places, corpora, table = study
    arguments = corpora, places, SETTINGS, tmp_path, 1
    assert write_robustness(table, *arguments, fusions=('lfan',)) is None
    assert write_robustness(table, corpora, places, replace(SETTINGS, batch_size=8), tmp_path, 1) is None
    assert write_robustness(StudyTable(), *arguments) is None
    assert here == []
    assert not list(Path(tmp_path).iterdir())
    assert check_fusions(MAIN) == MAIN
    for names in (('conkat',), ('concat', 'concat')):
        with pytest.raises(ConfigError, match=r'expected one of audio, visual, concat, .*, each once'):
            check_fusions(names)


def test_corpora_are_as_the_test_says(study):
    """Else nothing above would be told from its opposite."""
    _, corpora, _ = study
    features = [np.load(Path(corpora[0.0], 'features/demo', one, 'b1.npy')) for one in ENCODERS]
    assert all(array.std(0).max() > 1e-3 for array in features)
    assert Corpus(corpora[0.0]).split('val') == ['b1', 'b2', 'b3']
