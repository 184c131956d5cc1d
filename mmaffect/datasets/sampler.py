"""Sampling of windows whose random draws depend on seed, epoch and window alone."""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from mmengine.dataset import DefaultSampler
from torch.utils.data import Dataset

from ..registry import DATA_SAMPLERS


class SeededIndex(NamedTuple):
    """Index of a window, and the seed of everything that is drawn for it."""

    index: int
    seed: tuple[int, ...]


@DATA_SAMPLERS.register_module()
class WindowSampler(DefaultSampler):
    """:class:`mmengine.dataset.DefaultSampler` that yields :class:`SeededIndex`.

    The seed is (seed of the run, epoch, index), so that crop and flip of a window are the same for any number of
    workers and ranks, and after a resume.

    Args:
        dataset: whose indices are drawn.
        shuffle: draw them in a random order.
        reshuffle: another order in every epoch; else that of the first one, so that an epoch has the batches of any
            other (released LFAN and GRJCA code), only cropped and flipped in another way.
        seed: of the order and of what is drawn for a window; a Runner gives its own.
        round_up: repeat windows so that every rank has the same number.

    Attributes:
        skip: windows of this rank that the next pass leaves out, without reading them; then 0 again.
    """

    def __init__(
        self,
        dataset: Dataset,
        shuffle: bool = True,
        reshuffle: bool = True,
        seed: int | None = None,
        round_up: bool = True,
    ) -> None:
        super().__init__(dataset, shuffle=shuffle, seed=seed, round_up=round_up)
        self.reshuffle = reshuffle
        self.skip = 0

    def __iter__(self) -> Iterator[SeededIndex]:
        epoch, skip = self.epoch, self.skip
        self.skip = 0
        self.epoch = epoch if self.reshuffle else 0
        try:
            indices = super().__iter__()
        finally:
            self.epoch = epoch
        return (SeededIndex(index, (self.seed, epoch, index)) for index in islice(indices, skip, None))
