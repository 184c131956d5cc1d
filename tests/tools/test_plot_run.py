"""tools/analysis/plot_run.py as a process."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2

from mmaffect.evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE

ROOT = Path(__file__).parents[2]


def plot(*arguments):
    command = [sys.executable, 'tools/analysis/plot_run.py', *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_a_picture_of_two_trainings(tmp_path):
    for name in ('a', 'b'):
        rows = [
            row
            for epoch in (1, 2)
            for row in (
                {'loss': 1 / epoch, 'lr': 0.1, 'epoch': epoch, 'iter': 3 * epoch, 'step': 3 * epoch},
                {'CCC/valence': 0.1, 'CCC/mean': 0.1 * epoch, 'step': epoch},
            )
        ]
        folder = tmp_path / name / '20260101_000000/vis_data'
        folder.mkdir(parents=True)
        (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, rows)))
    (tmp_path / 'b/20260101_000000/20260101_000000.log').write_text(SYNTHETIC_NOTICE)
    done = plot(tmp_path / 'a')
    assert done.returncode == 0, done.stderr
    assert done.stdout == f'written: {tmp_path}/a/run.png\n'
    assert cv2.imread(str(tmp_path / 'a/run.png')) is not None
    done = plot(tmp_path / 'a', tmp_path / 'b', '--out', tmp_path / 'both.svg', '--smooth', 2)
    assert done.returncode == 0, done.stderr
    assert SYNTHETIC_NOTICE in (tmp_path / 'both.svg').read_text()
    for fold in ('fold_0', 'fold_1'):
        shutil.copytree(tmp_path / 'a', tmp_path / 'cv' / fold / 'valence')
    done = plot(tmp_path / 'cv')
    assert done.stdout == f'written: {tmp_path}/cv/run.png\n', done.stderr
    wide, narrow = (cv2.imread(str(tmp_path / name / 'run.png')).shape[1] for name in ('cv', 'a'))
    assert wide > narrow


def test_without_a_log_one_line_says_so(tmp_path):
    done = plot(tmp_path, '--out', tmp_path / 'a.png')
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f'error: {tmp_path}: no ')
    assert not (tmp_path / 'a.png').exists()
