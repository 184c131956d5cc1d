"""Where somebody is heard, in sound that arrives block by block."""

import numpy as np

from ..media.resampling import Resampler
from ..media.voice import VOICE_RATE, VoiceDetector, VoiceSegments


class StreamVoice:
    """Voice at the times of frames, once it is settled.

    Args:
        sample_rate: of the sound that comes, Hz.

    Raises:
        ConfigError: if what :class:`mmaffect.media.VoiceDetector` needs is not installed.
    """

    def __init__(self, sample_rate: int) -> None:
        self._resampler = Resampler(sample_rate, VOICE_RATE)
        self._detector = VoiceDetector()
        self._segments = VoiceSegments()
        self._closed = False

    def push(self, samples: np.ndarray) -> None:
        """Take the next samples ``(n,)``."""
        self._segments.push(self._detector.push(self._resampler.push(samples)))

    def close(self) -> None:
        """End the sound; after it nobody is heard."""
        if not self._closed:
            self._segments.push(self._detector.push(self._resampler.flush()))
            self._segments.push(self._detector.flush())
        self._closed = True

    def ready(self, time: float) -> bool:
        """Whether nothing to come changes whether somebody is heard at ``time``."""
        return self._closed or time < self._segments.settled

    def heard(self, time: float) -> bool:
        """Whether somebody is heard; times ascend from call to call."""
        self._segments.forget(time)
        return bool(self._segments.presence(np.array([time]))[0])
