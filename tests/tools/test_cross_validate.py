"""The tool in this process, on a corpus of seconds with cached features; once as two ranks."""

import csv
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock

from mmaffect.datasets.features import FeatureWriter
from tests.corpora import write_corpus

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools/cross_validate.py'
CONFIG = 'configs/comparison/concat_demo.py'
TRIALS = [
    *((f't{n}', 'train', 45, True) for n in range(6)),
    ('v1', 'val', 60, True),
    ('v2', 'val', 45, True),
    ('x1', 'test', 50, True),
    ('x2', 'test', 31, True),
]


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
    root = write_corpus(tmp_path_factory.mktemp('data') / 'corpus', TRIALS, face_size=8)
    for modality in ('visual', 'audio'):
        writer = FeatureWriter(root / f'features/demo/{modality}', {'of': modality})
        for n, (trial, _, frames, _) in enumerate(TRIALS):
            writer.write(trial, np.random.default_rng(n).normal(size=(frames, 64)).astype(np.float32))
    return root


@pytest.fixture
def run(corpus, tmp_path, monkeypatch, capsys):
    """Run the tool's main function; returns its status and its lines."""
    monkeypatch.chdir(ROOT)
    specification = importlib.util.spec_from_file_location('cross_validate_tool', TOOL)
    tool = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(tool)

    def run(*arguments, options=()):
        words = [CONFIG, '--data-root', corpus, '--work-dir', tmp_path / 'work', *arguments]
        words += ['--cfg-options', 'train_cfg.max_epochs=1', *options]
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, words)])
        capsys.readouterr()
        status = tool.main()
        return status, capsys.readouterr().out.splitlines()

    return run


def curve(path):
    """Predicted valence and arousal of a trial."""
    with open(path, newline='') as file:
        return np.array([[float(row['valence']), float(row['arousal'])] for row in csv.DictReader(file)])


def submission(path):
    lines = Path(path).read_text().splitlines()
    assert lines[0] == 'image_location,valence,arousal'
    return {name: (float(v), float(a)) for name, v, a in (line.split(',') for line in lines[1:])}


def test_six_folds_and_a_submission(run, corpus, tmp_path):
    work = tmp_path / 'work'
    status, lines = run('--predict', 'mean')
    assert status == 0
    begun = [line for line in lines if 'training, log in' in line]
    assert [line.split(':')[0] for line in begun] == [
        'fold 0 (official split)',
        *(f'fold {fold} (not comparable with the official split)' for fold in range(1, 6)),
    ]
    report = json.loads((work / 'cross_validation.json').read_text())
    assert [row['fold'] for row in report['folds']] == list(range(6))
    assert report['missing'] == []
    means = [row['figures']['best/CCC/mean'] for row in report['folds']]
    expected = f'{np.mean(means):.3f} ± {np.std(means, ddof=1):.3f}'
    table = (work / 'cross_validation.md').read_text()
    assert expected in next(line for line in table.splitlines() if line.startswith('| mean ± standard deviation'))
    assert table.strip() in '\n'.join(lines)
    assert 'no accuracy on people' in table

    found = submission(work / 'submission.txt')
    trials = {name: frames for name, split, frames, _ in TRIALS if split == 'test'}
    assert list(found) == [f'{name}/{frame:05d}.jpg' for name in trials for frame in range(1, trials[name] + 1)]
    for name in trials:
        mean = np.mean([curve(work / f'fold_{fold}/predictions/{name}.csv') for fold in range(6)], axis=0)
        rows = [found[f'{name}/{frame:05d}.jpg'] for frame in range(1, trials[name] + 1)]
        np.testing.assert_allclose(rows, mean, atol=2e-6)
        assert len((work / f'submission/{name}.txt').read_text().splitlines()) == trials[name] + 1

    made_from = json.loads((work / 'submission.json').read_text())
    assert (sorted(made_from['folds']), made_from['method'], made_from['sample']) == (list(range(6)), 'mean', None)
    for fold, one in zip(made_from['folds'], made_from['checkpoints'], strict=True):
        assert one['name'].startswith(f'fold_{fold}/best_CCC_mean_epoch_')
        assert one['sha256'] == hashlib.sha256((work / one['name']).read_bytes()).hexdigest()

    # A second call trains and predicts nothing, and takes another ensemble and the rows of a sample.
    written = {path: path.stat().st_mtime_ns for path in work.glob('fold_*/**/*') if path.is_file()}
    sample = tmp_path / 'sample.txt'
    sample.write_text('image_location,valence,arousal\nx2/00003.jpg,0,0\nx1/00001.jpg,0,0\n')
    status, lines = run('--report-only', '--predict', 'best', '--sample', sample)
    assert status == 0
    assert {path: path.stat().st_mtime_ns for path in written} == written
    best = max(range(6), key=lambda fold: means[fold])
    found = submission(work / 'submission.txt')
    assert list(found) == ['x2/00003.jpg', 'x1/00001.jpg']
    np.testing.assert_allclose(found['x2/00003.jpg'], curve(work / f'fold_{best}/predictions/x2.csv')[2], atol=2e-6)
    assert f'test trials predicted by fold {best}' in lines
    assert len((work / 'submission/x1.txt').read_text().splitlines()) == 2  # of the sample

    # A call for one fold reports all that are finished, and leaves the submission alone: its weights are there.
    assert run('--folds', 3)[0] == 0
    assert json.loads((work / 'cross_validation.json').read_text())['missing'] == []
    assert (work / 'cross_validation.md').read_text() == table
    assert (work / 'submission.txt').is_file()

    # Other weights of the same name are predicted with anew; what was made from those before is deleted.
    weights = next((work / f'fold_{best}').glob('best_*.pth'))
    checkpoint = torch.load(weights, weights_only=False)
    for name, value in checkpoint['state_dict'].items():
        if name.startswith('head') and name.endswith('bias'):
            value += 1
    torch.save(checkpoint, weights)
    status, lines = run('--report-only')
    assert f'deleted: {work}/submission.txt, made from other weights' in lines
    assert [path for path in work.rglob('submission*') if path.is_file()] == []
    before = curve(work / f'fold_{best}/predictions/x2.csv')
    assert run('--folds', best, '--predict', 'best')[0] == 0
    assert (curve(work / f'fold_{best}/predictions/x2.csv') != before).all()


def test_predictions_are_made_again_when_the_test_data_changed(corpus, run, tmp_path):
    assert run('--folds', 0, '--predict', 'best')[0] == 0
    made_by = tmp_path / 'work/fold_0/predictions/made_by.json'
    first = json.loads(made_by.read_text())
    root = tmp_path / 'features'
    shutil.copytree(corpus / 'features/demo/visual', root)
    (root / 'features.json').write_text('{"of": "others"}')
    option = f'test_dataloader.dataset.features.visual={root}'
    assert run('--folds', 0, '--predict', 'best', options=[option])[0] == 0
    second = json.loads(made_by.read_text())
    assert {key for key in first if first[key] != second[key]} == {'config'}


def test_a_process_ends_well_while_another_trains(run, tmp_path):
    (tmp_path / 'work/fold_1').mkdir(parents=True)
    with FileLock(tmp_path / 'work/fold_1/.lock'):
        status, lines = run('--folds', 1)
    assert status == 0
    assert any('another process trains it' in line for line in lines)
    assert lines[-1] == 'not finished: fold 1; --report-only collects when they are'


def test_one_model_a_target(run, tmp_path):
    work = tmp_path / 'work'
    status, lines = run('--folds', 0, 2, '--targets', 'valence', 'arousal', '--predict', 'ccc_centred', '--seed', 5)
    assert status == 0
    assert sorted(str(path.parent.relative_to(work)) for path in work.rglob('result.json')) == [
        f'fold_{fold}/{target}' for fold in (0, 2) for target in ('arousal', 'valence')
    ]
    header = (work / 'fold_2/arousal/predictions/x1.csv').read_text().splitlines()[0]
    assert header.split(',') == ['frame', 'time', 'arousal', 'annotated_arousal']
    assert len(submission(work / 'submission.txt')) == 81
    runs = [
        run['seed'] for row in json.loads((work / 'cross_validation.json').read_text())['folds'] for run in row['runs']
    ]
    assert runs == [5] * 4
    assert any(line.startswith('| fold 0 (official split) | 6, 2 | 1, 1 |') for line in lines)


def test_an_interrupt_is_one_line_and_a_report_tells_what_is_missing(run, tmp_path, monkeypatch):
    from mmengine.runner import Runner

    def interrupted(runner):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Runner, 'train', interrupted)
        status, lines = run('--folds', 4)
    assert (status, lines[1:]) == (130, ['interrupted; the same command continues'])
    status, lines = run('--folds', 4, '--report-only')
    assert (status, lines) == (1, ['not finished: fold 4; --report-only collects when they are'])
    assert run('--folds', 4)[0] == 0
    status, lines = run('--folds', 4, 1, '--report-only', '--predict', 'mean')
    assert status == 1
    assert lines[-1] == 'no submission: it needs all folds that are asked for'
    assert 'not finished: fold 1; --report-only collects when they are' in lines
    assert json.loads((tmp_path / 'work/cross_validation.json').read_text())['missing'] == [0, 1, 2, 3, 5]
    assert not (tmp_path / 'work/submission.txt').exists()


@pytest.mark.parametrize(
    ('words', 'text'),
    [
        (['--folds', 1, 1], 'one is given twice'),
        (['--folds', 6], 'invalid choice: 6'),
        (['--targets', 'joy'], "invalid choice: 'joy'"),
        (['--best-folds', 2], 'expected with --predict'),
        (['--predict', 'mean', '--best-folds', 7], 'expected 1 to 6'),
        (['--predict', 'best', '--best-folds', 2], 'expected "--predict mean"'),
    ],
)
def test_wrong_arguments(run, capsys, words, text):
    with pytest.raises(SystemExit, match='2'):
        run(*words)
    assert text in capsys.readouterr().err.splitlines()[-1]


def test_two_ranks_train_one_fold(corpus, tmp_path):
    command = [
        sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2', TOOL, CONFIG,
        '--launcher', 'pytorch', '--data-root', corpus, '--work-dir', tmp_path, '--folds', 0, 1, '--predict', 'mean',
        '--cfg-options', 'train_cfg.max_epochs=1',
    ]  # fmt: skip
    done = subprocess.run(
        [*map(str, command)], cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count('training, log in') == 2  # by rank 0 alone
    assert len(submission(tmp_path / 'submission.txt')) == 81
