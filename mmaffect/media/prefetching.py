"""Run an iterator ahead of its consumer, in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from typing import TypeVar

T = TypeVar('T')


def prefetch(items: Iterable[T], depth: int = 8) -> Iterator[T]:
    """Yield the same items in the same order, while a thread makes the next ones.

    The thread starts with the first item that is asked for. It is ended, and a generator that it runs closed, before
    this iterator ends: at the end, at an error, or where the consumer leaves early and closes it.

    Args:
        items: what is iterated, in the thread only.
        depth: most items that are made and not yet asked for, at least 1.

    Raises:
        ValueError: ``depth`` is less than 1.
        BaseException: whatever ``items`` raises, after the items that came before it.
    """
    if depth < 1:
        raise ValueError(f'depth is {depth}; expected at least 1')
    return _prefetched(items, depth)


def _prefetched(items: Iterable[T], depth: int) -> Iterator[T]:
    made: queue.SimpleQueue[tuple[str, object]] = queue.SimpleQueue()
    room = threading.Semaphore(depth)
    stopped = threading.Event()

    def work() -> None:
        iterator = None
        try:
            iterator = iter(items)
            while True:
                room.acquire()
                if stopped.is_set():
                    break
                made.put(('item', next(iterator)))
        except StopIteration:
            made.put(('end', None))
        except BaseException as error:
            made.put(('error', error))
        finally:
            if isinstance(iterator, Generator):
                iterator.close()

    thread = threading.Thread(target=work, name='mmaffect-prefetch', daemon=True)
    thread.start()
    try:
        while True:
            kind, value = made.get()
            if kind == 'end':
                return
            if kind == 'error':
                raise value
            # Room for one more before the consumer works on this one: that is when the thread is to be at work.
            room.release()
            yield value
            del value
    finally:
        stopped.set()
        room.release()
        thread.join()
