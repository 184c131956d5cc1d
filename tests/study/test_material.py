import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mmaffect.datasets import Corpus
from mmaffect.demo.plan import Settings
from mmaffect.errors import CorpusError
from mmaffect.study import material
from mmaffect.study.design import StudySettings
from mmaffect.study.material import Places, extract, make_encoder_corpus, make_study_corpus, train_encoder
from tests.corpora import write_corpus
from tests.study.study_corpora import TRIALS, write_study_corpus

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp('encoders') / 'corpus', TRIALS)


@pytest.fixture(scope='module')
def encoder(corpus, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('work') / 'audio'
    return Path(train_encoder('audio', str(corpus), str(work_dir), 2))


def test_an_encoder_is_trained_once_and_its_last_epoch_is_taken(corpus, encoder, capsys):
    assert encoder.name == 'epoch_2.pth'
    assert json.loads((encoder.parent / 'result.json').read_text())['epochs'] == [1, 2]
    time = encoder.stat().st_mtime_ns
    threads = torch.get_num_threads()
    assert train_encoder('audio', str(corpus), str(encoder.parent), 2) == str(encoder)
    assert encoder.stat().st_mtime_ns == time
    assert torch.get_num_threads() == threads
    assert capsys.readouterr().out == ''


def test_an_encoder_of_the_training_tool_is_taken(tmp_path):
    (tmp_path / 'epoch_12.pth').write_bytes(b'weights')
    assert train_encoder('visual', 'no corpus', str(tmp_path), 12) == str(tmp_path / 'epoch_12.pth')
    with pytest.raises(CorpusError, match='no corpus: no such folder'):
        train_encoder('visual', 'no corpus', str(tmp_path), 11)


def test_features_are_those_of_the_extraction_tool(corpus, encoder, monkeypatch):
    folder = Path(extract('audio', str(encoder), str(corpus)))
    assert folder == corpus / 'features/demo/audio'
    times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert extract('audio', str(encoder), str(corpus)) == str(folder)
    assert {path: path.stat().st_mtime_ns for path in times} == times

    monkeypatch.chdir(ROOT)
    tool = 'tools/extract_features.py'
    words = [tool, 'configs/audio_demo.py', encoder, corpus, '--name', 'tool', '--workers', 0]
    monkeypatch.setattr(sys, 'argv', [*map(str, words)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(tool, run_name='__main__')
    assert end.value.code == 0
    other = corpus / 'features/tool/audio'
    assert (other / 'features.json').read_text() == (folder / 'features.json').read_text()
    for trial, *_ in TRIALS:
        np.testing.assert_allclose(np.load(folder / f'{trial}.npy'), np.load(other / f'{trial}.npy'), atol=1e-5)


def test_corpora_of_all_shares_have_the_same_people(tmp_path, monkeypatch):
    made = []

    def prepare(raw, root, jobs):
        made.append((raw.name, root.name, jobs))
        write_study_corpus(root)

    monkeypatch.setattr(material, 'make_demo_corpus', lambda root, drawn, jobs: made.append((root, drawn, jobs)))
    monkeypatch.setattr(material, 'prepare', prepare)
    places = Places(tmp_path / 'data', tmp_path / 'work', tmp_path / 'demo')
    settings = StudySettings(trials=12, seconds=5.0, validation=4)
    assert make_study_corpus(places, 0.0, settings, 3) == tmp_path / 'data/w0.0'
    assert make_study_corpus(places, 0.4, settings, 3) == tmp_path / 'data/w0.4'
    assert made == [
        (tmp_path / 'data/raw_w0.0', Settings(12, 5.0, 0.0, settings.corpus_seed, validation=4), 3),
        ('raw_w0.0', 'w0.0', 3),
        (tmp_path / 'data/raw_w0.4', Settings(12, 5.0, 0.4, settings.corpus_seed, validation=4), 3),
        ('raw_w0.4', 'w0.4', 3),
    ]
    monkeypatch.setattr(material, 'prepare', lambda raw, root, jobs: write_corpus(root, TRIALS))
    with pytest.raises(CorpusError, match=r'w0\.2: tells no conditions of its frames; delete the folder'):
        make_study_corpus(places, 0.2, settings, 3)


def test_the_corpus_of_the_encoders_has_other_people_and_is_taken_where_it_is(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(material, 'make_demo_corpus', lambda root, drawn, jobs: made.append((root.name, drawn)))
    monkeypatch.setattr(material, 'prepare', lambda raw, root, jobs: write_corpus(root, TRIALS))
    places = Places(tmp_path, tmp_path, tmp_path / 'demo')
    settings = StudySettings()
    assert make_encoder_corpus(places, settings, 1) == tmp_path / 'demo'
    assert made == [('demo_raw', Settings())]
    assert Settings().seed != settings.corpus_seed
    assert len(Corpus(make_encoder_corpus(places, settings, 1))) == len(TRIALS)
    assert len(made) == 1
