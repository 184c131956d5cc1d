"""Small files for the tests, made with PyAV alone."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

HEIGHT, WIDTH = 64, 96


def pattern(index: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A smooth picture with a white square in its upper left corner; blue is 5 times the index."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([x * 2 % 256, y * 3 % 256, np.full_like(x, index * 5 % 256)], axis=-1).astype(np.uint8)
    image[:8, :8] = 255
    return image


def blue(image: np.ndarray) -> float:
    """The number of a ``pattern``, as its blue shows it."""
    return float(np.median(image[10:, 10:, 2])) / 5


def clicks(seconds: float, rate: int, *times: float) -> np.ndarray:
    """Silence with one click at each time."""
    sound = np.zeros(round(seconds * rate), np.float32)
    sound[[round(time * rate) for time in times]] = 0.9
    return sound


def mux(
    path: Path,
    times: np.ndarray | None,
    sound: np.ndarray | None = None,
    rate: int = 16000,
    sound_at: float = 0.0,
    streams: int = 1,
    sizes: tuple[tuple[int, int], ...] = ((HEIGHT, WIDTH),) * 2,
    audio_codec: str = 'aac',
    options: dict[str, str] | None = None,
) -> Path:
    """Write pictures at given times, in milliseconds, with PyAV alone: no code of the package is used."""
    base = Fraction(1, 1000)
    with av.open(str(path), 'w', options=options or {}) as out:
        videos = []
        for number in range(streams if times is not None else 0):
            stream = out.add_stream('libx264' if 'libx264' in av.codecs_available else 'mpeg4', rate=25)
            stream.height, stream.width = sizes[number]
            stream.pix_fmt = 'yuv420p'
            stream.time_base = stream.codec_context.time_base = base
            stream.gop_size = 12
            videos.append(stream)
        audio = None
        if sound is not None:
            audio = out.add_stream(audio_codec, rate=rate, layout='mono')
        for index, time in enumerate(times if times is not None else ()):
            for number, stream in enumerate(videos):
                image = pattern(index + 10 * number, stream.height, stream.width)
                frame = av.VideoFrame.from_ndarray(image, format='rgb24')
                frame.pts, frame.time_base = round(time * 1000), base
                out.mux(stream.encode(frame))
        for stream in videos:
            out.mux(stream.encode(None))
        if sound is not None:
            kind = 'fltp' if audio_codec == 'aac' else 'flt'
            for start in range(0, len(sound), 1024):
                block = av.AudioFrame.from_ndarray(sound[None, start : start + 1024], format=kind, layout='mono')
                block.sample_rate, block.time_base = rate, Fraction(1, rate)
                block.pts = start + round(sound_at * rate)
                out.mux(audio.encode(block))
            out.mux(audio.encode(None))
    return path


def rotated(source: Path, target: Path, degrees: int) -> Path:
    """A copy of an mp4 file whose track header asks for a clockwise rotation."""
    one = 1 << 16
    matrix = {90: (0, one, -one, 0), 180: (-one, 0, 0, -one), 270: (0, -one, one, 0)}[degrees]
    data = bytearray(source.read_bytes())
    at = data.find(b'tkhd') + 4 + 40
    a, b, c, d = matrix
    data[at : at + 36] = struct.pack('>9i', a, b, 0, c, d, 0, 0, 0, 1 << 30)
    target.write_bytes(data)
    return target
