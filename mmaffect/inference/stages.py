"""How long each stage of the work takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

STAGES = ('sound', 'detection', 'encoding', 'fusion', 'writing')


class StageTimes(dict[str, float]):
    """Seconds by stage; a stage that runs several times adds up.

    Examples:
        >>> stages = StageTimes()
        >>> with stages.measure('fusion'):
        ...     pass
        >>> list(stages)
        ['fusion']
    """

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add what a block takes."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self[stage] = self.get(stage, 0.0) + time.perf_counter() - start
