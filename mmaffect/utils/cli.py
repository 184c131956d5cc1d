"""How command-line tools end: what a user can cause is one line on stderr and a status that is not 0."""

import argparse
import atexit
import os
import re
import sys
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from ..errors import MMAffectError
from .ranks import end_with_launcher, launched, lost_connection, port_in_use, tell_launcher


class _UsageError(Exception):
    """What argparse would print."""


def run_tool(main: Callable[[], int | None]) -> NoReturn:
    """Run ``main`` and exit with its status; 1 after an error of the user's, 130 after an interrupt.

    Anything else keeps its traceback, since it is a defect of ours. Ranks leave the line to the launcher that started
    them (mmaffect/utils/launch.py), which prints one for all of them.
    """
    end_with_launcher()
    try:
        status = main() or 0
    except KeyboardInterrupt:
        status = _fail('interrupted', 130)
    except _UsageError as error:
        status = _fail(str(error), 2)
    except Exception as error:
        status = _explain(error)
        if status is None:
            tell_launcher('defect', f'failed with {type(error).__name__}: {one_line(error)} (its traceback is above)')
            if not _in_process_group():
                raise
            sys.excepthook(*sys.exc_info())
            status = 1
    _leave(status)


def _explain(error: Exception) -> int | None:
    """Say in one line what is no defect of ours; ``None``: it is one."""
    lost = lost_connection(error)
    if lost is not None:
        message = f'lost the connection to another rank ({lost})'
        if not tell_launcher('lost', message):
            print(f'error: rank {os.environ.get("RANK", 0)} {message}', file=sys.stderr)
        return 1
    if isinstance(error, MMAffectError | OSError):
        return _fail(f'error: {one_line(error)}', 1)
    if port_in_use(error):
        return _fail(f'error: port {os.environ.get("MASTER_PORT")} of this host is in use: set another, PORT=...', 1)
    return None


def _fail(line: str, status: int) -> int:
    if not tell_launcher('error', line):
        print(line, file=sys.stderr)
    return status


def _in_process_group() -> bool:
    distributed = sys.modules.get('torch.distributed')
    return distributed is not None and distributed.is_available() and distributed.is_initialized()


def _leave(status: int) -> NoReturn:
    """Exit; with a process group, without taking the interpreter down beneath its threads.

    A thread of gloo that drops the last reference to a tensor meanwhile aborts the process (``terminate called without
    an active exception``), also after ``destroy_process_group``, since DDP holds the group.
    """
    if not _in_process_group():
        sys.exit(status)
    if status == 0:  # else other ranks may be in the middle of an operation
        sys.modules['torch.distributed'].destroy_process_group()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def runner_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every tool that builds a Runner takes, under the names that MMEngine's users know."""
    from .options import OptionsAction

    if launched():
        # Else every rank prints it.
        parser.error = partial(_usage_error, parser)
    parser.add_argument('--work-dir', help='folder of logs and checkpoints (default: work_dirs/<config>)')
    parser.add_argument('--data-root', help="folder of the prepared corpus, instead of the config's")
    parser.add_argument(
        '--features', metavar='NAME', help='cached features (tools/extract_features.py) in the place of the backbones'
    )
    parser.add_argument('--amp', action='store_true', help='bfloat16 autocast, on CPU and GPU')
    parser.add_argument(
        '--cfg-options', nargs='+', action=OptionsAction, help='override config keys: a.b=value; lists as "a.b=[1,2]"'
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def _usage_error(parser: argparse.ArgumentParser, message: str) -> NoReturn:
    raise _UsageError(f'{parser.format_usage()}{parser.prog}: error: {message}')


def one_line(error: BaseException) -> str:
    """The error's text without line breaks.

    Examples:
        >>> one_line(OSError(28, 'No space left on device', 'faces/a.npy'))
        'faces/a.npy: No space left on device'
    """
    if isinstance(error, OSError) and error.strerror:
        where = f'{error.filename}: ' if error.filename is not None else ''
        return f'{where}{error.strerror}'
    # PyTorch repeats an error of a DataLoader's worker with its whole traceback.
    text = re.split(r'(?m)^[\w.]+Error: ', str(error))[-1] if 'Original Traceback' in str(error) else str(error)
    return ' '.join(text.split()) or type(error).__name__
