"""Read and write video and sound: frames with their presentation times, sound on the same clock."""

from mmaffect.media.container import probe
from mmaffect.media.isolation import isolated
from mmaffect.media.reading import VideoReader
from mmaffect.media.sound import read_sound
from mmaffect.media.timestamps import read_timestamps
from mmaffect.media.types import FrameTimes, MediaInfo, Sound
from mmaffect.media.writing import write_video

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
