"""Cores for decoder and detector beside PyTorch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cores_left() -> Iterator[None]:
    """Halve PyTorch's threads in a block in which pictures or sounds are decoded beside its work.

    Its threads wait for each other at every layer: one that has to share its core with a decoder delays all of them.
    Whoever sets ``OMP_NUM_THREADS`` has decided.
    """
    import torch

    before = torch.get_num_threads()
    if 'OMP_NUM_THREADS' not in os.environ:
        torch.set_num_threads(max(1, before // 2))
    try:
        yield
    finally:
        torch.set_num_threads(before)
