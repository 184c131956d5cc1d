"""Presentation times of video frames, read from the packets without decoding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MediaError
from .container import declared_end, open_media, start_time, video_stream
from .types import FrameTimes

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

# Last time against declared duration: two frames, and never stricter than this many seconds.
TOLERANCE = 0.1
# These hold no duration: FFmpeg takes it from the last times or from the bit rate.
ESTIMATED_DURATION = {'mpeg', 'mpegts', 'mpegvideo', 'm4v', 'h264', 'hevc', 'dv', 'ivf'}
MAX_DURATION = 7 * 86400.0
FLAGS = (
    'count_not_declared',
    'declared_count_differs',
    'duration_not_declared',
    'duration_differs',
    'times_from_dts',
    'times_from_rate',
    'duplicate_times',
    'negative_times',
    'variable_frame_rate',
)


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """Times of the displayed frames with their time stamps in the container.

    Attributes:
        times: what ``read_timestamps`` returns.
        pts: ``(N,)``, int64, ascending, in units of the stream's time base; None where the file holds none for some.
    """

    times: FrameTimes
    pts: np.ndarray | None


def read_timestamps(path: str | Path) -> FrameTimes:
    """Read the presentation time of every displayed frame from the packets, without decoding.

    Zero of the clock is the start time of the container, the least start of its streams: picture and sound share it. Of
    several video streams one is read: FFmpeg's best, as in ``VideoReader``. Frames that an edit
    list hides and attached cover pictures do not count.

    Args:
        path: a video file.

    Returns:
        Times with flags for all that is odd about them.

    Raises:
        MediaError: not a video file, no video stream, no frames, a packet that cannot be read, or a last frame that
            ends more than two frames (at least 0.1 s) before its declared end: the file is cut off.
        FileNotFoundError, IsADirectoryError, PermissionError: as the system says.
    """
    with open_media(path) as container:
        return index_frames(container, Path(path)).times


def index_frames(container: InputContainer, path: Path) -> FrameIndex:
    """The same of an open container, which is read to its end.

    Raises:
        MediaError: as ``read_timestamps``.
    """
    stream = video_stream(container)
    if stream is None:
        raise MediaError(f'{path}: has no video stream; expected one')
    packets = []
    last = 0.0
    for packet in container.demux():
        if packet.size == 0:
            continue
        last = max(last, _end(packet))
        if packet.stream_index == stream.index and not packet.is_discard:
            packets.append((packet.pts, packet.dts, packet.duration or 0))
    if not packets:
        raise MediaError(f'{path}: has no frames in its video stream; expected at least one')

    start = start_time(container)
    seconds, pts, flags = _times(packets, stream, start, path)
    if not np.isfinite(seconds).all() or np.abs(seconds).max() > MAX_DURATION:
        worst = float(np.abs(seconds).max())
        raise MediaError(f'{path}: has a frame at {worst:.6g} s; expected less than {MAX_DURATION:.0f} s')
    times = _checked(seconds, flags, packets[-1][2] * float(stream.time_base), last - start, container, stream, path)
    return FrameIndex(times, pts)


def _end(packet: Packet) -> float:
    time = packet.pts if packet.pts is not None else packet.dts
    return 0.0 if time is None else float((time + (packet.duration or 0)) * packet.time_base)


def _times(
    packets: list[tuple[int | None, int | None, int]], stream: VideoStream, start: float, path: Path
) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
    """Seconds on the clock, time stamps (None where some are missing) and flags."""
    base = float(stream.time_base)
    pts, dts, _ = zip(*packets, strict=True)
    if None not in pts:
        stamps = np.sort(np.array(pts, dtype=np.int64))
        return stamps * base - start, stamps, []
    if None not in dts:
        # Decoding times in order have the rhythm of the display; they run ahead of it by a constant.
        stamps = np.sort(np.array(dts, dtype=np.int64))
        known = [time for time in pts if time is not None]
        ahead = min(known) - stamps[0] if known else 0
        return (stamps + ahead) * base - start, None, ['times_from_dts']
    rate = stream.average_rate or stream.guessed_rate
    if not rate:
        raise MediaError(f'{path}: holds neither times nor a rate of its frames; expected one of them')
    return np.arange(len(packets)) / float(rate), None, ['times_from_rate']


def _checked(
    seconds: np.ndarray,
    flags: list[str],
    last_interval: float,
    end_of_all: float,
    container: InputContainer,
    stream: VideoStream,
    path: Path,
) -> FrameTimes:
    """Compare count and last time with what the container declares."""
    intervals = np.diff(seconds)
    median = float(np.median(intervals)) if len(intervals) else 0.0
    tolerance = max(TOLERANCE, 2 * median)
    found = float(seconds[-1]) + max(last_interval, 0.0)
    end = declared_end(container, stream)
    expected = end
    if expected is None and container.duration and container.duration > 0:
        # Without a duration of its own the stream may end before the container, but not all streams together.
        expected, found = container.duration / 1e6, max(found, end_of_all)
    declared = stream.frames or None

    estimated = container.format.name in ESTIMATED_DURATION
    count = 'no number of frames is declared' if declared is None else f'{declared} frames are declared'
    if expected is not None and not estimated and expected - found > tolerance:
        what = f'{len(seconds)} frames up to {found:.3f} s; {count}, up to {expected:.3f} s'
        raise MediaError(f'{path}: is cut off: found {what} (tolerance {tolerance:.3f} s)')
    if expected is None and declared is not None and abs(declared - len(seconds)) > 1:
        raise MediaError(f'{path}: found {len(seconds)} frames; {count}')

    if declared is None:
        flags.append('count_not_declared')
    elif declared != len(seconds):
        flags.append('declared_count_differs')
    if expected is None or 'times_from_rate' in flags:
        flags.append('duration_not_declared')
    elif abs(expected - found) > tolerance:
        flags.append('duration_differs')
    if len(intervals) and intervals.min() <= 0:
        flags.append('duplicate_times')
    if seconds[0] < -1e-6:
        flags.append('negative_times')
    if len(intervals) and np.abs(intervals - median).max() > 0.5 * median:
        flags.append('variable_frame_rate')
    seconds.setflags(write=False)
    return FrameTimes(seconds, declared, end, tuple(sorted(flags, key=FLAGS.index)))
