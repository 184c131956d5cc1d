"""Work in a pool of processes, of which any may die."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import islice

from pebble import ProcessPool


def run_in_processes(
    function: Callable, tasks: Sequence[tuple], jobs: int, seconds: float | None = None, preload: Sequence[str] = ()
) -> Iterator[tuple[int, object | BaseException]]:
    """Call ``function(*task)`` for each task in a pool of processes; one that dies costs its own task only.

    The processes end at once when the calling one ends, however that happens.

    Args:
        function: importable by name.
        tasks: arguments.
        jobs: number of processes; they share the cores.
        seconds: after which a task is ended; ``None``: never.
        preload: modules that are imported once for all processes, where the system allows it.

    Yields:
        Number of the task and its result, or the exception that it ended with, in the order in which they finish.
    """
    # Not fork: a decoder or torch may hold threads and locks here.
    method = 'forkserver' if 'forkserver' in multiprocessing.get_all_start_methods() else 'spawn'
    context = multiprocessing.get_context(method)
    if method == 'forkserver':
        context.set_forkserver_preload(['torch', *preload])
    threads = max(1, (os.cpu_count() or 1) // jobs)
    pool = ProcessPool(max_workers=jobs, initializer=_start_worker, initargs=(threads,), context=context)
    waiting = enumerate(tasks)
    running: dict[Future, int] = {}
    try:
        while True:
            for index, task in islice(waiting, 2 * jobs - len(running)):
                running[pool.schedule(function, args=task, timeout=seconds)] = index
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.exception() or future.result()
    finally:
        pool.stop()
        pool.join()


def _start_worker(threads: int) -> None:
    import cv2
    import torch

    # Else a caller that is killed leaves processes behind that write where its successor writes.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
