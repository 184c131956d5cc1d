"""Change the sample rate of sound that comes piece by piece."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..errors import MediaError

# Weights of the filter, one for each pair of phases of the two rates.
MAX_FILTER = 150_000_000
# Samples that are filtered at once.
BLOCK = 1 << 16


class Resampler:
    """``torchaudio.functional.resample``, with its default filter, of a sound that comes piece by piece.

    What ``push`` and ``flush`` return, joined, is the resampled whole; only as much sound is kept as the filter is
    long.

    Args:
        native_rate: of the sound that comes, in Hz.
        rate: of the result, in Hz.

    Raises:
        MediaError: the rates have so small a common divisor that the filter is too long.

    Examples:
        >>> resampler = Resampler(48000, 16000)
        >>> len(resampler.push(np.zeros(4800))), len(resampler.flush())
        (1593, 7)
    """

    def __init__(self, native_rate: int, rate: int) -> None:
        divisor = math.gcd(native_rate, rate)
        self._old, self._new = native_rate // divisor, rate // divisor
        if self._old * self._new > MAX_FILTER:
            raise MediaError(f'no resampling from {native_rate} to {rate} Hz; expected rates with a common divisor')
        self._buffer: np.ndarray | None = None
        self._received = self._given = 0
        if self._old != self._new:
            import torch
            from torchaudio.transforms import Resample

            # ``functional.resample`` computes the filter in the type of the sound: the same here.
            filter_ = Resample(self._old, self._new, dtype=torch.float32)
            self._width = filter_.width
            kernel = filter_.kernel[:, 0].numpy()
            self._length = kernel.shape[1]
            # Of each phase only the taps that are not zero.
            used = np.abs(kernel) > 1e-10 * np.abs(kernel).max()
            first = used.argmax(axis=1)
            self._taps = int((self._length - used[:, ::-1].argmax(axis=1) - first).max())
            self._first = np.minimum(first, self._length - self._taps)
            taps = self._first[:, None] + np.arange(self._taps)
            self._weights = np.take_along_axis(kernel, taps, axis=1).T[..., None].copy()

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take the next samples.

        Args:
            samples: ``(n,)`` or ``(channels, n)``, float32; ``n`` may differ from call to call.

        Returns:
            ``(m,)`` or ``(channels, m)``, float32: all samples that nothing to come can change.
        """
        samples = np.asarray(samples, dtype=np.float32)
        if self._old == self._new:
            return samples
        if self._buffer is None:
            self._buffer = np.zeros((*samples.shape[:-1], self._width), np.float32)
        self._received += samples.shape[-1]
        parts = [samples[..., :0]]
        for start in range(0, samples.shape[-1], BLOCK):
            parts.append(self._filtered(samples[..., start : start + BLOCK]))
        return parts[1] if len(parts) == 2 else np.concatenate(parts, axis=-1)

    def flush(self) -> np.ndarray:
        """End the sound: return the last samples ``(m,)`` or ``(channels, m)``, and begin anew."""
        if self._buffer is None:
            return np.empty(0, np.float32)
        rest = -(-self._received * self._new // self._old) - self._given
        silence = np.zeros((*self._buffer.shape[:-1], self._width + self._old), np.float32)
        last = self._filtered(silence)[..., :rest].copy()
        self._buffer = None
        self._received = self._given = 0
        return last

    def _filtered(self, samples: np.ndarray) -> np.ndarray:
        """Whole periods of the result. The buffer begins where the filter of the next period does."""
        buffer = np.concatenate((self._buffer, samples), axis=-1)
        periods = max((buffer.shape[-1] - self._length) // self._old + 1, 0)
        self._buffer = buffer[..., periods * self._old :].copy()
        self._given += periods * self._new
        result = np.zeros((*buffer.shape[:-1], self._new, periods), np.float32)
        if periods:
            spans = sliding_window_view(buffer, self._length, axis=-1)[..., :: self._old, :]
            spans = np.ascontiguousarray(np.swapaxes(spans, -1, -2))
            product = np.empty_like(result)
            # Tap by tap, in one thread: the same bits whatever the pieces, and no waiting for busy cores.
            for tap, weights in enumerate(self._weights):
                np.take(spans, self._first + tap, axis=-2, out=product, mode='clip')
                product *= weights
                result += product
        return np.swapaxes(result, -1, -2).reshape(*buffer.shape[:-1], periods * self._new)
