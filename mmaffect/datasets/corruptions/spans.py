"""Spans of time that are drawn for a corruption."""

import numpy as np

# Seconds from one span to the next, in the mean.
PERIOD = 8.0


def draw_spans(rng: np.random.Generator, start: float, stop: float, share: float, period: float = PERIOD) -> np.ndarray:
    """Spans that cover a share of the time, a span in each of several cells of uneven length.

    With the same state of ``rng`` the spans of a smaller share lie within those of a larger one.

    Args:
        rng: where the draws come from; their number does not depend on ``share``.
        start, stop: the whole, seconds.
        share: of the time, in [0, 1].
        period: mean length of a cell, seconds.

    Returns:
        ``(n, 2)`` float64: start and end of each span, ascending, seconds.

    Examples:
        >>> spans = draw_spans(np.random.default_rng(0), 0.0, 40.0, 0.25)
        >>> spans.shape, round(float(np.diff(spans).sum()), 6)
        ((5, 2), 10.0)
    """
    cells = max(round((stop - start) / period), 1)
    lengths = rng.uniform(0.5, 1.5, cells)
    lengths *= (stop - start) / lengths.sum()
    begins = start + np.cumsum([0.0, *lengths[:-1]])
    first = begins + rng.random(cells) * (1 - share) * lengths
    return np.stack([first, first + share * lengths], axis=1)


def within(times: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """``(n,)`` bool: which of the times ``(n,)``, ascending or not, lie within spans ``[start, end)``.

    Examples:
        >>> within(np.array([0.0, 1.0, 2.0]), np.array([[0.5, 2.0]]))
        array([False,  True, False])
    """
    place = np.searchsorted(spans[:, 0], times, side='right') - 1
    return (place >= 0) & (times < spans[place, 1])
