"""Open media files: regular files of a known container only, with every failure as one line."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MediaError
from .types import MediaInfo

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Playlists and image sequences are left out: they name other files, or addresses, to open.
CONTAINERS = (
    'mov,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,asf,flv,mxf,ogg,nut,ivf,rm,dv,'
    'wav,w64,aiff,caf,mp3,aac,flac,amr'
)
MAX_PIXELS = 8192 * 8192
HEADS = (
    (b'\x89PNG', 'a PNG image'),
    (b'\xff\xd8\xff', 'a JPEG image'),
    (b'GIF8', 'a GIF image'),
    (b'BM', 'a BMP image'),
    (b'PK\x03\x04', 'a zip archive'),
    (b'\x1f\x8b', 'a gzip archive'),
    (b'%PDF', 'a PDF document'),
    (b'#EXTM3U', 'a playlist'),
    (b'ffconcat', 'a playlist'),
    (b'version https://git-lfs', 'a git-lfs pointer'),
)


def regular_file(path: str | Path) -> Path:
    """Return ``path`` as a Path, made sure to be a regular, non-empty file.

    Raises:
        FileNotFoundError: there is none.
        IsADirectoryError: it is a folder.
        MediaError: it is a FIFO, device or socket, has zero bytes, or its links form a loop.
    """
    path = Path(path)
    try:
        status = os.stat(path)
    except (FileNotFoundError, PermissionError):
        raise
    except (OSError, ValueError) as error:
        raise MediaError(f'{path}: cannot be opened ({getattr(error, "strerror", None) or error})') from None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(21, 'is a folder; expected a media file', str(path))
    if not stat.S_ISREG(status.st_mode):
        raise MediaError(f'{path}: is a FIFO, device or socket; expected a regular file')
    if status.st_size == 0:
        raise MediaError(f'{path}: has zero bytes; expected a media file')
    return path


@contextlib.contextmanager
def open_media(path: str | Path) -> Iterator[InputContainer]:
    """Open a media file with PyAV; any failure of PyAV inside the block becomes a MediaError that names the file.

    Raises:
        MediaError: not a media file of a known container, or an error while it is read.
        FileNotFoundError, IsADirectoryError, PermissionError: as the system says.
    """
    import av

    path = regular_file(path)
    av.logging.set_level(None)
    # An absolute path is never taken for an address (``pipe:0``); of a playlist nothing else may be opened.
    options = {'format_whitelist': CONTAINERS, 'protocol_whitelist': 'file'}
    try:
        # ``options`` would go to each stream too, and crash PyAV before 18 on MPEG program streams.
        container = av.open(os.path.abspath(path), container_options=options, metadata_errors='replace')
    except PermissionError:
        raise PermissionError(13, 'no permission to read it', str(path)) from None
    except (av.FFmpegError, OSError, ValueError) as error:
        expected = 'expected a whole video or sound file (mp4, mkv, avi, mpg, wav, ...)'
        raise MediaError(f'{path}: {_found(path, error)}; {expected}') from None
    try:
        yield container
    except (av.FFmpegError, UnicodeDecodeError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise MediaError(f'{path}: is damaged or cut off ({reason}); expected to read it to its end') from error
    finally:
        container.close()


def _found(path: Path, error: Exception) -> str:
    with open(path, 'rb') as file:
        head = file.read(64)
    for magic, name in HEADS:
        if head.startswith(magic):
            return f'is {name}'
    if not head.strip(b'\0'):
        return 'starts with zeros'
    if all(byte in b'\t\n\r' or 32 <= byte < 127 for byte in head):
        return 'is text'
    if head[4:8] == b'ftyp':
        return 'is an MP4 file without an index (cut off)'
    return f'no media container is recognised ({getattr(error, "strerror", None) or error})'


def video_stream(container: InputContainer) -> VideoStream | None:
    """The video stream that is read, FFmpeg's best one; None without video.

    With several, FFmpeg prefers one that is marked as default, then the one with more bits and frames at its start.
    """
    stream = container.streams.best('video')
    return None if stream is None or _is_cover(stream) else stream


def audio_stream(container: InputContainer) -> AudioStream | None:
    """The sound stream that is read: FFmpeg's best one, related to the video stream; None without sound."""
    return container.streams.best('audio', video_stream(container))


def _is_cover(stream: Stream) -> bool:
    from av.stream import Disposition

    return bool(
        stream.disposition & (Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails)
    )


def start_time(container: InputContainer) -> float:
    """Container time of the zero of the clock, in seconds."""
    return 0.0 if container.start_time is None else container.start_time / 1e6


def declared_end(container: InputContainer, stream: Stream) -> float | None:
    """End of a stream on the clock of the file, in seconds, as the container declares it for this stream."""
    if stream.duration is not None and stream.duration > 0:
        begin = 0 if stream.start_time is None else stream.start_time
        return float((begin + stream.duration) * stream.time_base) - start_time(container)
    # Matroska, as FFmpeg writes it, holds the end of each track in a tag: 00:00:02.500000000.
    try:
        hours, minutes, seconds = stream.metadata.get('DURATION', '').split(':')
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds) - start_time(container)
    except ValueError:
        return None


def quarter_turns(frame: VideoFrame) -> int:
    """Counter-clockwise quarter turns that the rotation of a frame asks for, 0 to 3."""
    return round(frame.rotation / 90) % 4


def probe(path: str | Path) -> MediaInfo:
    """Read what a container says of itself; one frame is decoded, for its rotation.

    Args:
        path: a video or sound file.

    Raises:
        MediaError: not a media file, neither picture nor sound in it, a first frame that cannot be decoded.
        FileNotFoundError, IsADirectoryError, PermissionError: as the system says.
    """
    with open_media(path) as container:
        return describe(container, Path(path))


def describe(container: InputContainer, path: Path) -> MediaInfo:
    """The same of an open container; its position is moved.

    Raises:
        MediaError: as ``probe``.
    """
    video, audio = video_stream(container), audio_stream(container)
    if video is None and audio is None:
        raise MediaError(f'{path}: has neither a video nor a sound stream; expected at least one')
    for stream in (video, audio):
        if stream is not None and stream.codec_context is None:
            raise MediaError(f'{path}: no decoder for its {stream.type} stream; expected a codec that FFmpeg reads')
    width = height = turns = 0
    if video is not None:
        if video.width * video.height > MAX_PIXELS or 0 in (video.width, video.height):
            raise MediaError(f'{path}: declares {video.width}x{video.height} pixels; expected 1 to {MAX_PIXELS} in all')
        frame = next(container.decode(video), None)
        if frame is None:
            raise MediaError(f'{path}: no frame can be decoded; expected at least one')
        turns = quarter_turns(frame)
        width, height = (frame.height, frame.width) if turns % 2 else (frame.width, frame.height)
    rate = None if video is None else video.average_rate or video.guessed_rate
    return MediaInfo(
        path=path,
        container=container.format.name,
        width=width,
        height=height,
        rotation=turns * 90,
        fps=float(rate) if rate else None,
        start=start_time(container),
        duration=container.duration / 1e6 if container.duration and container.duration > 0 else None,
        frames_declared=(video.frames or None) if video is not None else None,
        has_video=video is not None,
        has_audio=audio is not None,
        audio_rate=None if audio is None else audio.rate,
        audio_channels=0 if audio is None else audio.channels,
        video_streams=sum(not _is_cover(stream) for stream in container.streams.video),
        audio_streams=len(container.streams.audio),
    )
