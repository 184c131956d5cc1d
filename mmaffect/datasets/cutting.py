"""Pieces of a trial's arrays that a window needs; views of the memory maps wherever that is possible."""

import numpy as np

from ..media.log_mel import Align, FrontEnd, patch_starts


def cut_rows(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rows of an array; zeros for numbers outside it.

    Args:
        array: ``(T, ...)``.
        rows: ``(F,)`` int64, ascending.

    Returns:
        ``(F, ...)``; a view where the rows are evenly spaced and all there.

    Examples:
        >>> cut_rows(np.arange(10, 15), np.array([-1, 1, 3, 5]))
        array([ 0, 11, 13,  0])
    """
    step = int(rows[1] - rows[0]) if len(rows) > 1 else 1
    if rows[0] >= 0 and rows[-1] < len(array) and (np.diff(rows) == step).all():
        return array[rows[0] : rows[-1] + 1 : step]
    inside = (rows >= 0) & (rows < len(array))
    out = np.zeros((len(rows), *array.shape[1:]), array.dtype)
    out[inside] = array[rows[inside]]
    return out


def cut_patches(
    logmel: np.ndarray,
    times: np.ndarray,
    length: int,
    front_end: FrontEnd,
    align: Align,
    patch_rows: int,
    first_row: int = 0,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Rows of a spectrogram that the patches of a window touch.

    Args:
        logmel: ``(T_mel, n_mels)``.
        times: ``(n,)`` of the real frames, seconds.
        length: frames of the window with its padding, L.
        front_end: settings of the spectrogram.
        align: where the patch of a frame lies.
        patch_rows: rows of a patch, P.
        first_row: number of the first row in ``logmel``.

    Returns:
        ``logmel (R, n_mels)`` and ``patch_start (L,)`` int64, first row of each patch counted from row 0 of it (may be
        negative or lead beyond); and ``(n,)`` bool, patches that touch the recording.
    """
    rows = patch_starts(times, front_end, align, patch_rows) - first_row
    total = len(logmel)
    first = int(np.clip(rows.min(), 0, max(total - 1, 0)))
    last = int(np.clip(rows.max() + patch_rows, first + 1, max(total, 1)))
    inside = (rows < total) & (rows + patch_rows > 0)
    starts = np.pad(rows - first, (0, length - len(rows)), mode='edge')
    return {'logmel': logmel[first:last], 'patch_start': starts}, inside


def cut_waveform(
    waveform: np.ndarray, times: np.ndarray, length: int, rate: int, margin: float
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Stretch of a recording around the frames of a window.

    Args:
        waveform: ``(N,)`` int16.
        times: ``(n,)`` of the real frames, seconds.
        length: frames of the window with its padding, L.
        rate: Hz.
        margin: seconds before the first and after the last frame.

    Returns:
        ``waveform (S,)`` int16 and ``sample (L,)`` int64, the sample of each frame counted from its first (may be
        negative or lead beyond); and ``(n,)`` bool, frames within the recording.
    """
    at = np.rint(times * rate).astype(np.int64)
    side = round(margin * rate)
    total = len(waveform)
    first = int(np.clip(at.min() - side, 0, max(total - 1, 0)))
    last = int(np.clip(at.max() + side + 1, first + 1, max(total, 1)))
    inside = (at >= 0) & (at < total)
    return {'waveform': waveform[first:last], 'sample': np.pad(at - first, (0, length - len(at)), mode='edge')}, inside
