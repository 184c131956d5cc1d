"""Windows of a recording, and what a model says of each frame from the features that its frames have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ..datasets.windows import window_starts
from ..errors import ConfigError

Schedule = Literal['overlap', 'delayed']
SCHEDULES = ('overlap', 'delayed')
BATCH_SIZE = 16


@dataclass(frozen=True)
class Window:
    """One window of a recording.

    Attributes:
        start: its first frame.
        real: frames that it has, without the padding behind them.
        stride: frames of the recording from one frame of the window to the next.
        first: frame of the window from which its values are used.
        last: frame of the window before which they are.
        seen: frames of the recording that are known when it is predicted.
    """

    start: int
    real: int
    stride: int
    first: int
    last: int
    seen: int

    @property
    def frames(self) -> range:
        """Frames of the recording that the window has."""
        return range(self.start, self.start + self.real * self.stride, self.stride)


@dataclass(frozen=True, eq=False)
class FrameFeatures:
    """Features of one modality.

    Attributes:
        values: ``(T, d)`` float32; or a function from a window and its length L to ``(L, d)``, where features depend on
            the window.
        present: ``(T,)`` bool. Of faces: frames that have one, and a window has a picture once any frame so far had
            one, as in training. Of sound: frames whose patch touches it.
        beyond: ``(b, d)``, features of the black faces that follow where a padded window is predicted; the last one
            stands for all further ones. Or a function from the number of frames seen by then to them, since the first
            of them see earlier faces where frames are clips. ``None``: the last feature of the window again, as with
            sound.
    """

    values: np.ndarray | Callable[[Window, int], np.ndarray]
    present: np.ndarray
    beyond: np.ndarray | Callable[[int], np.ndarray] | None = None


def plan_windows(
    num_frames: int, length: int, hop: int, stride: int = 1, schedule: Schedule = 'overlap', delay: int = 0
) -> list[Window]:
    """Windows that give every frame a value.

    ``'overlap'``: the windows of :func:`mmaffect.datasets.windows.window_starts`, whose overlaps are averaged, as in a
    validation. ``'delayed'``: what can be known while a recording is still running. A window ends at the newest frame,
    and gives the values of ``hop`` frames, of which the newest is ``delay`` frames old; until ``length`` frames are
    there, it begins at the first one and is padded. At the end the last window gives what is left.

    Args:
        num_frames: of the recording, T, at least 1.
        length: frames of a window, L.
        hop: frames between two windows, 1 to L.
        stride: frames of the recording from one frame of a window to the next; 1 for ``'delayed'``.
        schedule: one of the two.
        delay: frames, 0 to ``L - hop``; for ``'delayed'``.

    Raises:
        ConfigError: if a number is out of range.

    Examples:
        >>> [(w.start, w.first, w.last) for w in plan_windows(5, 3, 2)]
        [(0, 0, 3), (2, 0, 3)]
        >>> [(w.frames, w.frames[w.first : w.last]) for w in plan_windows(4, 3, 1, schedule='delayed', delay=1)]
        ... # doctest: +NORMALIZE_WHITESPACE
        [(range(0, 2), range(0, 1)), (range(0, 3), range(1, 2)), (range(1, 4), range(2, 3)), (range(1, 4),
        range(3, 4))]
    """
    if schedule not in SCHEDULES:
        raise ConfigError(f'schedule={schedule!r}; expected one of {SCHEDULES}')
    if schedule == 'overlap':
        windows = []
        for start in window_starts(num_frames, length, hop, stride):
            real = min(length, -(-(num_frames - start) // stride))
            windows.append(Window(start, real, stride, 0, real, num_frames))
        return windows
    check_delayed(length, hop, stride, delay)
    full = max(0, num_frames - delay) // hop
    windows = [delayed_window(k, length, hop, delay) for k in range(full)]
    if full * hop < num_frames:
        windows.append(delayed_window(full, length, hop, delay, ended=num_frames))
    return windows


def check_delayed(length: int, hop: int, stride: int, delay: int) -> None:
    """Raise :class:`ConfigError` unless windows of these settings can follow a recording that is still running."""
    if stride != 1:
        raise ConfigError(f'stride={stride}: windows of every frame only can follow a recording; expected 1')
    if not 1 <= hop <= length:
        raise ConfigError(f'hop={hop}; expected 1 to the length of a window, {length}')
    if not 0 <= delay <= length - hop:
        raise ConfigError(f'delay={delay}; expected 0 to {length - hop}: a window of {length} frames, hop {hop}')


def delayed_window(number: int, length: int, hop: int, delay: int, ended: int | None = None) -> Window:
    """The window of schedule ``'delayed'`` that gives ``hop`` frames from frame ``number * hop`` on.

    It can be predicted once ``seen`` frames are there.

    Args:
        number: of the window, from 0.
        length: frames of a window.
        hop: frames between two windows.
        delay: frames between the newest frame and the newest value.
        ended: frames of a recording that has ended before; the window then gives all that are left.
    """
    first = number * hop
    last, seen = (first + hop, first + hop + delay) if ended is None else (ended, ended)
    start = max(0, seen - length)
    return Window(start, seen - start, 1, first - start, last - start, seen)


def gather(
    features: Mapping[str, FrameFeatures], windows: Sequence[Window], length: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Put windows together, padded as training pads short trials.

    Args:
        features: by modality.
        windows: B windows.
        length: frames of a window with its padding, L.

    Returns:
        By modality, ``(B, L, d)`` float32 and masks ``(B, L)`` bool.
    """
    values = {name: np.stack([_padded(one, w, length) for w in windows]) for name, one in features.items()}
    masks = {name: np.stack([_mask(name, one, w, length) for w in windows]) for name, one in features.items()}
    return values, masks


def _padded(features: FrameFeatures, window: Window, length: int) -> np.ndarray:
    if callable(features.values):
        return features.values(window, length)
    known = features.values[window.frames.start : window.frames.stop : window.stride]
    if window.real == length:
        return known
    if features.beyond is None:
        rest = np.broadcast_to(known[-1], (length - window.real, known.shape[1]))
    else:
        # Where a recording goes on, black faces follow all the same.
        beyond = features.beyond(window.seen) if callable(features.beyond) else features.beyond
        at = window.start + window.stride * np.arange(window.real, length) - window.seen
        rest = beyond[np.clip(at, 0, len(beyond) - 1)]
    return np.concatenate((known, rest))


def _mask(name: str, features: FrameFeatures, window: Window, length: int) -> np.ndarray:
    mask = np.zeros(length, bool)
    if name == 'visual':
        mask[: window.real] = features.present[: window.seen].any()
    else:
        mask[: window.real] = features.present[window.frames.start : window.frames.stop : window.stride]
    return mask


@torch.inference_mode()
def run_windows(
    model: nn.Module, values: Mapping[str, np.ndarray], masks: Mapping[str, np.ndarray], amp: bool = False
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Predict a batch of windows from the features of their frames.

    Args:
        model: an :class:`mmaffect.models.AffectEstimator` in evaluation mode.
        values: by modality, ``(B, L, d)`` float32.
        masks: by modality, ``(B, L)`` bool.
        amp: bfloat16 autocast.

    Returns:
        Affect ``(B, L, k)`` float32 in [-1, 1], and by gate, such as ``'audio/iteration_1'``, its share ``(B, L)``
        float32, as :meth:`mmaffect.models.necks.grjca.Gates.shares` tells; none without gates.
    """
    device = next(model.parameters()).device

    def moved(arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        return {name: torch.from_numpy(np.ascontiguousarray(array)).to(device) for name, array in arrays.items()}

    with torch.autocast(device.type, torch.bfloat16, enabled=amp):
        fused, gates = model.fuse(moved(values), moved(masks), return_gates=True)
        # A head without tanh can leave the range of affect.
        affect = model.head(fused).float().clamp(-1, 1).cpu().numpy()
    shares = {} if gates is None else gates.shares()
    return affect, {name: share.float().cpu().numpy() for name, share in shares.items()}


def predict_windows(
    model: nn.Module,
    features: Mapping[str, FrameFeatures],
    windows: Sequence[Window],
    num_frames: int,
    length: int,
    *,
    batch_size: int = BATCH_SIZE,
    amp: bool = False,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Predict every frame of a recording; where windows overlap, their values are averaged.

    Args:
        model: an :class:`mmaffect.models.AffectEstimator` in evaluation mode.
        features: by modality of the model.
        windows: as :func:`plan_windows` gives them.
        num_frames: of the recording, T.
        length: frames of a window, L.
        batch_size: windows at once.
        amp: bfloat16 autocast.

    Returns:
        Affect ``(T, k)`` float64 in [-1, 1], NaN where no window gives a value; and shares ``(T,)`` float32 by gate.
    """
    total, count, shares = None, np.zeros(num_frames), {}
    for begin in range(0, len(windows), batch_size):
        batch = windows[begin : begin + batch_size]
        affect, gates = run_windows(model, *gather(features, batch, length), amp=amp)
        if total is None:
            total = np.zeros((num_frames, affect.shape[2]))
            shares = {name: np.zeros(num_frames) for name in gates}
        for i, window in enumerate(batch):
            used = window.frames[window.first : window.last]
            at, part = slice(used.start, used.stop, used.step), slice(window.first, window.last)
            # In double precision, as a validation averages.
            total[at] += affect[i, part]
            count[at] += 1
            for name, share in gates.items():
                shares[name][at] += share[i, part]
    with np.errstate(invalid='ignore'):
        merged = {name: (share / count).astype(np.float32) for name, share in shares.items()}
        return total / count[:, None], merged
