"""Start a job's ranks: python -m mmaffect.utils.launch --nproc-per-node 2 tools/train.py CONFIG --launcher pytorch.

The flags are ``torchrun``'s, and ``torch.distributed.run`` does the work. What is added: a failure is one line that
names its cause, once and not once a rank; a node hears of a failure on another node; one node needs no port; ranks do
not outlive the launcher, nor data loaders their rank.
"""

import argparse
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from ..errors import ConfigError
from .cli import one_line, run_tool
from .ranks import LAUNCHER, port_in_use

if TYPE_CHECKING:
    from torch.distributed.elastic.rendezvous import RendezvousParameters
    from torch.distributed.launcher.api import LaunchConfig

    from .nodes import Nodes


class Stopped(BaseException):
    """The launcher itself got a signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main(arguments: list[str] | None = None) -> int:
    """Start the ranks and wait for them.

    Args:
        arguments: flags of ``torchrun``, the script and its arguments; ``None``: the command line's.

    Returns:
        0; else the status of the first rank that failed, 128 and the signal's number if one ended it or the launcher,
        or 1 if another node failed.

    Raises:
        ConfigError: if the ranks cannot be started with these flags.
    """
    _load_quietly()
    from torch.distributed.run import get_args_parser

    parser = get_args_parser()
    parser.prog = 'python -m mmaffect.utils.launch'
    args = parser.parse_args(arguments)
    if 'LOGLEVEL' not in os.environ:
        logging.disable()  # torchrun tells in its log what it does, and warns of OMP_NUM_THREADS=1
    os.environ[LAUNCHER] = str(os.getpid())
    with tempfile.TemporaryDirectory(prefix='mmaffect_ranks_') as folder:
        args.log_dir = args.log_dir or folder
        return _run(args)


def _load_quietly() -> None:
    """Load PyTorch so that a store which has gone is not a warning of 40 lines here; in the ranks, nothing changes."""
    name = 'TORCH_CPP_LOG_LEVEL'
    if name not in os.environ:
        os.environ[name] = 'ERROR'
        import torch  # noqa: F401

        del os.environ[name]


def _run(args: argparse.Namespace) -> int:
    from torch.distributed import DistNetworkError, DistStoreError
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous import rendezvous_handler_registry
    from torch.distributed.launcher.api import elastic_launch

    from .failures import HOST, RESUME, describe, exit_status, first_failure, kind_of
    from .nodes import BACKEND, Nodes, OtherNodeError

    config, command, arguments = read_flags(args, BACKEND)
    nodes: list[Nodes] = []

    def join(parameters: 'RendezvousParameters') -> 'Nodes':
        nodes.append(Nodes.create(parameters))
        return nodes[0]

    rendezvous_handler_registry.register(BACKEND, join)
    _handle(args.signals_to_handle)
    try:
        elastic_launch(config, command)(*arguments)
        return 0
    except ChildFailedError as error:
        _end_groups(failure.pid for failure in error.failures.values())
        rank, failure = first_failure(error.failures)
        line, status = describe(rank, failure, config.nproc_per_node * config.max_nodes), exit_status(failure)
        if nodes and kind_of(failure) == 'lost':
            line = nodes[0].hear(seconds=5) or line
    except OtherNodeError as error:
        line, status = str(error), 1
    except Stopped as stop:
        line = f'stopped by {signal.Signals(stop.number).name} on {HOST}: all ranks were ended; {RESUME}'
        status = 128 + stop.number
    except (DistNetworkError, DistStoreError) as error:
        raise ConfigError(_no_store(args, error)) from None
    print(line, file=sys.stderr)
    if nodes:
        nodes[0].tell(line if HOST in line else f'{line} (on {HOST})')
    return status


def read_flags(args: argparse.Namespace, backend: str) -> tuple['LaunchConfig', str, list[str]]:
    """What ``torchrun`` makes of its flags, with another rendezvous in the place of its static one.

    Args:
        args: the flags.
        backend: name of the rendezvous.

    Raises:
        ConfigError: if one has a value that cannot be.
    """
    from torch.distributed.run import config_from_args, parse_min_max_nnodes

    if not (args.module or args.no_python or Path(args.training_script).is_file()):
        raise ConfigError(f'{args.training_script}: no such script')
    try:
        if args.standalone:
            args.rdzv_backend, args.rdzv_endpoint = 'static', ''
        if args.master_port is None:
            args.master_port = 29500 if parse_min_max_nnodes(args.nnodes)[1] > 1 else 0
        config, command, arguments = config_from_args(args)
    except (ValueError, AssertionError, RuntimeError) as error:
        raise ConfigError(f'--nnodes={args.nnodes} --nproc-per-node={args.nproc_per_node}: {one_line(error)}') from None
    if config.nproc_per_node < 1:
        raise ConfigError(f'--nproc-per-node={args.nproc_per_node}: expected a number of processes, from 1')
    if config.rdzv_backend == 'static':
        config.rdzv_backend = backend
    config.signals_to_handle = ''  # else torchrun takes them over again
    return config, command, arguments


def _no_store(args: argparse.Namespace, error: RuntimeError) -> str:
    if port_in_use(error):
        return f'port {args.master_port} of this host is in use: set another, PORT=... (--master-port)'
    return f'no contact to node 0 at {args.master_addr}:{args.master_port}: {one_line(error)}'


def _handle(names: str) -> None:
    """Have signals end the ranks, and then the launcher."""
    for name in names.split(','):
        number = getattr(signal, name.strip(), None)
        # What a shell or nohup has switched off stays off.
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    for other in signal.valid_signals():
        if signal.getsignal(other) is _stop:
            signal.signal(other, signal.SIG_IGN)  # a second Ctrl-C would leave ranks behind
    raise Stopped(number)


def _end_groups(leaders: Iterable[int]) -> None:
    """End what ranks left behind that died themselves: workers of data loaders."""
    for leader in leaders:
        with suppress(OSError):
            os.killpg(leader, signal.SIGTERM)


if __name__ == '__main__':
    run_tool(main)
