"""Sampling of windows whose random draws depend on seed, epoch and window alone."""

from collections.abc import Iterator
from typing import NamedTuple

from mmengine.dataset import DefaultSampler

from ..registry import DATA_SAMPLERS


class SeededIndex(NamedTuple):
    """Index of a window, and the seed of everything that is drawn for it."""

    index: int
    seed: tuple[int, ...]


@DATA_SAMPLERS.register_module()
class WindowSampler(DefaultSampler):
    """:class:`mmengine.dataset.DefaultSampler` that yields :class:`SeededIndex`.

    The seed is (seed of the run, epoch, index), so that crop and flip of a window are the same for any number of
    workers and ranks, and after a resume. Arguments as those of ``DefaultSampler``.
    """

    def __iter__(self) -> Iterator[SeededIndex]:
        for index in super().__iter__():
            yield SeededIndex(index, (self.seed, self.epoch, index))
