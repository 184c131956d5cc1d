"""Functions on several gloo ranks."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.multiprocessing as mp


def run_on_ranks(function: Callable[[Path], object], folder: Path, ranks: int = 2, seconds: float = 400) -> list:
    """What ``function(folder)`` returns on each rank; it starts the process group itself."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    context = mp.get_context('spawn')
    processes = [context.Process(target=_rank, args=(function, folder, rank, ranks, port)) for rank in range(ranks)]
    end = time.monotonic() + seconds
    try:
        for process in processes:
            process.start()
        while any(process.is_alive() for process in processes):
            assert time.monotonic() < end, f'{function.__name__} took more than {seconds} s'
            failed = [process.exitcode for process in processes if process.exitcode]
            assert not failed, f'{function.__name__} ended with {failed}'
            time.sleep(0.05)
    finally:
        for process in processes:
            process.kill()
            process.join()
    assert [process.exitcode for process in processes] == [0] * ranks
    return [torch.load(folder / f'rank{rank}.pt') for rank in range(ranks)]


def _rank(function: Callable[[Path], object], folder: Path, rank: int, ranks: int, port: int) -> None:
    os.environ.update(
        RANK=str(rank), WORLD_SIZE=str(ranks), LOCAL_RANK='0', MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port)
    )
    torch.set_num_threads(1)
    result = function(folder)
    torch.save(result, folder / f'rank{rank}.pt')
    # Threads of gloo may abort an interpreter that goes down beneath them.
    os._exit(0)
