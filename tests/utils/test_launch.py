"""The launcher with programs of a few lines as ranks; most do without PyTorch, which takes seconds to load."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from torch.distributed.run import get_args_parser

from mmaffect.errors import ConfigError
from mmaffect.utils.launch import read_flags

# Every rank leaves its process's number, and that of a child as a data loader has them.
RANK = """
import argparse, os, pathlib, signal, subprocess, sys, time
from mmaffect.errors import ConfigError
from mmaffect.utils.cli import run_tool, runner_arguments
here, rank = pathlib.Path(__file__).parent, int(os.environ['RANK'])

def leave(name, text=''):
    (here / '.new').with_suffix(f'.{rank}').write_text(str(text))
    (here / '.new').with_suffix(f'.{rank}').rename(here / f'{name}.{rank}')

def wait_for_all():
    while len(list(here.glob('pids.*'))) < int(os.environ['WORLD_SIZE']):
        time.sleep(0.05)

def main():
    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
    leave('pids', f'{os.getpid()} {child.pid}')
    wait_for_all()
    BODY
run_tool(main)
"""


@pytest.fixture
def start(tmp_path):
    """Start a launcher of ranks that run some statements; at the end, everything that was started is ended."""
    launchers = []

    def start(body, *flags, ranks=2):
        program = tmp_path / 'rank.py'
        program.write_text(RANK.replace('BODY', body.replace('\n', '\n    ')))
        command = [sys.executable, '-m', 'mmaffect.utils.launch', f'--nproc-per-node={ranks}', *flags, str(program)]
        launchers.append(
            subprocess.Popen(
                command,
                env={**os.environ, 'OMP_NUM_THREADS': '1', 'TMPDIR': str(tmp_path)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                # SIGINT as it is there, since a shell ignores it for what it runs in the background.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )
        )
        return launchers[-1]

    yield start
    for launcher in launchers:
        launcher.kill()
        launcher.wait()
    for pid in pids(tmp_path):
        if runs(pid):
            os.kill(pid, signal.SIGKILL)


def pids(folder):
    return [int(pid) for path in sorted(folder.glob('pids.*')) for pid in path.read_text().split()]


def runs(pid):
    try:
        state = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0]
    except FileNotFoundError:
        return False
    return state != 'Z'


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def end(launcher, seconds=60):
    """Its status and the lines of stderr."""
    return launcher.communicate(timeout=seconds)[1].splitlines(), launcher.returncode


def nothing_runs(folder, ranks=2):
    found = pids(folder)
    assert len(found) == 2 * ranks
    until(lambda: not any(map(runs, found)), 10)


def free_port():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return free.getsockname()[1]


def test_a_rank_killed(start, tmp_path):
    (line,), status = end(start('if rank == 1: os.kill(os.getpid(), signal.SIGKILL)\ntime.sleep(600)'))
    assert status == 137
    killed = pids(tmp_path)[2]
    assert line == (
        f'error: rank 1 (of 2, process {killed}, host {socket.gethostname()}) was killed by signal 9 (SIGKILL: often '
        'out of memory); the other ranks were stopped; a training continues with --resume'
    )
    nothing_runs(tmp_path)


def test_an_error_on_every_rank_is_one_line(start, tmp_path):
    assert end(start('raise ConfigError("a.py: wrong")', ranks=3)) == (['error: a.py: wrong'], 1)
    nothing_runs(tmp_path, 3)


def test_usage_is_told_once(start):
    body = 'parser = argparse.ArgumentParser(prog="tool")\nrunner_arguments(parser)\nparser.parse_args(["--none"])'
    lines, status = end(start(body))
    assert status == 2
    assert [line for line in lines if line.startswith(('usage', 'tool'))] == [
        'usage: tool [-h] [--work-dir WORK_DIR] [--data-root DATA_ROOT]',
        'tool: error: unrecognized arguments: --none',
    ]


def test_a_defect_keeps_its_traceback(start):
    lines, status = end(start('if rank == 0: {}["x"]\ntime.sleep(600)'))
    assert status == 1
    assert lines[0].endswith('Traceback (most recent call last):')
    assert lines[-2].endswith("KeyError: 'x'")
    assert re.match(r"error: rank 0 \(of 2, .*\) failed with KeyError: 'x' \(its traceback is above\)", lines[-1])
    assert sum(line.startswith('error: ') for line in lines) == 1


def test_survivors_are_silent(start):
    body = """import torch
torch.distributed.init_process_group('gloo')
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(3, 3))
for i in range(10**9):
    model(torch.ones(2, 3)).sum().backward()
    if i == 20 and rank == 1: os.kill(os.getpid(), signal.SIGKILL)"""
    (line,), status = end(start(body, ranks=3))
    assert status == 137
    assert 'error: rank 1 (of 3' in line


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_the_launcher_stopped(start, tmp_path, number):
    launcher = start('leave("ready")\ntime.sleep(600)')
    until(lambda: len(list(tmp_path.glob('ready.*'))) == 2)
    launcher.send_signal(number)
    (line,), status = end(launcher)
    assert status == 128 + number
    assert line.startswith(f'stopped by {number.name} on {socket.gethostname()}: all ranks were ended')
    nothing_runs(tmp_path)


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='Linux alone ends the child of a killed process')
def test_the_launcher_killed(start, tmp_path):
    launcher = start('leave("ready")\ntime.sleep(600)')
    until(lambda: len(list(tmp_path.glob('ready.*'))) == 2)
    launcher.kill()
    ranks = pids(tmp_path)[::2]
    until(lambda: not any(map(runs, ranks)), 10)


def test_ranks_are_restarted_as_torchrun_does_and_success_is_silent(start, tmp_path):
    body = 'child.kill()\nif os.environ["TORCHELASTIC_RESTART_COUNT"] == "0": raise ConfigError("once")\nleave("again")'
    assert end(start(body, '--max-restarts=1')) == ([], 0)
    assert len(list(tmp_path.glob('again.*'))) == 2


@pytest.fixture
def two_nodes(start):
    def start_both(body):
        flags = ('--nnodes=2', '--master-addr=127.0.0.1', f'--master-port={free_port()}')
        return [start(body, *flags, f'--node-rank={rank}', ranks=1) for rank in range(2)]

    return start_both


@pytest.mark.parametrize('who', [0, 1])
def test_a_node_hears_of_another(two_nodes, tmp_path, who):
    # The ranks themselves would never notice, as in a rendezvous that the other does not come to.
    ends = [end(one) for one in two_nodes(f'if rank == {who}: raise ConfigError("no data")\ntime.sleep(600)')]
    assert ends[who] == (['error: no data'], 1)
    assert ends[1 - who] == ([f'error: no data (on {socket.gethostname()})'], 1)
    nothing_runs(tmp_path)


def test_launcher_of_node_0_killed(two_nodes, tmp_path):
    first, second = two_nodes('leave("ready")\ntime.sleep(600)')
    until(lambda: len(list(tmp_path.glob('ready.*'))) == 2)
    first.kill()
    (line,), status = end(second)
    assert status == 1
    assert line.startswith('error: lost the connection to the launcher of node 0 at 127.0.0.1:')


def test_waiting_for_a_node_can_be_interrupted(start):
    port = free_port()
    launcher = start('pass', '--nnodes=2', '--node-rank=0', f'--master-port={port}')

    def listens():
        with socket.socket() as probe:
            return probe.connect_ex(('127.0.0.1', port)) == 0

    until(listens)
    launcher.send_signal(signal.SIGINT)
    (line,), status = end(launcher)
    assert status == 130
    assert line.startswith('stopped by SIGINT')


def test_port_in_use(start):
    with socket.socket() as other:
        other.bind(('', 0))
        other.listen()
        port = other.getsockname()[1]
        (line,), status = end(start('pass', f'--master-port={port}'))
    assert status == 1
    assert line == f'error: port {port} of this host is in use: set another, PORT=... (--master-port)'


@pytest.mark.parametrize(
    ('flags', 'text'),
    [
        (['none.py'], 'none.py: no such script'),
        (['--nproc-per-node=0', __file__], '--nproc-per-node=0'),
        (['--nproc-per-node=many', __file__], '--nproc-per-node=many'),
        (['--nnodes=x', __file__], '--nnodes=x'),
        (['--max-restarts=-1', __file__], 'max_restarts'),
    ],
)
def test_flags_that_cannot_be(flags, text):
    with pytest.raises(ConfigError, match=re.escape(text)):
        read_flags(get_args_parser().parse_args(flags), 'ours')


@pytest.mark.parametrize(
    ('flags', 'endpoint', 'backend'),
    [
        ([], '127.0.0.1:0', 'ours'),
        (['--standalone'], '127.0.0.1:0', 'ours'),
        (['--master-port=1234'], '127.0.0.1:1234', 'ours'),
        (['--nnodes=2', '--master-addr=host'], 'host:29500', 'ours'),
        (['--rdzv-backend=c10d', '--rdzv-endpoint=host:5'], 'host:5', 'c10d'),
    ],
)
def test_rendezvous_of_flags(flags, endpoint, backend, tmp_path):
    args = get_args_parser().parse_args([*flags, f'--log-dir={tmp_path}', __file__, '--resume'])
    config, command, arguments = read_flags(args, 'ours')
    assert (config.rdzv_endpoint, config.rdzv_backend) == (endpoint, backend)
    assert (command, arguments) == (sys.executable, ['-u', __file__, '--resume'])
