import json

import numpy as np
import pytest

from mmaffect.datasets.features import FeatureWriter
from mmaffect.engine.comparison import summarise, train_once
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
    first = train_once(CONFIG, 5, str(work_dir), str(corpus), SHORT)
    assert len(first['history']['CCC/mean']) == 2
    assert first['seed'] == 5
    assert first['synthetic'] is True
    written = (work_dir / 'result.json').stat().st_mtime_ns
    assert train_once(CONFIG, 5, str(work_dir), str(corpus), SHORT) == first
    assert (work_dir / 'result.json').stat().st_mtime_ns == written

    # Other options, other features or an other seed are another run, not the continuation of this one.
    longer = train_once(CONFIG, 5, str(work_dir), str(corpus), {'train_cfg.max_epochs': 3})
    assert len(longer['history']['CCC/mean']) == 3
    index = corpus / 'features/demo/visual/features.json'
    index.write_text(json.dumps({'of': 'others'}))
    again = train_once(CONFIG, 5, str(work_dir), str(corpus), {'train_cfg.max_epochs': 3})
    assert again['config'] != longer['config']
    assert again['history'] == longer['history']  # same data, same seed
    other = train_once(CONFIG, 6, str(work_dir), str(corpus), {'train_cfg.max_epochs': 3})
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
