"""Which trials validate, where nobody has said it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError, CorpusError
from .folds import group_trials


@dataclass(frozen=True)
class SplitDraw:
    """How trials with an annotation are divided, where the table does not tell.

    Args:
        val_share: share of the trials that validate, in (0, 1).
        seed: of the draw.

    Raises:
        ConfigError: if the share is none in (0, 1).
    """

    val_share: float
    seed: int = 3407

    def __post_init__(self) -> None:
        if not 0 < self.val_share < 1:
            raise ConfigError(f'val_share is {self.val_share}; expected a share between 0 and 1')


def draw_validation(trials: Sequence[str], groups: Mapping[str, Sequence[str]], draw: SplitDraw) -> set[str]:
    """Trials that validate: whole groups, drawn until their share is reached as nearly as can be, at least one.

    Args:
        trials: names, in order.
        groups: by trial, what it may not be torn from (subjects, its video).
        draw: share and seed.

    Raises:
        CorpusError: if all trials are of one group.
    """
    parts = group_trials(trials, groups)
    if len(parts) < 2:
        raise CorpusError(
            f'{len(trials)} trials to divide, but they share subjects or videos: expected two groups at least'
        )
    goal, chosen = draw.val_share * len(trials), set()
    for place in np.random.default_rng(draw.seed).permutation(len(parts))[:-1]:
        more = len(chosen) + len(parts[place])
        if not chosen or abs(more - goal) < abs(len(chosen) - goal):
            chosen |= set(parts[place])
    return chosen
