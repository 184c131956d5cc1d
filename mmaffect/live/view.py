"""How a live trace is shown: a line of a terminal, plain lines in a log, a window."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import TextIO

import numpy as np

from ..errors import ConfigError
from ..structures import AFFECT
from .loop import LiveStep

BARS = '▁▂▃▄▅▆▇█'
SHORT = 16
LINE_SECONDS = 5.0
BEHIND_SECONDS = 10.0


def spark(values: np.ndarray) -> str:
    """Values in [-1, 1] as a line of bars.

    Examples:
        >>> spark(np.array([-1.0, 0.0, 0.5, 1.0]))
        '▁▅▇█'
    """
    steps = np.clip((np.asarray(values) + 1) / 2 * len(BARS), 0, len(BARS) - 1)
    return ''.join(BARS[int(step)] if step == step else ' ' for step in steps)


class TextView:
    """One line that changes on a terminal; elsewhere a plain line now and then.

    Args:
        targets: columns of affect.
        presence: what is told of, of ``'face'`` and ``'voice'``.
        stream: where it is written; by default standard output.
        every: seconds between two plain lines.
        clock: seconds.
    """

    def __init__(
        self,
        targets: tuple[str, ...] = AFFECT,
        presence: tuple[str, ...] = ('face', 'voice'),
        stream: TextIO | None = None,
        every: float = LINE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.targets, self.presence, self.every = targets, presence, every
        self._stream = sys.stdout if stream is None else stream
        self._clock = clock
        self._terminal = self._stream.isatty()
        self._past: deque[np.ndarray] = deque(maxlen=SHORT)
        self._latest: LiveStep | None = None
        self._latency: float | None = None
        self._told = self._told_behind = -np.inf
        self._dropped = 0

    def show(self, step: LiveStep) -> bool:
        """Show a step; always True: go on."""
        if len(step.values):
            self._latest = step
            self._past.append(step.values.affect.mean(axis=0))
            self._latency = step.latency
        now = self._clock()
        if step.dropped > self._dropped and now - self._told_behind >= BEHIND_SECONDS:
            self.say(f'falls behind: {step.dropped} frames dropped so far; a larger --hop or --every costs less')
            self._dropped, self._told_behind = step.dropped, now
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f'\r{self.line(step, bars=True)[:width]:{width}}')
            self._stream.flush()
        elif self._latest is not None and now - self._told >= self.every:
            self._told = now
            self.say(self.line(step, bars=False))
        return True

    def say(self, text: str) -> None:
        """Write a line of its own."""
        if self._terminal:
            self._stream.write(f'\r{" " * (shutil.get_terminal_size().columns - 1)}\r')
        self._stream.write(f'{text}\n')
        self._stream.flush()

    def line(self, step: LiveStep, bars: bool) -> str:
        """What is known, in one line."""
        if self._latest is None:
            return f'{step.now:.1f} s  no values yet'
        values = self._latest.values
        parts = [f'{values.times[-1]:.1f} s']
        for k, target in enumerate(self.targets):
            past = f' {spark(np.array([one[k] for one in self._past]))}' if bars else ''
            parts.append(f'{target} {values.affect[-1, k]:+.2f}{past}')
        parts += [name if getattr(values, name)[-1] else f'no {name}' for name in self.presence]
        if self._latency is not None:
            parts.append(f'latency {self._latency:.2f} s')
        parts.append(f'dropped {step.dropped}')
        return '  '.join(parts)

    def close(self) -> None:
        """End the line."""
        if self._terminal:
            self._stream.write('\n')
            self._stream.flush()


class WindowView:
    """The newest picture in a window of OpenCV, with its face and values; ``q`` or Esc ends.

    Args:
        title: of the window.

    Raises:
        ConfigError: if there is no display, or this OpenCV has no windows.
    """

    def __init__(self, title: str = 'mmaffect') -> None:
        # Without a display the libraries beneath OpenCV end the process.
        if sys.platform.startswith('linux') and not (os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')):
            raise ConfigError('--window: there is no display here (DISPLAY is not set); leave it out')
        import cv2

        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL)
        except cv2.error:
            raise ConfigError('--window: this OpenCV has no windows; install opencv-python, or leave it out') from None
        self._title = title
        self._step: LiveStep | None = None

    def show(self, step: LiveStep) -> bool:
        """Show a step; False: the user wants to end."""
        import cv2

        if len(step.values):
            self._step = step
        if step.frame is not None:
            cv2.imshow(self._title, draw(step.frame, self._step)[..., ::-1])
        return cv2.waitKey(1) & 0xFF not in (ord('q'), 27)

    def close(self) -> None:
        """Close the window."""
        import cv2

        cv2.destroyWindow(self._title)


def draw(frame: np.ndarray, step: LiveStep | None) -> np.ndarray:
    """A picture with the box of the face and the newest values.

    Args:
        frame: ``(H, W, 3)`` uint8, RGB; it stays as it is.
        step: the newest that has values; ``None`` before there are any.

    Returns:
        The same shape.
    """
    import cv2

    picture = np.ascontiguousarray(frame).copy()
    if step is None:
        return picture
    values = step.values
    if np.isfinite(values.box[-1]).all():
        x, y, width, height = np.rint(values.box[-1]).astype(int).tolist()
        cv2.rectangle(picture, (x, y), (x + width, y + height), (255, 255, 255), 1)
    # The plane of valence and arousal in the lower left corner.
    side = max(16, min(picture.shape[:2]) // 4)
    left, top = 4, picture.shape[0] - side - 4
    plane = picture[top : top + side, left : left + side]
    plane //= 3
    cv2.line(picture, (left, top + side // 2), (left + side - 1, top + side // 2), (160, 160, 160), 1)
    cv2.line(picture, (left + side // 2, top), (left + side // 2, top + side - 1), (160, 160, 160), 1)
    affect = values.affect[-1]
    if len(affect) == len(AFFECT) and np.isfinite(affect).all():
        at = (left + round((affect[0] + 1) / 2 * (side - 1)), top + round((1 - affect[1]) / 2 * (side - 1)))
        cv2.circle(picture, (int(at[0]), int(at[1])), max(2, side // 16), (255, 200, 0), -1)
    return picture
