"""A video with its traces drawn in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MediaError
from ..media.writing import write_video
from .lettering import text_size, write_line
from .overlay_strip import FACES, GROUND, PRESENCE, WARNING, Strip, signed

if TYPE_CHECKING:
    from ..inference.recording import Recording
    from ..traces.trace import Trace
    from ..utils.progress import Progress

SAMPLE_RATE = 48000
NARROWEST, WIDEST = 320, 1920
# Of a recording without a picture.
NO_PICTURE = 640


def write_overlay(
    path: str | Path,
    recording: Recording,
    traces: Trace | Sequence[Trace],
    *,
    seconds: float = 30.0,
    crf: int = 23,
    preset: str = 'veryfast',
    progress: Progress | None = None,
) -> Path:
    """Write an mp4 file of a recording: a box around the face, below the picture the traces up to now.

    Sound and the times of the frames stay as they are. Frames are taken one at a time: the memory does not grow with
    the length. Pictures narrower than 320 pixels are enlarged, wider ones than 1920 scaled down.

    Args:
        path: file to write, ``*.mp4``; an existing file is replaced.
        recording: what the traces are of; without a picture only the traces are drawn.
        traces: one, or one for each face.
        seconds: of the page that the traces are drawn on; at its end the next one begins.
        crf, preset: quality and effort of H.264, as in :func:`mmaffect.media.write_video`.
        progress: told of each frame.

    Returns:
        The path.

    Raises:
        ValueError: if there is no trace, one has other frames or targets than the others, or ``seconds`` is not
            positive.
        MediaError: if the recording has other frames than the traces, cannot be decoded, or nothing can be written.
    """
    traces = list(traces) if isinstance(traces, Sequence) else [traces]
    if not traces:
        raise ValueError('no traces; expected at least one')
    if not seconds > 0:
        raise ValueError(f'seconds is {seconds}; expected more than 0')
    if any(one.targets != traces[0].targets or not np.array_equal(one.times, traces[0].times) for one in traces):
        raise ValueError(f'{len(traces)} traces of different times or targets; expected one recording')
    times = traces[0].times
    if len(recording.times) != len(times):
        raise MediaError(f'{recording.name}: {len(recording.times)} frames; expected {len(times)}, as in its trace')
    write_video(
        path,
        _drawn(recording, traces, seconds, progress),
        None,
        recording.sound_blocks(SAMPLE_RATE),
        SAMPLE_RATE,
        crf,
        times=times,
        preset=preset,
    )
    return Path(path)


class Overlay:
    """Draws traces into the frames of a recording.

    Args:
        traces: one a face, of equal times and targets.
        height, width: of the frames, pixels; 0 without a picture.
        seconds: of a page of the traces.
    """

    def __init__(self, traces: Sequence[Trace], height: int, width: int, seconds: float = 30.0) -> None:
        self.traces = traces
        self.scale = float(np.clip(width, NARROWEST, WIDEST) / width) if width else 1.0
        # Even sizes, which every player takes.
        self.picture = (round(height * self.scale), round(width * self.scale))
        columns = (self.picture[1] or NO_PICTURE) + 1 & ~1
        self.strip = Strip(traces, columns, seconds)
        rows = self.picture[0] + self.strip.height + 1 & ~1
        self._canvas = np.full((rows, columns, 3), GROUND, np.uint8)

    def draw(self, index: int, frame: np.ndarray | None) -> np.ndarray:
        """The picture of a frame, uint8 ``(H, W, 3)``, valid until the next call.

        Args:
            index: of the frame.
            frame: uint8 ``(height, width, 3)``, RGB; ``None`` without a picture.
        """
        import cv2

        height, width = self.picture
        if frame is not None:
            picture = self._canvas[:height, :width]
            if self.scale == 1:
                picture[:] = frame
            else:
                method = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_CUBIC
                picture[:] = cv2.resize(frame, (width, height), interpolation=method)
            for number, trace in enumerate(self.traces):
                self._draw_face(picture, index, number, trace)
        self.strip.draw(self._canvas[height : height + self.strip.height], index)
        return self._canvas

    def _draw_face(self, picture: np.ndarray, index: int, number: int, trace: Trace) -> None:
        import cv2

        single = len(self.traces) == 1
        font, gap = self.strip.font, self.strip.gap
        if not np.isfinite(trace.box[index]).all():
            if single and not trace.face[index] and 'face_unknown' not in trace.flags:
                _tag(picture, _missing(trace), gap, gap, font, WARNING)
            return
        colour = PRESENCE['face'] if single else FACES[number % len(FACES)]
        x, y, width, height = trace.box[index] * self.scale
        corners = [tuple(np.rint(corner).astype(int).tolist()) for corner in ((x, y), (x + width, y + height))]
        cv2.rectangle(picture, *corners, colour, max(2, round(2 * self.strip.unit)), cv2.LINE_AA)
        if not single:
            values = ' '.join(f'{name[0]} {signed(trace.affect[index, k])}' for k, name in enumerate(trace.targets))
            text = f'{number + 1}  {values}'
            text_width, text_height = text_size(text, font)
            left = int(np.clip(corners[0][0], 0, max(0, picture.shape[1] - text_width - gap)))
            _tag(picture, text, left, max(0, corners[0][1] - text_height - 2), font, colour)


def _drawn(
    recording: Recording, traces: Sequence[Trace], seconds: float, progress: Progress | None
) -> Iterator[np.ndarray]:
    overlay = Overlay(traces, recording.height, recording.width, seconds)
    frames = recording.frames() if recording.has_picture else repeat(None, len(traces[0]))
    for index, frame in enumerate(frames):
        if index == len(traces[0]):
            raise MediaError(f'{recording.name}: more than {index} frames; expected {index}, as in its trace')
        yield overlay.draw(index, frame)
        if progress is not None:
            progress.update()


def _missing(trace: Trace) -> str:
    """What to say of a frame without the trace's face: another face may be there."""
    faces = trace.header.get('faces')
    one = isinstance(faces, dict) and faces.get('choice') in ('longest', 'all')
    return 'this face is not seen' if one else 'no face'


def _tag(picture: np.ndarray, text: str, x: int, y: int, size: int, colour: tuple[int, int, int]) -> None:
    """Text on a dark ground."""
    width, height = text_size(text, size)
    ground = picture[y : y + height, x : x + width + 6]
    ground[:] = ground // 3
    write_line(picture, text, x + 3, y, size, colour)
