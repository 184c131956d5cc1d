"""Smoothing of predicted curves over time."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from ...errors import ConfigError

SmoothingMethod = Literal['mean', 'median', 'gaussian']
Ends = Literal['shrink', 'zero']
MAX_WIDTH = 10_000
# Values of the windows that a median copies at a time: 16 MiB.
BLOCK = 1 << 21


def smooth(
    curves: np.ndarray,
    width: int | Sequence[int],
    method: SmoothingMethod = 'mean',
    ends: Ends = 'shrink',
) -> np.ndarray:
    """Replace each frame by the mean, the median or a Gaussian mean of the frames around it.

    The window of frame i is ``[i - width // 2, i - width // 2 + width)``: an even width looks one frame further back.
    The RJCA code smooths with ``width=(20, 50)``, ``method='mean'``, ``ends='zero'``, which is
    ``scipy.ndimage.uniform_filter1d(..., mode='constant')`` and draws the first and last frames towards 0.

    Args:
        curves: ``(T, k)``.
        width: frames, 1 (which changes nothing) to 10000; one for all targets or one for each. It may exceed T.
        method: ``'gaussian'`` has a standard deviation of ``width / 6`` frames.
        ends: ``'shrink'`` leaves out of a window what lies outside the trial; ``'zero'`` takes it for 0.

    Returns:
        ``(T, k)`` float64. A frame that is not finite makes all frames NaN whose window holds it.

    Raises:
        ConfigError: if there is no such method, or a width is no integer in that range, or their number is wrong.

    Examples:
        >>> smooth([[0.0], [3.0], [0.0]], 3).ravel().tolist()
        [1.5, 1.0, 1.5]
    """
    curves = np.asarray(curves, np.float64)
    if curves.ndim != 2:
        raise ConfigError(f'smoothing: curves of shape {curves.shape}; expected (frames, targets)')
    for name, value, allowed in (('method', method, SmoothingMethod), ('ends', ends, Ends)):
        if value not in get_args(allowed):
            raise ConfigError(f'smoothing: {name}={value!r}; expected one of {", ".join(map(repr, get_args(allowed)))}')
    widths = _widths(width, curves.shape[1])
    if not curves.size:
        return curves.copy()
    smoothed = [
        _median(curve, one, ends) if method == 'median' else _mean(curve, _kernel(one, method), ends)
        for curve, one in zip(curves.T, widths, strict=True)
    ]
    return np.stack(smoothed, axis=1)


def _widths(width: int | Sequence[int], targets: int) -> list[int]:
    widths = list(width) if isinstance(width, Sequence) else [width] * targets
    if len(widths) != targets:
        raise ConfigError(f'smoothing: width={width!r}, {len(widths)} numbers; expected one, or {targets}')
    for one in widths:
        if not isinstance(one, int | np.integer) or not 1 <= one <= MAX_WIDTH:
            raise ConfigError(f'smoothing: width={width!r}; expected integers of 1 to {MAX_WIDTH}')
    return widths


def _kernel(width: int, method: SmoothingMethod) -> np.ndarray:
    if method == 'mean':
        return np.full(width, 1 / width)
    weights = np.exp(-0.5 * ((np.arange(width) - width // 2) / (width / 6)) ** 2)
    return weights / weights.sum()


def _mean(curve: np.ndarray, kernel: np.ndarray, ends: Ends) -> np.ndarray:
    smoothed = _correlate(curve, kernel)
    return smoothed if ends == 'zero' else smoothed / _correlate(np.ones(len(curve)), kernel)


def _correlate(curve: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    first = len(kernel) - 1 - len(kernel) // 2
    return np.convolve(curve, kernel[::-1])[first : first + len(curve)]


def _median(curve: np.ndarray, width: int, ends: Ends) -> np.ndarray:
    before = width // 2
    padded = np.pad(curve, (before, width - 1 - before))
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    frames = BLOCK // width
    blocks = [windows[start : start + frames] for start in range(0, len(windows), frames)]
    smoothed = np.concatenate([np.median(block, axis=1) for block in blocks])
    if ends == 'shrink':
        for frame in range(len(curve)):
            first = frame - before
            if first < 0 or first + width > len(curve):
                smoothed[frame] = np.median(curve[max(first, 0) : first + width])
    return smoothed
