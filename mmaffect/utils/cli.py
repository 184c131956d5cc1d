"""How command-line tools end: what a user can cause is one line on stderr and a status that is not 0."""

import argparse
import atexit
import os
import re
import sys
from collections.abc import Callable
from typing import NoReturn

from ..errors import MMAffectError


def run_tool(main: Callable[[], int | None]) -> NoReturn:
    """Run ``main`` and exit with its status; 1 after an error of the user's, 130 after an interrupt.

    Anything else keeps its traceback, since it is a defect of ours.
    """
    try:
        status = main() or 0
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        status = 130
    except MMAffectError as error:
        print(f'error: {one_line(error)}', file=sys.stderr)
        status = 1
    except OSError as error:
        print(f'error: {one_line(error)}', file=sys.stderr)
        status = 1
    _leave(status)


def _leave(status: int) -> NoReturn:
    """Exit; with a process group, without taking the interpreter down beneath its threads.

    A thread of gloo that drops the last reference to a tensor meanwhile aborts the process (``terminate called without
    an active exception``), also after ``destroy_process_group``, since DDP holds the group.
    """
    distributed = sys.modules.get('torch.distributed')
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        sys.exit(status)
    if status == 0:  # else other ranks may be in the middle of an operation
        distributed.destroy_process_group()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def runner_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every tool that builds a Runner takes, under the names that MMEngine's users know."""
    from mmengine.config import DictAction

    parser.add_argument('--work-dir', help='folder of logs and checkpoints (default: work_dirs/<config>)')
    parser.add_argument('--data-root', help="folder of the prepared corpus, instead of the config's")
    parser.add_argument(
        '--features', metavar='NAME', help='cached features (tools/extract_features.py) in the place of the backbones'
    )
    parser.add_argument('--amp', action='store_true', help='bfloat16 autocast, on CPU and GPU')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='override config keys: a.b=value; lists as "a.b=[1,2]"'
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


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
