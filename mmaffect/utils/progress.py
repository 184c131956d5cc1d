"""Progress of long work: a bar on a terminal, now and then a plain line in a log."""

from __future__ import annotations

import sys
import time
from collections import deque
from types import TracebackType

LINE_SECONDS = 30.0
# The rest is told by the rate of the last minutes: work may be slow at first, or change.
RATE_SECONDS = 120.0
POINT_SECONDS = 1.0


class Progress:
    """Shows how much is done and how long the rest will take.

    Args:
        total: amount of work.
        unit: what is counted, in the plural.
        done: amount that an earlier run has done.
    """

    def __init__(self, total: int, unit: str, done: int = 0) -> None:
        self.total, self.unit, self.done = total, unit, float(done)
        self.told = time.monotonic()
        # When so much was done; empty before the first update, since what comes before it may be other work.
        self._points: deque[tuple[float, float]] = deque()
        self._bar = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, initial=done, unit=f' {unit}', dynamic_ncols=True)

    def update(self, count: float = 1) -> None:
        """Add what was done since; a share of a unit counts too."""
        self.done += count
        now = time.monotonic()
        if not self._points or now - self._points[-1][0] >= POINT_SECONDS:
            self._points.append((now, self.done))
        # The oldest point stays until the next one is old too.
        while len(self._points) > 2 and now - self._points[1][0] > RATE_SECONDS:
            self._points.popleft()
        self._tell(now)

    def skip(self, count: float) -> None:
        """Add what need not be done, or was done before; it says nothing of the time that the rest takes."""
        if not count:
            return
        self.done += count
        self._points = deque((when, done + count) for when, done in self._points)
        self._tell(time.monotonic())

    def seconds_left(self) -> float | None:
        """Seconds that the rest will take; ``None``: not known yet."""
        if not self._points:
            return None
        when, done = self._points[0]
        elapsed = time.monotonic() - when
        return None if self.done <= done or elapsed <= 0 else elapsed / (self.done - done) * (self.total - self.done)

    def part(self, share: float) -> Progress:
        """For work whose units are each such a share of a unit here, as one of several passes over frames."""
        return _Part(self, share)

    def _tell(self, now: float) -> None:
        if self._bar is not None:
            self._bar.update(int(self.done) - self._bar.n)
            return
        if now - self.told > LINE_SECONDS or self.done == self.total:
            self.told = now
            left = self.seconds_left() if self.done < self.total else None
            remaining = '' if left is None else f', {left:.0f} s left'
            print(f'{int(self.done)} of {self.total} {self.unit}{remaining}', flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()


class _Part(Progress):
    def __init__(self, whole: Progress, share: float) -> None:
        self._whole, self._share = whole, share

    def update(self, count: float = 1) -> None:
        self._whole.update(self._share * count)

    def skip(self, count: float) -> None:
        self._whole.skip(self._share * count)
