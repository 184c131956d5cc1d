"""Global random generators."""

import io
import random

import numpy as np
import pytest
import torch

from mmaffect.utils.random_state import random_state, seed_all, set_random_state


def draws():
    return [random.gauss(0, 1), random.random(), *np.random.randn(3), *torch.rand(3).tolist()]  # noqa: NPY002


def test_a_state_gives_the_same_draws_after_a_round_through_a_file():
    draws()  # an odd number of normal draws leaves one in NumPy's and in Python's store
    file = io.BytesIO()
    torch.save(random_state(), file)
    expected = [draws(), draws()]
    file.seek(0)
    set_random_state(torch.load(file, weights_only=True))
    assert [draws(), draws()] == expected


def test_seeds_are_of_all_numbers():
    found = set()
    for seed in [(1, 2, 3), (1, 3, 2), (1, 2, 4), (0, 2, 3), (1, 2)]:
        seed_all(seed)
        found.add(tuple(draws()))
    assert len(found) == 5
    seed_all((1, 2, 3))
    assert tuple(draws()) in found


def test_a_state_that_lacks_a_generator_is_refused():
    state = random_state()
    del state['numpy']
    with pytest.raises(KeyError):
        set_random_state(state)
