"""Open what a capture reads: camera and microphone, a pipe or an address, a file that plays at its own speed."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MediaError
from ..media.capture import BLOCK_SECONDS, SILENT_DEVICE, Capture, CaptureClock, Piece, container_pieces
from ..media.container import CONTAINERS, probe, video_stream
from ..media.reading import VideoReader

if TYPE_CHECKING:
    from av.container import InputContainer

    from ..media.sound import SoundReader

# Device formats of FFmpeg, in the order in which they are tried, and the device that is taken when none is named.
CAMERAS = {'linux': {'v4l2': '/dev/video0'}, 'darwin': {'avfoundation': '0'}, 'win32': {'dshow': None}}
MICROPHONES = {
    'linux': {'pulse': 'default', 'alsa': 'default'},
    'darwin': {'avfoundation': '0'},
    'win32': {'dshow': None},
}
ALSA_CONFIG = '/usr/share/alsa/alsa.conf'
WHY = {
    errno.ENOENT: 'no such device',
    errno.ENODEV: 'no such device',
    errno.ENXIO: 'no such device',
    errno.EACCES: 'no permission to use it',
    errno.EPERM: 'no permission to use it',
    errno.EBUSY: 'another program uses it',
}


def open_devices(
    camera: str | None,
    microphone: str | None,
    *,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
) -> Capture:
    """Camera and microphone of this machine, by FFmpeg's devices: v4l2 and pulse or alsa, avfoundation, dshow.

    Args:
        camera: such as ``'/dev/video0'``, a number or a name; ``''``: the first one; None: no picture.
        microphone: such as ``'default'`` or ``'hw:0'``; ``''``: the first one; None: no sound.
        size: width and height to ask the camera for; by default its own.
        fps: frames a second to ask it for.

    Returns:
        A capture that is not started; its clock starts now.

    Raises:
        MediaError: a device that is not there, is in use, or may not be used; or neither is asked for.
    """
    if camera is None and microphone is None:
        raise MediaError('neither camera nor microphone; expected at least one')
    clock = CaptureClock()
    opened: list[tuple[InputContainer, str, bool]] = []
    try:
        if camera is not None:
            options = {'video_size': '{}x{}'.format(*size)} if size else {}
            if fps or sys.platform == 'darwin':
                # avfoundation asks for a rate that the camera has, and its own default is none.
                options['framerate'] = f'{fps or 30:g}'
            opened.append((*_open_device('camera', CAMERAS, camera, options), True))
        if microphone is not None:
            opened.append((*_open_device('microphone', MICROPHONES, microphone, {}), False))
    except MediaError:
        for container, *_ in opened:
            container.close()
        raise
    clock.start()
    producers = [
        container_pieces(container, name, clock, arrival=True, picture=picture, sound=not picture)
        for container, name, picture in opened
    ]
    rate = opened[-1][0].streams.best('audio').rate if microphone is not None else None
    name = ' and '.join(name for _, name, _ in opened)
    return Capture(name, producers, clock, sample_rate=rate, has_picture=camera is not None)


def open_stream(source: str | Path, lossless: bool = False) -> Capture:
    """A pipe (FIFO; ``-``: standard input) or an address (``rtsp://``, ``udp://``, ``http://``, ...) that FFmpeg reads.

    Args:
        source: the path or the address.
        lossless: let the other end of the pipe wait instead of dropping anything.

    Returns:
        A capture that is not started.

    Raises:
        MediaError: nothing that can be read, or neither picture nor sound in it.
        KeyboardInterrupt: an interrupt while a pipe has no writer yet.
    """
    import av

    name = without_password(str(source))
    place = 'pipe:0' if name == '-' else str(source)
    whitelist = {} if '://' in name else {'format_whitelist': CONTAINERS}
    av.logging.set_level(None)
    try:
        container = av.open(place, container_options=whitelist, metadata_errors='replace', timeout=SILENT_DEVICE)
    except (av.FFmpegError, OSError, ValueError) as error:
        if getattr(error, 'errno', None) == errno.EINTR:
            # Ctrl-C while a pipe has no writer yet.
            raise KeyboardInterrupt from None
        reason = getattr(error, 'strerror', None) or error
        raise MediaError(
            f'{name}: cannot be read ({reason}); expected a pipe or an address with video or sound'
        ) from None
    picture, audio = video_stream(container) is not None, container.streams.best('audio')
    if not picture and audio is None:
        container.close()
        raise MediaError(f'{name}: has neither a video nor a sound stream; expected at least one')
    clock = CaptureClock()
    pieces = container_pieces(container, name, clock, arrival=False, picture=picture, sound=audio is not None)
    rate = audio.rate if audio else None
    return Capture(name, [pieces], clock, sample_rate=rate, has_picture=picture, lossless=lossless)


def play_file(path: str | Path, sample_rate: int, speed: float | None = 1.0) -> Capture:
    """A file that plays: every frame comes when its time has come, and what is not taken in time is dropped.

    Args:
        path: a video or sound file; frames, times and samples are those of :class:`VideoReader` and
            :func:`mmaffect.media.read_sound`.
        sample_rate: of the sound, Hz.
        speed: seconds of the file in a second; None: as fast as it is read, nothing is dropped.

    Returns:
        A capture that is not started.

    Raises:
        MediaError: as ``probe`` and ``VideoReader``, or a speed that is not greater than 0.
        FileNotFoundError, IsADirectoryError, PermissionError: as the system says.
    """
    from ..media.sound import open_sound

    if speed is not None and not 0 < speed < float('inf'):
        raise MediaError(f'speed={speed}; expected a number greater than 0')
    has_picture = probe(path).has_video
    video = VideoReader(path) if has_picture else None
    sound = open_sound(path, sample_rate)
    return Capture(
        str(path),
        [_in_time(video, sound, sample_rate)],
        CaptureClock(speed=speed or 1.0),
        sample_rate=sample_rate if sound is not None else None,
        has_picture=has_picture,
        paced=speed is not None,
        lossless=speed is None,
    )


def without_password(text: str) -> str:
    """An address, or a line with addresses, that may be shown and written.

    Examples:
        >>> without_password('live.py rtsp://me:secret@camera:554/1')
        'live.py rtsp://me:***@camera:554/1'
    """
    return re.sub(r'(://[^\s/:@]*):[^\s/]*@', r'\1:***@', text)


def is_stream(source: str) -> bool:
    """Whether a source is a pipe or an address, and no file."""
    if source == '-' or '://' in source:
        return True
    try:
        return stat.S_ISFIFO(os.stat(source).st_mode)
    except (OSError, ValueError):
        return False


def _in_time(video: VideoReader | None, sound: SoundReader | None, rate: int) -> Iterator[Piece]:
    """Frames, and short blocks of sound, each before the first frame after its end."""
    blocks = _short_blocks(sound, rate) if sound is not None else iter(())
    block = next(blocks, None)
    for time, frame in video if video is not None else ():
        while block is not None and block.time + len(block.sound) / rate <= time:
            yield block
            block = next(blocks, None)
        yield Piece(time, frame=frame)
    while block is not None:
        yield block
        block = next(blocks, None)


def _short_blocks(sound: SoundReader, rate: int) -> Iterator[Piece]:
    step, done = round(BLOCK_SECONDS * rate), 0
    for block in sound.blocks():
        for start in range(0, len(block), step):
            yield Piece((done + start) / rate, sound=np.asarray(block[start : start + step], np.float32))
        done += len(block)


def _open_device(kind: str, formats: dict[str, dict], device: str, options: dict) -> tuple[InputContainer, str]:
    import av

    av.logging.set_level(None)
    if os.path.exists(ALSA_CONFIG):
        # The alsa of PyAV's wheels looks for it where they were built.
        os.environ.setdefault('ALSA_CONFIG_PATH', ALSA_CONFIG)
    known = formats.get(sys.platform, {})
    usable = {name: default for name, default in known.items() if _is_format(name)}
    if not usable:
        expected = ' or '.join(known) or 'another system'
        raise MediaError(f'{kind}: PyAV {av.__version__} has no devices for it here; expected {expected}')
    why = ''
    for name, default in usable.items():
        chosen = device or default or _first(name, kind)
        if chosen is None:
            why = 'no such device'
            continue
        try:
            container = av.open(_address(name, kind, chosen), format=name, container_options=options)
        except (av.FFmpegError, OSError) as error:
            why = WHY.get(error.errno) or f'cannot be opened ({error.strerror or error})'
            continue
        stream = container.streams.best('video' if kind == 'camera' else 'audio')
        if stream is not None:
            return container, f'{kind} {chosen}'
        container.close()
        why = f'gives no {"picture" if kind == "camera" else "sound"}'
    found = ', '.join(_names(kind, usable)) or 'none'
    raise MediaError(f'{kind} {device or next(iter(usable.values())) or ""}: {why}; found here: {found}')


def _is_format(name: str) -> bool:
    import av

    try:
        return av.format.ContainerFormat(name, 'r').is_input
    except ValueError:
        return False


def _address(name: str, kind: str, device: str) -> str:
    if name == 'dshow':
        return f'{"video" if kind == "camera" else "audio"}={device}'
    if name == 'avfoundation':
        return f'{device}:none' if kind == 'camera' else f'none:{device}'
    return f'/dev/video{device}' if name == 'v4l2' and device.isdigit() else device


def _names(kind: str, formats: dict) -> list[str]:
    import av

    if 'v4l2' in formats:
        return sorted(str(path) for path in Path('/dev').glob('video*'))
    media = 'video' if kind == 'camera' else 'audio'
    names = []
    for name in formats:
        try:
            names += [one.name for one in av.enumerate_input_devices(name) if media in one.media_types]
        except (AttributeError, ValueError, av.FFmpegError):  # before PyAV 17, or a device that tells none
            continue
    return names


def _first(name: str, kind: str) -> str | None:
    return next(iter(_names(kind, {name: None})), None)
