"""A file that browsers play, on the clock of a recording."""

from __future__ import annotations

import tempfile
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MediaError
from ..media import VideoReader, probe, read_timestamps
from ..media.container import audio_stream, open_media, video_stream

if TYPE_CHECKING:
    from av.container import InputContainer

# By container, as FFmpeg names it: codecs of picture and sound that Chromium, Firefox and Safari all play.
PLAYED = {
    'mov': ({'h264'}, {'aac', 'mp3'}),
    'matroska': ({'vp8', 'vp9', 'av1'}, {'opus', 'vorbis'}),
    'wav': (set(), {'pcm_s16le', 'pcm_u8'}),
    'mp3': (set(), {'mp3'}),
    'flac': (set(), {'flac'}),
}
PIXELS = ('yuv420p', 'yuvj420p')
# Clocks of the file and of the browser may differ by this: nobody sees the first, nobody hears the second.
PICTURE_TOLERANCE = 0.001
SOUND_TOLERANCE = 0.03
SOUND_RATE = 44100
WAVE_RATE = 16000


@dataclass(frozen=True)
class Playable:
    """A file that browsers play.

    Attributes:
        path: the file.
        mime: its type.
        picture: width and height of the recording's frames as displayed, in pixels, before any scaling; None: sound
            only.
    """

    path: Path
    mime: str
    picture: tuple[int, int] | None


@contextmanager
def playable(source: str | Path, *, max_bytes: int, max_height: int) -> Iterator[Playable]:
    """Give the source itself where browsers play it, else a copy that lasts as long as the context.

    The copy shows every frame at its time on the clock of ``mmaffect.media.read_timestamps``, which is that of a trace:
    it is H.264 and AAC, or sound alone as 16-bit PCM at 16 kHz.

    Args:
        source: video or sound file.
        max_bytes: a larger source is copied, since the page would be slow to open.
        max_height: of a copy's picture, in pixels.

    Raises:
        MediaError: the source cannot be read, or this build of PyAV cannot write H.264.
        FileNotFoundError, IsADirectoryError, PermissionError: as the system says.
    """
    source = Path(source)
    info = probe(source)
    picture = (info.width, info.height) if info.has_video else None
    mime = browser_type(source) if source.stat().st_size <= max_bytes else None
    if mime is not None:
        yield Playable(source, mime, picture)
        return
    with tempfile.TemporaryDirectory(prefix='mmaffect_report_') as folder:
        if picture is None:
            path = Path(folder, 'sound.wav')
            _write_wave(path, source)
            yield Playable(path, 'audio/wav', None)
        else:
            path = Path(folder, 'picture.mp4')
            _write_copy(path, source, max_height)
            yield Playable(path, 'video/mp4', picture)


def browser_type(path: str | Path) -> str | None:
    """MIME type of a file that browsers play with its clock at the clock of a trace; None of any other.

    Args:
        path: a video or sound file.

    Raises:
        MediaError: it cannot be read.
    """
    with open_media(path) as container:
        return _browser_type(container) if _clock_agrees(container, Path(path)) else None


def _browser_type(container: InputContainer) -> str | None:
    kind = container.format.name.partition(',')[0]
    picture, sound = video_stream(container), audio_stream(container)
    # A browser may choose another stream than FFmpeg.
    if kind not in PLAYED or len(container.streams.video) > 1 or len(container.streams.audio) > 1:
        return None
    pictures, sounds = PLAYED[kind]
    if any(stream is not None and stream.codec_context is None for stream in (picture, sound)):
        return None
    if picture is not None:
        codec = picture.codec_context
        if codec.codec.canonical_name not in pictures or codec.pix_fmt not in PIXELS:
            return None
    if sound is not None and sound.codec_context.codec.canonical_name not in sounds:
        return None
    if kind == 'mov' and container.metadata.get('major_brand', '').startswith('qt'):
        return None
    name = {'mov': 'mp4', 'matroska': 'webm', 'mp3': 'mpeg'}.get(kind, kind)
    return f'{"audio" if picture is None else "video"}/{name}'


def _clock_agrees(container: InputContainer, path: Path) -> bool:
    start = (container.start_time or 0) / 1e6
    if video_stream(container) is None:
        return abs(start) <= SOUND_TOLERANCE
    # Matroska counts in milliseconds, other files in parts of a frame.
    return abs(start) <= PICTURE_TOLERANCE and not {'negative_times', 'times_from_dts', 'times_from_rate'} & set(
        read_timestamps(path).flags
    )


def _write_wave(path: Path, source: Path) -> None:
    from ..media.sound import open_sound

    reader = open_sound(source, WAVE_RATE)
    with wave.open(str(path), 'wb') as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(WAVE_RATE)
        for block in reader.blocks():
            file.writeframes(np.rint(np.clip(block, -1, 1) * 32767).astype('<i2').tobytes())


def _write_copy(path: Path, source: Path, max_height: int) -> None:
    import av

    from ..media import write_video
    from ..media.sound import open_sound

    if 'libx264' not in av.codecs_available:
        raise MediaError(f'{source}: browsers do not play it, and this build of PyAV cannot write H.264; use no video')
    with VideoReader(source) as reader:
        times, frames = reader.timestamps.seconds, (frame for _, frame in reader)
        if times[0] > 0:
            # Players differ in what they show before the first frame, and in whether their clock runs meanwhile.
            times, frames = np.concatenate(([0.0], times)), _held(frames)
        sound = open_sound(source, SOUND_RATE)
        write_video(
            path,
            frames,
            fps=None,
            times=times,
            sound=None if sound is None else sound.blocks(),
            sample_rate=None if sound is None else SOUND_RATE,
            max_height=max_height,
            crf=26,
            preset='veryfast',
        )


def _held(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    first = next(frames)
    yield first
    yield first
    yield from frames
