"""Figures of the validation by which a run decides."""

import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Literal

from ..errors import ConfigError

Rule = Literal['greater', 'less']


def check_rule(owner: str, rule: str) -> None:
    """Raise :class:`ConfigError` unless ``rule`` is ``'greater'`` or ``'less'``."""
    if rule not in ('greater', 'less'):
        raise ConfigError(f"{owner}: rule={rule!r}; expected 'greater' or 'less'")


def monitored(metrics: Mapping[str, float], monitor: str, owner: str, argument: str = 'monitor') -> float:
    """A figure of the validation.

    Args:
        metrics: all figures by name.
        monitor: name of the one.
        owner: name of the class that asks, for the error.
        argument: of it, that names the figure.

    Raises:
        ConfigError: if the validation does not give it, with the nearest name.
    """
    if monitor not in metrics:
        close = get_close_matches(monitor, metrics, n=1, cutoff=0.5)
        hint = f'did you mean {close[0]!r}?' if close else f'it gives {", ".join(sorted(metrics))}'
        raise ConfigError(f'{owner}: {argument}={monitor!r}: no such figure of the validation; {hint}')
    return float(metrics[monitor])


def is_better(value: float, best: float | None, rule: Rule = 'greater', min_delta: float = 0.0) -> bool:
    """Whether a figure is better than the best so far.

    Args:
        value: the figure; NaN is never better.
        best: ``None`` if there is none.
        rule: which figure is better.
        min_delta: an improvement is larger than this.

    Examples:
        >>> is_better(-0.1, -0.2), is_better(0.3, 0.2, min_delta=0.2), is_better(float('nan'), None)
        (True, False, False)
    """
    if math.isnan(value) or best is None:
        return not math.isnan(value)
    return value > best + min_delta if rule == 'greater' else value < best - min_delta
