"""White and pink noise that comes piece by piece."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

Colour = Literal['white', 'pink']
# Root mean square: far above what a front end takes for silence.
STRENGTH = 0.1
# Samples of a piece.
PIECE = 1 << 16
# Hz; pink noise would have as much power in every octave below.
LOWEST = 20.0


def draw_noise(rng: np.random.Generator, samples: int, rate: int, colour: Colour) -> Iterator[np.ndarray]:
    """Pieces ``(n,)`` float32 of Gaussian noise with a root mean square of about 0.1, together ``samples`` long.

    Args:
        rng: where the draws come from.
        samples: length of the whole.
        rate: Hz.
        colour: ``'white'``, or ``'pink'``: the same power in every octave from 20 Hz on.
    """
    pieces = _white(rng) if colour == 'white' else _pink(rng, rate)
    for start in range(0, samples, PIECE):
        yield next(pieces)[: samples - start]


def _white(rng: np.random.Generator) -> Iterator[np.ndarray]:
    while True:
        yield STRENGTH * rng.standard_normal(PIECE, np.float32)


def _pink(rng: np.random.Generator, rate: int) -> Iterator[np.ndarray]:
    """Blocks with a falling spectrum, each blended into the next: the squares of a sine window add up to 1."""
    frequencies = np.fft.rfftfreq(2 * PIECE, 1 / rate)
    shape = np.zeros(len(frequencies), np.float32)
    heard = frequencies >= LOWEST
    shape[heard] = 1 / np.sqrt(frequencies[heard])
    shape *= STRENGTH * PIECE / np.sqrt(np.sum(shape**2))
    window = np.sin(np.pi * (np.arange(2 * PIECE) + 0.5) / (2 * PIECE)).astype(np.float32)
    tail = None
    while True:
        real, imaginary = rng.standard_normal((2, len(shape)), np.float32) * shape
        block = window * np.fft.irfft(real + 1j * imaginary).astype(np.float32)
        if tail is not None:
            yield tail + block[:PIECE]
        tail = block[PIECE:]
