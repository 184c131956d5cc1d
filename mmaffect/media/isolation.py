"""Run a decoder in a process of its own, which it may take down with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import TypeVar

from ..errors import MediaError

T = TypeVar('T')


def isolated(func: Callable[..., T], *args: object, timeout: float | None = None) -> T:
    """Call ``func(*args)`` in a child process and return its result; its exceptions are raised here.

    A damaged file can make a decoder abort or hang; then only the child is lost. A child takes a few tenths of a second
    to start: isolate the work on one file, not one frame.

    Args:
        func: a function of a module (it is pickled by name); arguments and result are pickled too.
        args: its arguments; where the first is a path, errors name it.
        timeout: seconds after which the child is killed; None waits forever.

    Raises:
        MediaError: the child was killed by a signal, ended without a result, or took longer than ``timeout``.
        Exception: whatever ``func`` raises.
    """
    from pebble import ProcessExpired, ProcessPool

    what = f'{args[0]}: ' if args and isinstance(args[0], (str, Path)) else f'{func.__name__}: '
    # A forked child would inherit locks that threads of torch or of a decoder hold here.
    with ProcessPool(max_workers=1, context=multiprocessing.get_context('spawn')) as pool:
        future = pool.schedule(func, args=args, timeout=timeout)
        try:
            return future.result()
        except ProcessExpired as error:
            raise MediaError(f'{what}the decoder died with {_cause(error.exitcode)}; expected a result') from None
        except FutureTimeoutError:
            if timeout is None:
                raise
            raise MediaError(f'{what}the decoder gave no result within {timeout:g} s and was stopped') from None
        except BaseException:
            pool.stop()
            raise


def _cause(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0 or os.name == 'nt':
        return f'exit status {exitcode}'
    try:
        return f'signal {-exitcode} ({signal.Signals(-exitcode).name})'
    except ValueError:
        return f'signal {-exitcode}'
