"""Decode frames with decord, in the files where it can be trusted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..errors import MediaError
from .pyav_decoder import PyAVDecoder
from .types import FrameTimes, MediaInfo

# Mean difference of two decoders of one frame, of 255: conversions to RGB round differently.
MAX_DIFFERENCE = 2.0


class DecordDecoder:
    """Decode with decord, where it has the frames of the index of the file.

    In MPEG program and transport streams and in fragmented MP4, decord 0.6 gives frames of another time without an
    error, even when asked in order: in the clips of GRID each is a whole group of pictures (12 frames) too late. Hence
    it reads only MP4 with a frame table and Matroska; number, size, times and the first frame are compared with PyAV's.
    Built on an older FFmpeg, it may also choose another of several video streams: such files are refused too.

    Args:
        path: a video file.
        info: what ``probe`` says of it.
        times: what ``read_timestamps`` says of it.

    Raises:
        MediaError: decord cannot read the file, cannot be trusted with its container, or finds another number, size or
            first frame or other times in it.
        ImportError: decord is not installed.
    """

    def __init__(self, path: Path, info: MediaInfo, times: FrameTimes) -> None:
        import decord

        if not (info.container.startswith('matroska') or (info.container.startswith('mov') and info.frames_declared)):
            expected = 'expected MP4 with a frame table, or Matroska; PyAV reads this one'
            raise MediaError(f'{path}: decord cannot be trusted with this kind of {info.container}; {expected}')
        if info.video_streams > 1:
            raise MediaError(f'{path}: decord may choose another of {info.video_streams} video streams; expected one')
        decord.logging.set_level(decord.logging.QUIET)
        self.path = path
        self.frames = times.frames
        try:
            self._reader = decord.VideoReader(os.path.abspath(path))
            stamps = self._reader.get_frame_timestamp(range(len(self._reader)))[:, 0].astype(np.float64)
            first = self._reader[0].asnumpy()
        except (decord.DECORDError, RuntimeError, IndexError) as error:
            raise MediaError(f'{path}: decord cannot read it ({_reason(error)}); expected a whole video') from error
        found = f'{len(stamps)} frames of {first.shape[1]}x{first.shape[0]}'
        expected = f'{times.frames} frames of {info.width}x{info.height}'
        if found != expected:
            raise MediaError(f'{path}: decord finds {found}; expected {expected}')
        # decord counts from its first frame, in float32.
        apart = np.abs((stamps - stamps[0]) - (times.seconds - times.seconds[0])).max()
        if times.frames > 1 and not apart <= 0.25 * np.median(np.diff(times.seconds)):
            raise MediaError(f'{path}: decord finds times {apart:.3f} s off; expected those of the index')
        witness = next(PyAVDecoder(path, info, times, None).in_order())
        differ = float(np.abs(first.astype(np.int16) - witness).mean())
        if differ > MAX_DIFFERENCE:
            raise MediaError(f'{path}: decord finds another first frame, {differ:.1f} off; expected that of PyAV')

    def in_order(self) -> Iterator[np.ndarray]:
        """Yield every frame."""
        for index in range(self.frames):
            yield self.get([index])[0]

    def get(self, indices: Sequence[int]) -> np.ndarray:
        """Frames ``(n, H, W, 3)`` by index."""
        import decord

        # In order decord seeks least.
        ordered, places = np.unique(np.asarray(indices), return_inverse=True)
        try:
            return self._reader.get_batch(ordered.tolist()).asnumpy()[places]
        except (decord.DECORDError, RuntimeError) as error:
            raise MediaError(f'{self.path}: decord cannot decode its frames ({_reason(error)})') from error

    def close(self) -> None:
        """Nothing to do: decord closes the file when the last reference goes."""


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rsplit('] ', 1)[-1][:200] if lines else type(error).__name__
