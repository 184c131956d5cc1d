"""Read and write video and sound: frames with their presentation times, sound on the same clock."""

from .container import probe
from .isolation import isolated
from .prefetching import prefetch
from .reading import VideoReader
from .resampling import Resampler
from .sound import SoundReader, open_sound, read_sound
from .timestamps import read_timestamps
from .types import FrameTimes, MediaInfo, Sound
from .voice import VoiceDetector, VoiceSegments, voice_presence
from .writing import write_video

__all__ = [
    'FrameTimes',
    'MediaInfo',
    'Resampler',
    'Sound',
    'SoundReader',
    'VideoReader',
    'VoiceDetector',
    'VoiceSegments',
    'isolated',
    'open_sound',
    'prefetch',
    'probe',
    'read_sound',
    'read_timestamps',
    'voice_presence',
    'write_video',
]
