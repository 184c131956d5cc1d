"""The global random generators of a process."""

import random
from collections.abc import Sequence

import numpy as np
import torch


def random_state() -> dict:
    """State of Python's, NumPy's and PyTorch's generators, of this device's too on CUDA, as values for a checkpoint."""
    kind, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002 - code of others draws from it
    version, numbers, gauss = random.getstate()
    return {
        'python': [version, list(numbers), gauss],
        'numpy': [kind, keys.tolist(), int(position), int(has_gauss), float(cached)],
        'torch': torch.get_rng_state(),
        'cuda': torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def set_random_state(state: dict) -> None:
    """Continue where :func:`random_state` was taken.

    Args:
        state: as that function returns it; a state without CUDA leaves CUDA's generator alone.

    Raises:
        KeyError: if a generator is missing.
        ValueError: if a generator does not take its state (NumPy's and Python's also raise ``TypeError``).
    """
    version, numbers, gauss = state['python']
    random.setstate((version, tuple(numbers), gauss))
    kind, keys, *rest = state['numpy']
    np.random.set_state((kind, np.array(keys, np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state['torch'].cpu())
    if state['cuda'] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())


def seed_all(seed: Sequence[int]) -> None:
    """Seed all three generators of the CPU by numbers that belong together, such as seed, epoch and window.

    Args:
        seed: of any length, each >= 0.
    """
    first, second = np.random.SeedSequence(seed).generate_state(2, np.uint64).tolist()
    random.seed(first)
    np.random.seed(second & 0xFFFFFFFF)  # noqa: NPY002
    # Not torch.manual_seed, which would look for a GPU in a worker.
    torch.default_generator.manual_seed(second)
