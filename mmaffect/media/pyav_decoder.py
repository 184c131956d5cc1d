"""Decode frames with PyAV, by their place in the order of presentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MediaError
from .container import open_media, quarter_turns, start_time, video_stream
from .types import FrameTimes, MediaInfo

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# How long before a frame, in seconds, to start decoding: a key frame may need the one before it.
LEAD = (0.0, 1.0, 5.0, 30.0)
# Below this many frames ahead, going on costs less than looking for a key frame.
NEAR = 12


class PyAVDecoder:
    """Decode with PyAV: exact in order, by index from the key frame before.

    Args:
        path: a video file.
        info: what ``probe`` says of it.
        times: what ``read_timestamps`` says of it.
        pts: ``(N,)`` time stamps of the frames in units of the stream, ascending; None: frames by index are counted
            from the start.
    """

    def __init__(self, path: Path, info: MediaInfo, times: FrameTimes, pts: np.ndarray | None) -> None:
        self.path = path
        self.info = info
        self.times = times
        unique = pts is not None and len(np.unique(pts)) == len(pts)
        self.place = {int(stamp): index for index, stamp in enumerate(pts)} if unique else None
        self.pts = pts if unique else None
        self._open = None
        self._container: InputContainer | None = None
        self._frames: Iterator[VideoFrame] = iter(())
        self._next = 0

    def in_order(self) -> Iterator[np.ndarray]:
        """Yield every frame; raise MediaError unless they are as many as there are times, each at its time."""
        seconds = self.times.seconds
        tolerance = 0.5 * float(np.median(np.diff(seconds))) + 1e-6 if len(seconds) > 1 else np.inf
        counted = 0
        with open_media(self.path) as container:
            zero = start_time(container)
            for frame in container.decode(_stream(container)):
                if counted >= len(seconds):
                    counted += 1
                    continue
                if self.pts is not None and frame.time is not None:
                    time = frame.time - zero
                    if abs(time - seconds[counted]) > tolerance:
                        what = f'frame {counted} was decoded at {time:.3f} s; expected {seconds[counted]:.3f} s'
                        raise MediaError(f'{self.path}: is damaged: {what}')
                yield self._image(frame, counted)
                counted += 1
        if counted != len(seconds):
            raise MediaError(f'{self.path}: is damaged: {counted} frames decoded; expected {len(seconds)}')

    def get(self, indices: Sequence[int]) -> np.ndarray:
        """Frames ``(n, H, W, 3)`` by index."""
        out = np.empty((len(indices), self.info.height, self.info.width, 3), np.uint8)
        last = None
        for slot in np.argsort(indices, kind='stable'):
            index = indices[slot]
            out[slot] = out[last] if last is not None and indices[last] == index else self._one(index)
            last = slot
        return out

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        if self._open is not None:
            self._open.__exit__(None, None, None)
        self._open = self._container = None

    def _one(self, index: int) -> np.ndarray:
        import av

        try:
            frame = self._found(index)
        except av.FFmpegError as error:
            self.close()
            raise MediaError(f'{self.path}: frame {index} cannot be decoded ({error.strerror})') from error
        if frame is None:
            self.close()
            raise MediaError(
                f'{self.path}: is damaged: frame {index} is not decoded; expected {len(self.times.seconds)}'
            )
        return self._image(frame, index)

    def _found(self, index: int) -> VideoFrame | None:
        if self._container is not None and self._next <= index < self._next + NEAR:
            frame = self._advance(index)
            if frame is not None:
                return frame
        if self.pts is not None:
            for lead in LEAD:
                if self.times.seconds[index] - lead <= self.times.seconds[0]:
                    break
                self._seek(int(self.pts[index]), lead)
                frame = self._advance(index)
                if frame is not None:
                    return frame
        self._restart()
        return self._advance(index)

    def _restart(self) -> None:
        self.close()
        self._open = open_media(self.path)
        self._container = self._open.__enter__()
        self._frames = self._container.decode(_stream(self._container))
        self._next = 0

    def _seek(self, pts: int, lead: float) -> None:
        if self._container is None:
            self._restart()
        stream = video_stream(self._container)
        self._container.seek(pts - round(lead / float(stream.time_base)), stream=stream, backward=True)
        self._frames = self._container.decode(stream)
        self._next = 0

    def _advance(self, index: int) -> VideoFrame | None:
        """Decode up to frame ``index``; None where it does not come."""
        for frame in self._frames:
            at = self._next if self.place is None else self.place.get(frame.pts, -1)
            if at >= 0:
                self._next = at + 1
            if at == index:
                return frame
            if at > index:
                break
        return None

    def _image(self, frame: VideoFrame, index: int) -> np.ndarray:
        if frame.is_corrupt:
            raise MediaError(f'{self.path}: is damaged: frame {index} is decoded in part only')
        image = np.rot90(frame.to_ndarray(format='rgb24'), quarter_turns(frame))
        if image.shape[:2] != (self.info.height, self.info.width):
            found = f'{image.shape[1]}x{image.shape[0]}'
            raise MediaError(f'{self.path}: frame {index} is {found}; expected {self.info.width}x{self.info.height}')
        return np.ascontiguousarray(image)


def _stream(container: InputContainer) -> VideoStream:
    stream = video_stream(container)
    assert stream is not None
    stream.thread_type = 'AUTO'
    return stream
