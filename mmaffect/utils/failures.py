"""Which rank's failure ended a job, in one line."""

import signal
import socket
from collections.abc import Mapping

from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

HOST = socket.gethostname()
RESUME = 'a training continues with --resume'
HINTS = {'SIGKILL': ': often out of memory', 'SIGBUS': ': often /dev/shm is full'}


def first_failure(failures: Mapping[int, ProcessFailure]) -> tuple[int, ProcessFailure]:
    """The failure that the others follow from, and its rank.

    Args:
        failures: of all ranks of this node, by rank, in the order in which they were found.
    """
    return min(failures.items(), key=lambda item: _distance(item[1]))


def _distance(failure: ProcessFailure) -> int:
    kind = kind_of(failure)
    if kind == 'lost':
        return 2
    if kind is None and failure.exitcode == -signal.SIGTERM:  # sent by the launcher, once a rank has failed
        return 2
    return int(failure.exitcode == -signal.SIGABRT)  # threads of NCCL and gloo end so when another rank has gone


def kind_of(failure: ProcessFailure) -> str | None:
    """What the rank called it by :func:`mmaffect.utils.ranks.tell_launcher`; ``None``: it said nothing."""
    return failure.error_file_data.get('kind')


def describe(rank: int, failure: ProcessFailure, world_size: int) -> str:
    """The line to print for a rank's failure.

    Args:
        rank: its rank.
        failure: with what the rank said of it, if it did.
        world_size: number of ranks of the job.
    """
    kind, resumes = kind_of(failure), False
    if kind == 'error':
        return failure.message
    if kind is not None:
        what, resumes = failure.message, kind == 'lost'
    elif failure.exitcode < 0:
        name = failure.signal_name()
        what, resumes = f'was killed by signal {-failure.exitcode} ({name}{HINTS.get(name, "")})', True
    else:
        what = f'ended with status {failure.exitcode} (what it printed is above)'
    line = f'error: rank {rank} (of {world_size}, process {failure.pid}, host {HOST}) {what}'
    if world_size > 1:
        line += '; the other ranks were stopped'
    return f'{line}; {RESUME}' if resumes else line


def exit_status(failure: ProcessFailure) -> int:
    """As a shell gives it."""
    if failure.exitcode > 0:
        return failure.exitcode
    return 1 if kind_of(failure) else 128 - failure.exitcode
