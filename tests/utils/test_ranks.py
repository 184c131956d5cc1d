"""Which errors of a rank follow from another rank's."""

import os
import subprocess
import sys

import pytest

from mmaffect.errors import ConfigError
from mmaffect.utils.ranks import launched, lost_connection, port_in_use, tell_launcher

LOST = [
    # gloo, in a collective operation and in DDP's backward
    '[/pytorch/gloo/transport/tcp/pair.cc:561] Connection closed by peer [127.0.0.1]:16287. This is '
    'typically caused by a remote worker crashing.',
    '[/pytorch/gloo/transport/tcp/pair.cc:545] Read error [127.0.0.1]:24809: Connection reset by peer.',
    '[../gloo/transport/tcp/pair.cc:446] writev [10.0.0.2]:5: Broken pipe',
    '[../gloo/transport/tcp/unbound_buffer.cc:78] Timed out waiting 1800000ms for recv operation to complete',
    '[../gloo/transport/tcp/pair.cc:534] Application timeout caused pair closure',
    'The client socket has timed out after 600000ms while trying to connect to (10.0.0.1, 29500).',
    'wait timeout after 300000ms, keys: /default_pg/0//cuda//allgather',
    'Gloo connectFullMesh failed with [../tcp/pair.cc:144] no error',
    # NCCL
    'NCCL error in: NCCLUtils.cpp:94, remote process exited or there was a network error, NCCL version 2.27.5\n'
    'ncclRemoteError: A call failed possibly due to a network error or a remote process exiting prematurely.',
    'NCCL communicator was aborted on rank 0. Original reason for failure was: watchdog',
    # the store
    'recvValue failed on SocketImpl: Failed to recv, got 0 bytes. Connection was likely closed. Did the remote server '
    'shutdown or crash?',
]
OTHER = [
    'DataLoader timed out after 60 seconds',
    'mat1 and mat2 shapes cannot be multiplied (4x10 and 11x10)',
    'CUDA out of memory. Tried to allocate 20.00 MiB.',
    'NCCL error in: init.cpp:12, invalid usage. Duplicate GPU detected : rank 0 and rank 1 both on CUDA device 1000',
    'Expected to have finished reduction in the prior iteration before starting a new one.',
    'The server socket has failed to listen on any local network address. port: 29500, name: EADDRINUSE, message: '
    'address already in use',
]


@pytest.fixture
def two_ranks(monkeypatch):
    monkeypatch.setenv('WORLD_SIZE', '2')


@pytest.mark.parametrize('text', LOST)
def test_connection_lost(two_ranks, text):
    short = lost_connection(RuntimeError(text))
    assert '\n' not in short
    assert 0 < len(short) <= 200
    assert not short.startswith('[')


@pytest.mark.parametrize('text', OTHER)
def test_another_error(two_ranks, text):
    assert lost_connection(RuntimeError(text)) is None


def test_lost_while_something_was_built(two_ranks):
    error = ConfigError('a.py: Connection closed by peer')
    assert lost_connection(error) is None  # a text alone says nothing
    error.__cause__ = RuntimeError(LOST[0])
    assert lost_connection(error) == 'Connection closed by peer [127.0.0.1]:16287'


def test_one_process_has_no_other(monkeypatch):
    monkeypatch.delenv('WORLD_SIZE', raising=False)
    assert lost_connection(RuntimeError(LOST[0])) is None


def test_port_in_use():
    assert port_in_use(RuntimeError(OTHER[-1]))
    assert not port_in_use(RuntimeError(LOST[0]))
    assert not port_in_use(OSError('EADDRINUSE'))


def test_only_the_launchers_own_children_tell_it(monkeypatch, tmp_path):
    monkeypatch.setenv('TORCHELASTIC_ERROR_FILE', str(tmp_path / 'error.json'))
    monkeypatch.setenv('MMAFFECT_LAUNCHER', str(os.getpid()))  # an ancestor at most, of what this process starts
    assert not launched()
    assert not tell_launcher('error', 'error: x')
    assert not (tmp_path / 'error.json').exists()
    code = 'from mmaffect.utils.ranks import tell_launcher; print(tell_launcher("error", "error: x"))'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout == 'True\n', done.stderr
    assert '"error: x"' in (tmp_path / 'error.json').read_text()


def test_a_defect_leaves_the_process_group_with_its_traceback(tmp_path):
    program = f"""
import atexit, torch
from mmaffect.utils.cli import run_tool
def main():
    torch.distributed.init_process_group('gloo', init_method='file://{tmp_path}/store', rank=0, world_size=1)
    atexit.register(print, 'registered')
    {{}}['x']
run_tool(main)
"""
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, 'registered\n')
    assert 'Traceback' in done.stderr
    assert done.stderr.splitlines()[-1].endswith("KeyError: 'x'")


def test_without_a_launcher_the_survivor_says_it_in_a_line(tmp_path):
    program = f"""
import os, signal, torch
from mmaffect.utils.cli import run_tool
def main():
    rank = int(os.environ['RANK'])
    torch.distributed.init_process_group('gloo', init_method='file://{tmp_path}/store', rank=rank, world_size=2)
    for i in range(10**9):
        torch.distributed.all_reduce(torch.ones(3))
        if rank == 1 and i == 20:
            os.kill(os.getpid(), signal.SIGKILL)
run_tool(main)
"""
    environment = {**os.environ, 'WORLD_SIZE': '2', 'OMP_NUM_THREADS': '1'}
    ranks = [
        subprocess.Popen(
            [sys.executable, '-c', program], env=environment | {'RANK': str(rank)}, stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    errors = [rank.communicate(timeout=120)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [1, -9]
    (line,) = errors[0].splitlines()
    assert line.startswith('error: rank 0 lost the connection to another rank (')
