"""Windows that follow a recording while it grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from torch import nn

from ..inference.windows import FrameFeatures, Window, delayed_window, gather, run_windows

Prediction = tuple[np.ndarray, dict[str, np.ndarray]]


class StreamWindows:
    """Predicts what the features of the frames so far settle, by the schedule ``'delayed'`` of :func:`plan_windows`.

    Args:
        model: an :class:`mmaffect.models.AffectEstimator` in evaluation mode.
        length: frames of a window, L; the features of so many are kept.
        hop: frames between two windows.
        delay: frames between the newest frame and the newest value.
        amp: bfloat16 autocast.

    Attributes:
        known: frames whose features came.
        given: frames whose values were given.
    """

    def __init__(self, model: nn.Module, length: int, hop: int, delay: int, amp: bool = False) -> None:
        self.model, self.length, self.hop, self.delay, self.amp = model, length, hop, delay, amp
        self.known = self.given = 0
        self._values: dict[str, np.ndarray] = {}
        self._present: dict[str, np.ndarray] = {}
        self._any_before: dict[str, bool] = {}

    def ends_at(self, frames: int) -> bool:
        """Whether a window ends when so many frames are known."""
        return frames > self.delay and (frames - self.delay) % self.hop == 0

    def extend(
        self,
        values: Mapping[str, np.ndarray],
        present: Mapping[str, np.ndarray],
        beyond: Sequence[np.ndarray | None],
    ) -> list[Prediction]:
        """Take the features of the next n frames.

        Args:
            values: by modality, ``(n, d)`` float32.
            present: by modality, ``(n,)`` bool, as of :class:`FrameFeatures`.
            beyond: n times ``(b, d)``, visual features of the black faces that would follow the frame; needed of a
                frame at which a window of fewer than L frames ends.

        Returns:
            By window, affect ``(m, k)`` and shares ``(m,)`` by gate of the m frames that follow those given before.
        """
        for name, new in values.items():
            self._values[name] = np.concatenate((self._values[name], new)) if name in self._values else new
            kept = self._present.get(name, np.zeros(0, bool))
            self._present[name] = np.concatenate((kept, present[name]))
        count = len(beyond)
        ends = [end for end in range(self.known + 1, self.known + count + 1) if self.ends_at(end)]
        windows = [
            delayed_window((end - self.delay) // self.hop - 1, self.length, self.hop, self.delay) for end in ends
        ]
        short = [window for window in windows if window.real < self.length]
        full = windows[len(short) :]
        before = self.known
        self.known += count
        found = [one for window in short for one in self._run([window], beyond[window.seen - before - 1])]
        found += self._run(full, None)
        self._shorten()
        return found

    def end(self, beyond: np.ndarray | None) -> list[Prediction]:
        """The values of the frames that are left at the end; ``beyond`` as of ``extend``, of the last frame."""
        if self.given == self.known:
            return []
        last = delayed_window(self.given // self.hop, self.length, self.hop, self.delay, ended=self.known)
        return self._run([last], beyond)

    def _run(self, windows: Sequence[Window], beyond: np.ndarray | None) -> list[Prediction]:
        if not windows:
            return []
        base = self.known - len(next(iter(self._values.values())))
        features = {}
        for name, values in self._values.items():
            present = self._present[name]
            if name == 'visual' and self._any_before.get(name):
                present = np.concatenate((np.ones(1, bool), present[1:]))
            features[name] = FrameFeatures(values, present, beyond if name == 'visual' else None)
        moved = [replace(window, start=window.start - base, seen=window.seen - base) for window in windows]
        affect, gates = run_windows(self.model, *gather(features, moved, self.length), amp=self.amp)
        found = []
        for i, window in enumerate(windows):
            part = slice(window.first, window.last)
            found.append((affect[i, part], {name: share[i, part] for name, share in gates.items()}))
            self.given += window.last - window.first
        return found

    def _shorten(self) -> None:
        for name, values in self._values.items():
            surplus = len(values) - self.length
            if surplus > 0:
                present = self._present[name]
                self._any_before[name] = bool(self._any_before.get(name) or present[:surplus].any())
                self._values[name] = values[surplus:].copy()
                self._present[name] = present[surplus:].copy()
