"""tools/report.py as a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmaffect.evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE
from mmaffect.report.work_dir import find_traces, is_synthetic, read_traces
from tests.report.traces import grey_video, make_trace

ROOT = Path(__file__).parents[2]


def run(*arguments, expect=0):
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    command = [sys.executable, 'tools/report.py', *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == expect, done.stderr
    return done


@pytest.fixture
def work_dir(tmp_path):
    """As tools/test.py leaves it: tables of these columns, and a log that says that the corpus is synthetic."""
    folder = tmp_path / 'grjca'
    (folder / 'traces').mkdir(parents=True)
    for name in ('p1', 'p2'):
        trace = make_trace(name, seed=int(name[1]), annotated=True)
        rows = [
            f'{i + 1},{time:.6f},' + ','.join(f'{value:.6f}' for value in (*trace.affect[i], *trace.annotated[i]))
            for i, time in enumerate(trace.times)
        ]
        head = 'frame,time,valence,arousal,annotated_valence,annotated_arousal'
        (folder / 'traces' / f'{name}.csv').write_text('\n'.join([head, *rows]) + '\n')
    (folder / '20260101_000000').mkdir()
    (folder / '20260101_000000' / '20260101_000000.log').write_text(f'INFO - {SYNTHETIC_NOTICE}\n')
    return folder


def test_work_dir(work_dir):
    done = run(work_dir)
    assert done.stdout == f'report: {work_dir / "report.html"}\n'
    page = (work_dir / 'report.html').read_text()
    assert SYNTHETIC_NOTICE in page
    assert '<h1>grjca</h1>' in page
    assert all(f'<span class="name">{name}</span>' in page for name in ('p1', 'p2'))


def test_trace_files_with_a_video(tmp_path):
    video = grey_video(tmp_path / 'clip.mp4', 20)
    make_trace('clip', 20).save(tmp_path / 'clip.json')
    run(tmp_path / 'clip.json', '--video', video, '--out', tmp_path / 'out.html', '--title', 'A clip')
    page = (tmp_path / 'out.html').read_text()
    assert '<h1>A clip</h1>' in page
    assert 'application/octet-stream;base64' in page


def test_a_work_dir_without_traces_is_one_line_with_the_command(tmp_path):
    (tmp_path / 'grjca.py').touch()
    (tmp_path / 'best_CCC_mean_epoch_3.pth').touch()
    done = run(tmp_path, expect=1)
    (line,) = done.stderr.splitlines()
    command = f'{tmp_path / "grjca.py"} {tmp_path / "best_CCC_mean_epoch_3.pth"} --out {tmp_path / "traces"}'
    assert line == f'error: {tmp_path}: no trace; write the traces first: python tools/test.py {command}'


def test_folders_of_traces(work_dir, tmp_path):
    assert find_traces(work_dir) == find_traces(work_dir / 'traces') == work_dir / 'traces'
    assert [trace.trial for trace in read_traces(work_dir / 'traces')] == ['p1', 'p2']
    assert is_synthetic(work_dir / 'traces') is True
    assert is_synthetic(work_dir) is None
    about = work_dir / 'traces' / 'about.json'
    for text, expected in (('{"split": "test", "synthetic": false}', False), ('{"synthetic": true}', True)):
        about.write_text(text)
        assert is_synthetic(work_dir / 'traces') is expected
    for text in ('{"synthetic": "no"}', '[]', '{', '{}'):
        about.write_text(text)
        with pytest.raises(ValueError, match=r'about\.json: does not say whether'):
            is_synthetic(work_dir / 'traces')
    about.unlink()
    # Logs of something else say nothing.
    (work_dir / '20260101_000000' / '20260101_000000.log').rename(work_dir / '20260101_000000' / 'other.log')
    assert is_synthetic(work_dir / 'traces') is None
    make_trace('clip').save(tmp_path / 'clip.csv')
    with pytest.raises(ValueError, match='without annotations'):
        read_traces(tmp_path)
