"""The strip below a video: traces up to now, who is there, the plane of valence and arousal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..structures import AFFECT
from .lettering import Colour, text_size, write_line

if TYPE_CHECKING:
    from ..traces.trace import Trace

GROUND: Colour = (18, 20, 24)
PANEL: Colour = (30, 33, 39)
LINES: Colour = (78, 84, 94)
SMALL: Colour = (160, 166, 176)
BRIGHT: Colour = (240, 242, 245)
TARGETS: dict[str, Colour] = {'valence': (86, 180, 233), 'arousal': (255, 152, 84)}
PRESENCE: dict[str, Colour] = {'face': (214, 139, 178), 'voice': (46, 190, 140)}
FACES: tuple[Colour, ...] = (
    (86, 180, 233), (255, 152, 84), (46, 190, 140), (214, 139, 178), (240, 228, 66), (190, 160, 255), (230, 90, 90),
)  # fmt: skip
WARNING: Colour = (255, 200, 90)
SHORT_NOTICE = 'Perceived expression, not what a person feels.'
SHORT_SYNTHETIC_NOTICE = 'Model of a synthetic corpus: values on people mean nothing.'
# Fractions of a pixel that OpenCV takes as bits.
SHIFT = 4
TAIL = 2.0


class Strip:
    """Draws what stands below the picture of every frame.

    The curves of a page, ``seconds`` long, are drawn once; a frame copies them up to its own time.

    Args:
        traces: one a face, of equal times and targets.
        width: of the picture, pixels.
        seconds: of a page; a shorter recording fills the width.
    """

    def __init__(self, traces: Sequence[Trace], width: int, seconds: float) -> None:
        self.traces = traces
        self.times = traces[0].times
        self.targets = traces[0].targets
        self.width = width
        self.unit = float(np.clip(width / 640, 0.6, 2.2))
        self.font = max(9, round(13 * self.unit))
        self.small = max(8, round(10 * self.unit))
        self.colours = [FACES[k % len(FACES)] for k in range(len(traces))]
        steps = np.diff(self.times)
        whole = self.times[-1] - self.times[0] + (float(np.median(steps)) if len(steps) else 0.0)
        self.seconds = max(min(seconds, whole), 1e-3)
        self._lay_out()
        self._page = -1
        self._past = self._future = np.empty(0)

    def _lay_out(self) -> None:
        """Places of the parts, in pixels from the upper left corner of the strip."""
        gap = self.gap = max(3, round(6 * self.unit))
        panel = max(34, round(52 * self.unit))
        label = text_size('0', self.font)[1]
        self.band = max(4, round(6 * self.unit))
        names = [name for name in PRESENCE if f'{name}_unknown' not in self.traces[0].flags]
        # Of several faces each has a row of its own.
        self.bands = [(name, k) for name in names for k in range(len(self.traces) if name == 'face' else 1)]
        left = gap + max(text_size(name, self.small)[0] for name in (*PRESENCE, '+1')) + gap
        self.panels = []
        y = gap
        for target in self.targets:
            self.panels.append((target, y + label, panel))
            y += label + panel + gap // 2
        y += gap // 2
        self.band_tops = []
        for name, k in self.bands:
            self.band_tops.append(y)
            last = name != 'face' or k == len(self.traces) - 1
            row = max(self.band, text_size(name, self.small)[1]) if last and k == 0 else self.band
            y += row + (gap // 2 if last else 1)
        has_plane = set(self.targets) == set(AFFECT)
        side = max(min(y - gap - gap // 2, self.width // 3), 1) if has_plane else 0
        self.plane = (self.width - gap - side, gap, side)
        self.left, self.right = left, self.width - gap - (side + gap if has_plane else 0)
        notice = SHORT_NOTICE
        if any(trace.header.get('synthetic') for trace in self.traces):
            notice += f' {SHORT_SYNTHETIC_NOTICE}'
        self.clock_top = y
        taken = text_size(self._clock(len(self.times) - 1), self.small)[0] + 2 * gap
        letters = max(12, int((self.width - taken - 2 * gap) / max(text_size('n', self.small)[0], 1)))
        self.notice = textwrap.wrap(notice, letters)
        self.notice_left = gap + taken
        self.line = text_size('0', self.small)[1]
        self.height = y + self.line * len(self.notice) + gap // 2

    def draw(self, picture: np.ndarray, index: int) -> None:
        """Draw the strip of a frame.

        Args:
            picture: uint8 ``(height, width, 3)``, RGB, changed in place.
            index: of the frame.
        """
        import cv2

        time = float(self.times[index])
        page = max(0, int((time - self.times[0]) / self.seconds + 1e-9))
        if page != self._page:
            self._draw_page(page)
        x = int(np.rint(self._x(time)))
        picture[:, : x + 1] = self._past[:, : x + 1]
        picture[:, x + 1 :] = self._future[:, x + 1 :]
        picture[:, self.right + 1 :] = self._past[:, self.right + 1 :]
        for k, (target, top, height) in enumerate(self.panels):
            cv2.line(picture, (x, top), (x, top + height - 1), BRIGHT, max(1, round(self.unit)))
            self._draw_values(picture, index, k, target, top)
        if self.plane[2]:
            self._draw_point(picture, index)
        write_line(picture, self._clock(index), self.gap, self.clock_top, self.small, SMALL)

    def _clock(self, index: int) -> str:
        return f'{clock(self.times[index])} / {clock(self.times[-1])}'

    def _x(self, time: float | np.ndarray) -> np.ndarray:
        start = self.times[0] + self._page * self.seconds
        return self.left + (time - start) / self.seconds * (self.right - 1 - self.left)

    def _draw_page(self, page: int) -> None:
        import cv2

        self._page = page
        empty = np.full((self.height, self.width, 3), GROUND, np.uint8)
        for _, top, height in self.panels:
            cv2.rectangle(empty, (self.left, top), (self.right - 1, top + height - 1), PANEL, -1)
            middle = top + height // 2
            cv2.line(empty, (self.left, middle), (self.right - 1, middle), LINES, 1)
            half = text_size('0', self.small)[1] // 2
            for text, y in (('+1', top), ('−1', top + height - 2 * half)):
                width = text_size(text, self.small)[0]
                write_line(empty, text, self.left - self.gap - width + self.gap // 2, y, self.small, SMALL)
        named = set()
        for (name, _), top in zip(self.bands, self.band_tops, strict=True):
            if name not in named:
                write_line(empty, name, self.gap, top, self.small, SMALL)
            named.add(name)
        for number, line in enumerate(self.notice):
            y = self.clock_top + number * self.line
            write_line(empty, line, self.notice_left, y, self.small, SMALL)
        if self.plane[2]:
            self._draw_plane(empty)
        self._future, self._past = empty, empty.copy()
        start = self.times[0] + page * self.seconds
        # With a neighbour on either side, so that curves reach the edges.
        first = max(0, int(np.searchsorted(self.times, start)) - 1)
        stop = int(np.searchsorted(self.times, start + self.seconds, 'right')) + 1
        for k, (_, top, height) in enumerate(self.panels):
            part = self._past[top : top + height, self.left : self.right]
            for number, trace in enumerate(self.traces):
                values = trace.affect[first:stop, k].astype(np.float64)
                points = np.stack([self._x(self.times[first:stop]) - self.left, (1 - values) / 2 * (height - 1)], 1)
                colour = TARGETS[self.targets[k]] if len(self.traces) == 1 else self.colours[number]
                _draw_curve(part, points, colour, max(1, round(1.6 * self.unit)))
        self._draw_bands(first, stop)

    def _draw_bands(self, first: int, stop: int) -> None:
        times = np.append(self.times, self.times[-1] + self.seconds)[first : stop + 1]
        edges = np.clip(np.rint(self._x(times)).astype(int), self.left, self.right)
        for (name, k), top in zip(self.bands, self.band_tops, strict=True):
            present = getattr(self.traces[k], name)[first:stop]
            y = top + (self.line - self.band) // 2 if len(self.traces) == 1 or name == 'voice' else top
            colour = PRESENCE[name] if len(self.traces) == 1 or name == 'voice' else self.colours[k]
            for left, right in zip(edges[:-1][present], edges[1:][present], strict=False):
                self._past[y : y + self.band, left : max(right, left + 1)] = colour

    def _draw_plane(self, picture: np.ndarray) -> None:
        import cv2

        left, top, side = self.plane
        cv2.rectangle(picture, (left, top), (left + side - 1, top + side - 1), PANEL, -1)
        centre = (left + side // 2, top + side // 2)
        cv2.circle(picture, centre, side // 2 - 2, LINES, 1, cv2.LINE_AA)
        cv2.line(picture, (left, centre[1]), (left + side - 1, centre[1]), LINES, 1)
        cv2.line(picture, (centre[0], top), (centre[0], top + side - 1), LINES, 1)
        letter_width, letter_height = text_size('V', self.small)
        write_line(picture, 'V', left + side - letter_width - 2, centre[1] - letter_height, self.small, SMALL)
        write_line(picture, 'A', centre[0] + 3, top, self.small, SMALL)

    def _draw_point(self, picture: np.ndarray, index: int) -> None:
        import cv2

        left, top, side = self.plane
        part = picture[top : top + side, left : left + side]
        first = int(np.searchsorted(self.times, self.times[index] - TAIL))
        columns = [self.targets.index(target) for target in AFFECT]
        for trace, colour in zip(self.traces, self.colours, strict=True):
            affect = trace.affect[first : index + 1, columns].astype(np.float64)
            points = (affect * (1, -1) + 1) / 2 * (side - 1)
            single = len(self.traces) == 1
            _draw_curve(part, points, SMALL if single else colour, max(1, round(self.unit)))
            if np.isfinite(points[-1]).all():
                place = tuple(np.rint(points[-1] * (1 << SHIFT)).astype(int).tolist())
                radius = round(max(2.5, 4 * self.unit) * (1 << SHIFT))
                cv2.circle(part, place, radius, BRIGHT if single else colour, -1, cv2.LINE_AA, SHIFT)

    def _draw_values(self, picture: np.ndarray, index: int, k: int, target: str, top: int) -> None:
        x, y = self.left, top - text_size('0', self.font)[1]
        colour = TARGETS[target] if len(self.traces) == 1 else BRIGHT
        texts = [(target, colour)]
        if len(self.traces) == 1:
            texts.append((signed(self.traces[0].affect[index, k]), BRIGHT))
        for text, colour in texts:
            write_line(picture[:, : self.right], text, x, y, self.font, colour)
            x += text_size(text, self.font)[0] + self.gap


def signed(value: float) -> str:
    """A value as text of one width.

    Examples:
        >>> signed(0.254), signed(-1.0), signed(float('nan'))
        ('+0.25', '−1.00', '–')
    """
    return '–' if np.isnan(value) else f'{value:+.2f}'.replace('-', '−')


def _draw_curve(picture: np.ndarray, points: np.ndarray, colour: Colour, width: int) -> None:
    """Lines between points ``(n, 2)`` that follow each other, none to or from a NaN."""
    import cv2

    missing = np.flatnonzero(~np.isfinite(points).all(axis=1))
    for part in np.split(points, missing):
        part = part[np.isfinite(part).all(axis=1)]
        if len(part):
            fixed = np.rint(part * (1 << SHIFT)).astype(np.int32)
            cv2.polylines(picture, [fixed[:, None]], False, colour, width, cv2.LINE_AA, SHIFT)


def clock(seconds: float) -> str:
    """Whole seconds as people read them.

    Examples:
        >>> clock(75.9), clock(3600.0)
        ('1:15', '1:00:00')
    """
    minutes, seconds = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02d}:{seconds:02d}' if hours else f'{minutes}:{seconds:02d}'
