"""Logs of resumed and killed runs, joined."""

import json

import numpy as np
import pytest

from mmaffect.errors import ConfigError
from mmaffect.visualization import read_run
from mmaffect.visualization.run_log import read_runs


def trained(epoch, number, loss, **more):
    return {'lr': 0.1, 'loss': loss, 'epoch': epoch, 'iter': number, 'step': number, **more}


def validated(epoch, ccc):
    return {'CCC/mean': ccc, 'val/time': 0.1, 'step': epoch}


def log(work_dir, name, rows, tail=''):
    path = work_dir / name / 'vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(f'{json.dumps(row)}\n' for row in rows) + tail)
    return path


def points(curve):
    return dict(zip(curve[0].tolist(), curve[1].tolist(), strict=True))


def test_one_run(tmp_path):
    rows = [trained(1, 20, 1.0), trained(1, 40, 0.9), validated(1, 0.1), {'release': 2, 'step': 1}]
    log(tmp_path, '20260101_000000', [*rows, trained(2, 65, 0.8), validated(2, float('nan'))])
    run = read_run(tmp_path)
    assert run.name == tmp_path.name
    assert points(run.training['loss']) == {20: 1.0, 40: 0.9, 65: 0.8}
    assert points(run.training['lr']) == {20: 0.1, 40: 0.1, 65: 0.1}
    assert run.validation['CCC/mean'][0].tolist() == [1, 2]
    np.testing.assert_array_equal(run.validation['CCC/mean'][1], [0.1, np.nan])
    assert run.releases == [1]
    assert not run.synthetic
    assert 'release' not in run.validation
    # At least 40 iterations an epoch, by the rows of epoch 1.
    assert run.batches == 40


def test_a_resumed_run_replaces_what_was_lost(tmp_path):
    first = [trained(1, 2, 1.0), validated(1, 0.1), trained(2, 4, 0.9), validated(2, 0.2), {'release': 2, 'step': 2}]
    log(tmp_path, '20260101_000000', [*first, trained(3, 6, 7.0), validated(3, 0.7)], tail='{"loss": 0.')
    # From the checkpoint of epoch 1.
    log(tmp_path, '20260102_000000', [trained(2, 4, 0.5), validated(2, 0.25), trained(3, 6, 0.4)])
    run = read_run(tmp_path)
    assert points(run.training['loss']) == {2: 1.0, 4: 0.5, 6: 0.4}
    assert points(run.validation['CCC/mean']) == {1: 0.1, 2: 0.25}
    assert run.releases == []


def test_resumed_within_an_epoch_and_before_a_validation(tmp_path):
    log(tmp_path, '1', [trained(1, 2, 1.0), validated(1, 0.1), trained(2, 4, 0.9), trained(2, 6, 0.8)])
    log(tmp_path, '2', [trained(2, 6, 0.7), validated(2, 0.2)])
    log(tmp_path, '3', [validated(2, 0.3), trained(3, 8, 0.6)])
    log(tmp_path, '4', [], tail='{"lo')
    run = read_run(tmp_path)
    assert points(run.training['loss']) == {2: 1.0, 4: 0.9, 6: 0.7, 8: 0.6}
    assert points(run.validation['CCC/mean']) == {1: 0.1, 2: 0.3}


def test_a_run_that_began_anew_is_another_one(tmp_path):
    log(tmp_path, '1', [trained(1, 2, 1.0), validated(1, 0.1), trained(2, 4, 0.9), validated(2, 0.2)])
    log(tmp_path, '2', [trained(1, 2, 2.0), validated(1, 0.4)])
    run = read_run(tmp_path)
    assert points(run.training['loss']) == {2: 2.0}
    assert points(run.validation['CCC/mean']) == {1: 0.4}


def test_names_with_a_mode_and_the_notice_of_a_synthetic_corpus(tmp_path):
    from mmaffect.evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE

    log(tmp_path, '1', [{'train/loss': 1.0, 'epoch': 1, 'iter': 3, 'step': 3}, {'val/CCC/mean': 0.1, 'step': 1}])
    (tmp_path / '1/1.log').write_text(f'2026/01/01 - mmengine - INFO - {SYNTHETIC_NOTICE}\n')
    run = read_run(tmp_path)
    assert points(run.training['loss']) == {3: 1.0}
    assert points(run.validation['CCC/mean']) == {1: 0.1}
    assert run.synthetic


def test_what_is_no_log_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match='expected the work dir of a training'):
        read_run(tmp_path / 'none')
    log(tmp_path, '1', [], tail='{"loss"')
    with pytest.raises(ConfigError, match=r'no figure in 1/vis_data/scalars\.json'):
        read_run(tmp_path)
    log(tmp_path, '2', [], tail='{"loss\n' + json.dumps(validated(1, 0.1)))
    with pytest.raises(ConfigError, match='line 1 is no row of figures'):
        read_run(tmp_path)


def several(folder, *names):
    for number, name in enumerate(names, 1):
        log(folder / name, '1', [trained(1, 2, float(number))])
    return [folder / name for name in names]


def test_names_of_runs_tell_them_apart(tmp_path):
    rel, x8, other = several(tmp_path, 'rel/fold_0', 'x8/fold_0', 'x8/fold_1')
    assert [run.name for run in read_runs([rel, x8])] == ['rel/fold_0', 'x8/fold_0']
    assert [run.name for run in read_runs([rel, other])] == ['fold_0', 'fold_1']
    # A folder given twice is one run.
    assert [run.name for run in read_runs([x8, f'{x8}/', rel / '../../x8/fold_0'])] == ['fold_0']


def test_runs_below_a_folder(tmp_path):
    several(tmp_path / 'cv', 'fold_1', 'fold_0/valence', 'fold_0/arousal', 'a/b/c', 'too/far/below/it')
    # One that has just begun has no figure yet.
    log(tmp_path / 'cv/fold_2', '1', [{'release': 1, 'step': 0}])
    (single,) = several(tmp_path, 'single')
    runs = {run.name: points(run.training['loss']) for run in read_runs([tmp_path / 'cv', single])}
    assert runs == {'c': {2: 4.0}, 'arousal': {2: 3.0}, 'valence': {2: 2.0}, 'fold_1': {2: 1.0}, 'single': {2: 1.0}}
    # What is a run itself stands for no other.
    several(tmp_path, 'single/later')
    assert [run.name for run in read_runs([single])] == ['single']


def test_too_many_runs_below_a_folder_are_named(tmp_path):
    several(tmp_path, *(f'fold_{k}' for k in range(6)))
    assert [run.name for run in read_runs([tmp_path])] == [f'fold_{k}' for k in range(6)]
    several(tmp_path, 'more/fold_0')
    with pytest.raises(ConfigError, match=r'7 trainings; expected at most 6: .*fold_0, .*fold_5, more/fold_0$'):
        read_runs([tmp_path])
