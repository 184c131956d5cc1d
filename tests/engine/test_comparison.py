import json

import numpy as np
import pytest

from mmaffect.datasets.features import FeatureWriter
from mmaffect.engine.comparison import comparison_table, summarise, train_once
from tests.corpora import write_corpus

TRIALS = [('a1', 'train', 130, True), ('a2', 'train', 60, False), ('b1', 'val', 110, True), ('b2', 'val', 40, True)]
CONFIG = 'configs/comparison/concat_demo.py'
SHORT = {'train_cfg.max_epochs': 2}


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    from pathlib import Path

    monkeypatch.chdir(Path(__file__).parents[2])
    root = write_corpus(tmp_path / 'corpus', TRIALS)
    for modality in ('visual', 'audio'):
        writer = FeatureWriter(root / f'features/demo/{modality}', {'of': modality})
        for n, (trial, _, frames, _) in enumerate(TRIALS):
            writer.write(trial, np.random.default_rng(n).normal(size=(frames, 64)).astype(np.float32))
    return root


def test_a_finished_run_is_kept_and_another_one_is_not(corpus, tmp_path):
    work_dir = tmp_path / 'runs'
    first = train_once(CONFIG, 5, str(work_dir), str(corpus), options=SHORT)
    assert len(first['history']['CCC/mean']) == 2
    assert first['seed'] == 5
    assert first['synthetic'] is True
    written = (work_dir / 'result.json').stat().st_mtime_ns
    assert train_once(CONFIG, 5, str(work_dir), str(corpus), options=SHORT) == first
    assert (work_dir / 'result.json').stat().st_mtime_ns == written

    # Other options, other features or an other seed are another run, not the continuation of this one.
    longer = train_once(CONFIG, 5, str(work_dir), str(corpus), options={'train_cfg.max_epochs': 3})
    assert len(longer['history']['CCC/mean']) == 3
    index = corpus / 'features/demo/visual/features.json'
    index.write_text(json.dumps({'of': 'others'}))
    again = train_once(CONFIG, 5, str(work_dir), str(corpus), options={'train_cfg.max_epochs': 3})
    assert again['config'] != longer['config']
    assert again['history'] == longer['history']  # same data, same seed
    other = train_once(CONFIG, 6, str(work_dir), str(corpus), options={'train_cfg.max_epochs': 3})
    assert other['history'] != longer['history']


def test_summary_by_hand():
    runs = [
        {'history': {'CCC/valence': [0.1, 0.5, 0.3], 'CCC/mean': [0.2, 0.6, 0.4], 'PCC/valence': [1, 1, 1]}},
        {'history': {'CCC/valence': [0.2, 0.1, 0.7], 'CCC/mean': [float('nan'), 0.1, 0.8]}},
    ]
    found = summarise(runs)
    assert set(found) == {'best/CCC/valence', 'last/CCC/valence', 'best/CCC/mean', 'last/CCC/mean'}
    assert found['best/CCC/valence'] == (pytest.approx(0.6), pytest.approx(np.sqrt(0.02)))
    assert found['last/CCC/mean'] == (pytest.approx(0.6), pytest.approx(np.sqrt(0.08)))
    assert np.isnan(summarise(runs[:1])['best/CCC/mean'][1])


def test_runs_that_never_had_a_ccc_and_other_targets_have_a_row():
    def run(targets, value):
        history = {f'CCC/{one}': [value, value] for one in (*targets, 'mean')}
        return {'history': history, 'parameters': 1000, 'seconds': 1.0}

    both = [run(('valence', 'arousal'), 0.25), run(('valence', 'arousal'), 0.75)]
    table = comparison_table({'a': both, 'b': [run(('valence',), 0.5)], 'c': [run(('valence',), float('nan'))]})
    lines = table.splitlines()
    assert lines[0].startswith('| config | valence | arousal | mean | mean after the last epoch | runs |')
    assert lines[2] == '| a | 0.500 ± 0.354 | 0.500 ± 0.354 | 0.500 ± 0.354 | 0.500 ± 0.354 | 2 | 1,000 | 1.00 |'
    assert lines[3] == '| b | 0.500 | – | 0.500 | 0.500 | 1 | 1,000 | 1.00 |'
    assert lines[4].startswith('| c | nan | – | nan | nan |')
    assert len({line.count('|') for line in lines}) == 1


def test_changed_features_of_others_are_another_run(corpus, tmp_path):
    for modality in ('visual', 'audio'):
        (corpus / f'features/demo/{modality}/features.json').unlink()
    first = train_once(CONFIG, 0, str(tmp_path / 'runs'), str(corpus), options=SHORT)
    path = corpus / 'features/demo/visual/a1.npy'
    np.save(path, np.load(path) + 1)
    assert train_once(CONFIG, 0, str(tmp_path / 'runs'), str(corpus), options=SHORT)['config'] != first['config']
