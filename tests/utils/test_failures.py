"""Which of several failures is named, and how. They are made as torchrun's agent makes them."""

import json
import signal
import socket

import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from mmaffect.utils.failures import describe, exit_status, first_failure


@pytest.fixture
def failure(tmp_path):
    def make(exitcode, kind=None, message='', pid=77):
        path = tmp_path / f'{len(list(tmp_path.iterdir()))}.json'
        if kind is not None:
            path.write_text(json.dumps({'message': message, 'timestamp': 5, 'kind': kind}))
        return ProcessFailure(local_rank=0, pid=pid, exitcode=exitcode, error_file=str(path))

    return make


@pytest.mark.parametrize(
    ('found', 'first'),
    [
        # Exit status and what the rank said, in the order in which the launcher saw them.
        ([(-9, None), (-15, None), (-15, None)], 0),
        ([(1, 'lost'), (-9, None)], 1),
        ([(1, 'lost'), (1, 'lost'), (1, 'error')], 2),
        ([(-15, 'lost'), (1, 'defect')], 1),
        ([(-15, None), (1, 'lost')], 0),
        ([(1, 'lost'), (-15, None)], 0),
        ([(-6, None), (-9, None)], 1),
        ([(1, 'lost'), (-6, None)], 1),
        ([(1, 'error'), (1, 'error')], 0),
        ([(-15, None), (-15, 'error')], 1),
        ([(1, 'lost'), (3, None)], 1),
    ],
)
def test_first_failure(failure, found, first):
    failures = {10 + n: failure(*one) for n, one in enumerate(found)}
    rank, chosen = first_failure(failures)
    assert rank == 10 + first
    assert chosen is failures[rank]


def test_descriptions(failure):
    host = socket.gethostname()
    who = f'rank 1 (of 2, process 77, host {host})'
    stopped, resume = '; the other ranks were stopped', '; a training continues with --resume'
    lines = {
        (-9,): f'error: {who} was killed by signal 9 (SIGKILL: often out of memory){stopped}{resume}',
        (-11,): f'error: {who} was killed by signal 11 (SIGSEGV){stopped}{resume}',
        (3,): f'error: {who} ended with status 3 (what it printed is above){stopped}',
        (1, 'error', 'error: a.py: wrong'): 'error: a.py: wrong',
        (1, 'defect', "failed with KeyError: 'x'"): f"error: {who} failed with KeyError: 'x'{stopped}",
        (1, 'lost', 'lost the connection'): f'error: {who} lost the connection{stopped}{resume}',
    }
    assert [describe(1, failure(*made), 2) for made in lines] == list(lines.values())
    assert 'other ranks' not in describe(0, failure(-9), 1)


@pytest.mark.parametrize(
    ('made', 'status'),
    [((-9,), 137), ((-signal.SIGSEGV,), 139), ((3,), 3), ((2, 'error'), 2), ((-15, 'error'), 1), ((-15,), 143)],
)
def test_status(failure, made, status):
    assert exit_status(failure(*made)) == status
