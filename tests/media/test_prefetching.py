import threading
import time

import pytest

from mmaffect.media import prefetch


def threads():
    return [thread.name for thread in threading.enumerate() if thread.name == 'mmaffect-prefetch']


class Source:
    """Counts up, and remembers how far it was asked, in which thread, and whether it was closed."""

    def __init__(self, count, error=None):
        self.count, self.error = count, error
        self.made, self.closed, self.thread = 0, False, None

    def items(self):
        try:
            self.thread = threading.current_thread()
            for index in range(self.count):
                self.made = index + 1
                yield index
            if self.error is not None:
                raise self.error
        finally:
            self.closed = True


@pytest.mark.parametrize('depth', [1, 8])
def test_same_items_in_the_same_order_from_a_thread(depth):
    source = Source(100)
    assert list(prefetch(source.items(), depth)) == list(range(100))
    assert source.thread is not threading.current_thread()
    assert source.closed
    assert threads() == []


def test_nothing_starts_before_the_first_item_is_asked_for():
    source = Source(3)
    items = prefetch(source.items())
    assert threads() == []
    assert next(items) == 0
    items.close()


def test_no_more_than_depth_is_made_ahead():
    source = Source(100)
    items = prefetch(source.items(), 3)
    for asked in range(1, 20):
        next(items)
        end = time.monotonic() + 20
        while source.made < asked + 3 and time.monotonic() < end:
            time.sleep(0.001)
        assert source.made == asked + 3
    items.close()


def test_error_comes_after_the_items_before_it():
    source = Source(3, KeyError('broken'))
    items = prefetch(source.items(), 8)
    assert [next(items), next(items), next(items)] == [0, 1, 2]
    with pytest.raises(KeyError, match='broken'):
        next(items)
    assert threads() == []


def test_leaving_early_closes_the_source():
    source = Source(10**9)
    for item in prefetch(source.items(), 4):
        if item == 5:
            break
    del item
    assert source.closed
    assert threads() == []


def test_any_iterable():
    assert list(prefetch('abc', 2)) == ['a', 'b', 'c']
    assert list(prefetch([], 2)) == []
    with pytest.raises(TypeError, match='not iterable'):
        next(prefetch(5))


def test_depth_is_checked_at_once():
    with pytest.raises(ValueError, match='depth is 0'):
        prefetch([1], 0)
