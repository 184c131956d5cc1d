import errno
import fcntl
import json
import os

import numpy as np
import pytest
from filelock import FileLock

from mmaffect.datasets.features import FeatureWriter
from mmaffect.engine import training
from mmaffect.engine.comparison import Comparison, comparison_table, summarise, train_once
from mmaffect.engine.run_settings import run_digest, run_settings
from mmaffect.engine.running import load_config
from mmaffect.engine.training import check_data, folder_lock, train_or_keep
from mmaffect.errors import ConfigError
from mmaffect.evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE
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

    # Other options, other features or an other seed are another run, for which nothing finished is thrown away.
    files = {path: path.stat().st_mtime_ns for path in work_dir.rglob('*') if path.suffix in ('.pth', '.json')}
    with pytest.raises(ConfigError, match=r'max_epochs = 2, now 3.*another --work-dir or delete the folder'):
        train_once(CONFIG, 5, str(work_dir), str(corpus), options={'train_cfg.max_epochs': 3})
    with pytest.raises(ConfigError, match=r'randomness\.seed = 5, now 6'):
        train_once(CONFIG, 6, str(work_dir), str(corpus), options=SHORT)
    index = corpus / 'features/demo/visual/features.json'
    index.write_text(json.dumps({'of': 'others'}))
    with pytest.raises(ConfigError, match='features demo/visual = '):
        train_once(CONFIG, 5, str(work_dir), str(corpus), options=SHORT)
    assert {path: path.stat().st_mtime_ns for path in files} == files
    again = train_once(CONFIG, 5, str(tmp_path / 'again'), str(corpus), options=SHORT)
    assert again['config'] != first['config']
    assert again['history'] == first['history']  # same data, same seed
    other = train_once(CONFIG, 6, str(tmp_path / 'other'), str(corpus), options=SHORT)
    assert other['history'] != first['history']


def test_what_cannot_change_a_result_is_the_same_run(corpus, tmp_path, monkeypatch):
    def digest(root=corpus, **options):
        return run_digest(load_config(CONFIG, data_root=str(root), work_dir=str(tmp_path), options=options or None))

    first = digest()
    for key, value in (
        ('default_hooks.logger.interval', 3),
        ('train_dataloader.num_workers', 0),
        ('train_dataloader.persistent_workers', False),
        ('log_level', 'WARNING'),
        ('env_cfg.cudnn_benchmark', True),
        ('test_dataloader.batch_size', 1),
    ):
        assert digest(**{key: value}) == first, key
    assert digest(os.path.relpath(corpus)) == first
    assert digest(**{'train_dataloader.batch_size': 3}) != first
    assert digest(**{'model.head.dropout': 0.4}) != first

    weights = tmp_path / 'start.pth'
    weights.write_bytes(b'1')
    started = digest(load_from=str(weights))
    assert started != first
    os.utime(weights, ns=(1, 1))
    assert digest(load_from=str(weights)) != started


def test_reading_features_of_others_does_not_make_another_run(corpus, tmp_path):
    for modality in ('visual', 'audio'):
        (corpus / f'features/demo/{modality}/features.json').unlink()
    cfg = load_config(CONFIG, data_root=str(corpus), work_dir=str(tmp_path))
    path = corpus / 'features/demo/visual/a1.npy'
    first, changed = run_digest(cfg), path.stat().st_mtime_ns
    os.utime(path, ns=(12345, changed))
    assert run_digest(cfg) == first
    os.utime(path, ns=(12345, changed + 1))
    assert run_digest(cfg) != first


def test_an_unfinished_run_of_another_config_is_begun_anew_and_that_of_another_tool_is_kept(corpus, tmp_path):
    cfg = load_config(CONFIG, data_root=str(corpus), work_dir=str(tmp_path / 'runs'), options=SHORT)
    lines = []
    assert train_or_keep(cfg, tell=lines.append)
    (tmp_path / 'runs/result.json').unlink()
    cfg.train_cfg.max_epochs = 1
    found = train_or_keep(cfg, tell=lines.append)
    assert found['epochs'] == [1]
    assert len(lines) == 3
    assert lines[1].startswith('begun anew')
    assert 'train_cfg.max_epochs = 2, now 1' in lines[1]
    assert not (tmp_path / 'runs/epoch_2.pth').exists()

    (tmp_path / 'runs/result.json').unlink()
    (tmp_path / 'runs/settings.json').unlink()
    with pytest.raises(ConfigError, match=r'has epoch_1\.pth of another tool'):
        train_or_keep(cfg)
    assert (tmp_path / 'runs/epoch_1.pth').is_file()


def test_what_a_comparison_cannot_read_is_told_before_training(corpus, tmp_path):
    def load(**options):
        return load_config(CONFIG, data_root=str(corpus), work_dir=str(tmp_path), options=options)

    check_data(load())
    cfg = load()
    cfg.train_cfg = {'type': 'mmengine.IterBasedTrainLoop', 'max_iters': 5}
    with pytest.raises(ConfigError, match=r"train_cfg.type = 'mmengine.IterBasedTrainLoop'; expected 'EpochBased"):
        check_data(cfg)
    cfg = load()
    cfg.val_evaluator = {'type': 'CCCMetric', 'prefix': 'val'}
    with pytest.raises(ConfigError, match="val_evaluator gives no 'CCC/mean'"):
        check_data(cfg)
    for options in ({'train_cfg.max_epochs': 0}, {'train_cfg.max_epochs': 2, 'train_cfg.val_begin': 3}):
        with pytest.raises(ConfigError, match='else it is never validated'):
            check_data(load(**options))


def test_without_a_timer_there_are_no_seconds(corpus, tmp_path):
    cfg = load_config(CONFIG, data_root=str(corpus), work_dir=str(tmp_path), options={'train_cfg.max_epochs': 1})
    cfg.default_hooks.timer = None
    found = train_or_keep(cfg)
    assert found['seconds'] is None
    assert comparison_table({'a': [found]}).endswith('| – |')


def test_one_process_trains_in_a_folder(corpus, tmp_path, monkeypatch):
    cfg = load_config(CONFIG, data_root=str(corpus), work_dir=str(tmp_path), options=SHORT)
    lock = FileLock(tmp_path / '.lock')
    lock.acquire()
    assert train_or_keep(cfg, wait=False) is None
    assert not (tmp_path / 'settings.json').exists()

    # Who waits asks again and again, and takes what the other one has finished meanwhile.
    polls = []

    def share(function):
        polls.append(function)
        if len(polls) == 3:
            (tmp_path / 'settings.json').write_text(json.dumps(run_settings(cfg)))
            (tmp_path / 'result.json').write_text(json.dumps({'config': run_digest(cfg), 'mine': 'no'}))
            lock.release()
        return function()

    monkeypatch.setattr(training, 'POLL', 0.01)
    monkeypatch.setattr(training, 'shared', share)
    assert train_or_keep(cfg)['mine'] == 'no'
    assert len(polls) >= 4


def test_a_disk_without_locks_is_an_error(tmp_path, monkeypatch):
    def missing(*_):
        raise OSError(errno.ENOSYS, 'Function not implemented')

    monkeypatch.setattr(fcntl, 'flock', missing)
    with pytest.raises(ConfigError, match='no file locks on this disk'), folder_lock(tmp_path):
        pass


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
    assert train_once(CONFIG, 0, str(tmp_path / 'again'), str(corpus), options=SHORT)['config'] != first['config']


def finished(seed, value, synthetic=True):
    history = {f'CCC/{one}': [value, value] for one in ('valence', 'arousal', 'mean')}
    facts = {'corpus': 'demo', 'split': 'validation', 'parameters': 1000, 'seconds': None}
    return {'seed': seed, 'history': history, 'synthetic': synthetic, **facts}


def test_a_comparison_is_written_read_and_shows_itself(tmp_path):
    comparison = Comparison({'<a>': [finished(0, 0.25), finished(2, 0.75)], 'b': [finished(0, 0.5)]}, ['b, seed 2: no'])
    comparison.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f'comparison.{suffix}' for suffix in ('md', 'json', 'png')}
    text = (tmp_path / 'comparison.md').read_text()
    assert text.startswith('CCC on demo, validation: mean ± standard deviation over seeds 0, 2; best epoch')
    assert text.endswith(f'failed: b, seed 2: no\n\n{SYNTHETIC_NOTICE}\n')
    again = Comparison.load(tmp_path)
    assert again == comparison
    assert json.loads((tmp_path / 'comparison.json').read_text())['rows']['<a>']['best/CCC/mean'][0] == 0.5
    html = again._repr_html_()
    assert '<th>&lt;a&gt;</th><td>0.500 ± 0.354</td>' in html
    assert html.count('data:image/png;base64,') == 1
    assert SYNTHETIC_NOTICE in html
    assert again._repr_png_().startswith(b'\x89PNG')
    assert SYNTHETIC_NOTICE not in Comparison({'b': [finished(0, 0.5, synthetic=False)]})._repr_html_()


def test_what_is_no_comparison_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r'no comparison\.json; expected the work dir of a comparison'):
        Comparison.load(tmp_path)
    for content in ('', '[]', '{}', '{"runs": {"a": []}, "failed": []}', '{"runs": {"a": [{}]}}', '{"runs": {}}'):
        (tmp_path / 'comparison.json').write_text(content)
        with pytest.raises(ConfigError, match=r'comparison\.json: damaged; expected what tools/analysis/compare.py'):
            Comparison.load(tmp_path)
