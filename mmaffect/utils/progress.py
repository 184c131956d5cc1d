"""Progress of long work: a bar on a terminal, now and then a plain line in a log."""

import sys
import time
from types import TracebackType

LINE_SECONDS = 30.0


class Progress:
    """Shows how much is done and how long the rest will take.

    Args:
        total: amount of work.
        unit: what is counted, in the plural.
        done: amount that an earlier run has done.
    """

    def __init__(self, total: int, unit: str, done: int = 0) -> None:
        self.total, self.unit, self.first, self.done = total, unit, done, done
        self.start = self.told = time.monotonic()
        self._bar = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, initial=done, unit=f' {unit}', dynamic_ncols=True)

    def update(self, count: int = 1) -> None:
        """Add what was done since."""
        self.done += count
        if self._bar is not None:
            self._bar.update(count)
            return
        now = time.monotonic()
        if now - self.told > LINE_SECONDS or self.done == self.total:
            self.told = now
            left = (now - self.start) / (self.done - self.first) * (self.total - self.done)
            remaining = f', {left:.0f} s left' if self.done < self.total else ''
            print(f'{self.done} of {self.total} {self.unit}{remaining}', flush=True)

    def __enter__(self) -> 'Progress':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
