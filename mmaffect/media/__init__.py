"""Read and write video and sound: frames with their presentation times, sound on the same clock."""

from .container import probe
from .isolation import isolated
from .reading import VideoReader
from .sound import read_sound
from .timestamps import read_timestamps
from .types import FrameTimes, MediaInfo, Sound
from .writing import write_video

__all__ = [
    'FrameTimes',
    'MediaInfo',
    'Sound',
    'VideoReader',
    'isolated',
    'probe',
    'read_sound',
    'read_timestamps',
    'write_video',
]
