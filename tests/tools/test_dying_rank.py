"""A rank that is killed in the middle of a training ends the job with one line, and --resume continues it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.corpora import write_corpus

ROOT = Path(__file__).parents[2]
SMALL = [
    '--cfg-options',
    'model.neck.seq_len=20',
    *(f'{part}_dataloader.dataset.window=20' for part in ('train', 'val', 'test')),
    *(f'{part}_dataloader.dataset.hop=10' for part in ('train', 'val', 'test')),
    'train_dataloader.num_workers=1',
]
LOG_LINE = re.compile(r'\d\d/\d\d \d\d:\d\d:\d\d - mmengine - INFO - ')


@pytest.fixture
def train(tmp_path):
    """Start a training of two ranks; at the end, what is left of it is ended."""
    corpus, launchers = write_corpus(tmp_path / 'corpus'), []

    def start(epochs, *further):
        command = ['bash', 'tools/dist_train.sh', 'configs/grjca_demo.py', '2', '--data-root', corpus]
        command += ['--work-dir', tmp_path / 'work', *further, *SMALL, f'train_cfg.max_epochs={epochs}']
        path = f'{Path(sys.executable).parent}:{os.environ["PATH"]}'
        output = tmp_path / f'output{len(launchers)}.txt'
        with open(output, 'w') as file:
            launchers.append(
                subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env={**os.environ, 'PATH': path, 'PYTHONWARNINGS': 'ignore', 'TRAINING': str(tmp_path)},
                    stdout=file,
                    stderr=file,
                )
            )
        return launchers[-1], output

    yield start
    for launcher in launchers:
        launcher.kill()
        launcher.wait()
    for pid in processes(tmp_path):
        os.kill(pid, signal.SIGKILL)


def environment(pid):
    try:
        text = Path(f'/proc/{pid}/environ').read_bytes().decode()
        stat = Path(f'/proc/{pid}/stat').read_text()
    except OSError:
        return {}
    if stat.rpartition(')')[2].split()[0] == 'Z':
        return {}
    return dict(item.split('=', 1) for item in text.split('\0') if '=' in item)


def processes(folder, **further):
    """All processes of the training, by what stands in their environment."""
    wanted = {'TRAINING': str(folder)} | further
    pids = (int(path.name) for path in Path('/proc').iterdir() if path.name.isdecimal())
    return [pid for pid in pids if wanted.items() <= environment(pid).items()]


def until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.skipif(not Path('/proc/self/environ').exists(), reason='finds the processes in /proc')
def test_a_rank_killed_and_the_job_resumed(train, tmp_path):
    work = tmp_path / 'work'
    job, output = train(10**6)
    until(lambda: (work / 'last_checkpoint').exists() or job.poll() is not None, 200)
    assert job.poll() is None, output.read_text()[-3000:]
    # A data loader's worker has its rank's environment, too: the rank is the child of the launcher.
    (rank,) = (pid for pid in processes(tmp_path, RANK='1') if parent(pid) == job.pid)
    os.kill(rank, signal.SIGKILL)
    assert job.wait(timeout=60) == 128 + signal.SIGKILL
    (line,) = (line for line in output.read_text().splitlines() if not LOG_LINE.match(line))
    assert line == (
        f'error: rank 1 (of 2, process {rank}, host {socket.gethostname()}) was killed by signal 9 (SIGKILL: often '
        'out of memory); the other ranks were stopped; a training continues with --resume'
    )
    until(lambda: not processes(tmp_path), 10)

    done = max(int(path.stem[6:]) for path in work.glob('epoch_*.pth'))
    job, output = train(done + 1, '--resume')
    assert job.wait(timeout=200) == 0, output.read_text()[-3000:]
    assert (work / f'epoch_{done + 1}.pth').is_file()
    assert int(re.search(r'resumed epoch: (\d+)', output.read_text())[1]) == done


def parent(pid):
    return int(Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[1])
