"""The sound of a stream, for the model and for voices."""

from __future__ import annotations

import numpy as np

from ..errors import ConfigError, MediaError
from ..inference.encoder import FrameEncoder
from ..media.voice import VOICE_DELAY, VOICE_RATE
from .sound import SoundTimeline, StreamRows, check_rate, patch_look_ahead, resampling_look_ahead
from .voice import StreamVoice


class StreamSound:
    """What is heard in a stream, once it is settled.

    Args:
        encoder: of the model.
        sample_rate: of the sound that comes, Hz; ``None``: there will be none.
        wait: seconds that a frame waits for sound that does not come.
        voice: listen for voices.

    Attributes:
        timeline: times of the sound; ``None`` without.
        missed: whether frames came so late that sound of theirs was let go.

    Raises:
        ConfigError: for a rate that is none, or without what :class:`mmaffect.media.VoiceDetector` needs.
    """

    def __init__(self, encoder: FrameEncoder, sample_rate: int | None, wait: float, voice: bool) -> None:
        self.encoder, self.wait = encoder, wait
        self.timeline, self.missed = None, False
        self._rows, self._voice, self._ended = None, None, False
        if sample_rate is not None:
            self.timeline = SoundTimeline(check_rate(sample_rate))
            self._voice = StreamVoice(sample_rate) if voice else None
            if encoder.front_end is not None:
                self._rows = StreamRows(encoder.front_end, encoder.align, encoder.patch_rows, sample_rate)
        self._parts = [part for part in (self._rows, self._voice) if part is not None]

    @property
    def look_ahead(self) -> tuple[float, float]:
        """Seconds until the sound of a frame is complete: for the model, for voices."""
        sound = voice = 0.0
        encoder = self.encoder
        if self._rows is not None:
            sound = patch_look_ahead(encoder.front_end, encoder.align, encoder.patch_rows)
            sound += resampling_look_ahead(self.timeline.sample_rate, encoder.front_end.sample_rate)
        if self._voice is not None:
            voice = VOICE_DELAY + resampling_look_ahead(self.timeline.sample_rate, VOICE_RATE)
        return sound, voice

    def push(self, samples: np.ndarray, time: float | None) -> None:
        """Take a block, see :meth:`SoundTimeline.push`."""
        if self.timeline is None:
            raise ConfigError('sample_rate=None: the stream was said to have no sound')
        if self._ended:
            raise MediaError('the sound of the stream has ended; expected no more of it')
        self._hear(self.timeline.push(samples, time))

    def fill(self, time: float) -> None:
        """Wait no longer for sound that is missing at a frame of this time."""
        if self.timeline is not None and not self._ended:
            self._hear(self.timeline.fill(time - self.wait))

    def check_time(self, time: float, coming: int) -> None:
        """Raise :class:`MediaError` if a frame lies too far after the sound and ``coming`` more samples to wait."""
        if self.timeline is not None and not self._ended:
            self.timeline.check_gap(time - self.wait, coming)

    def close(self) -> None:
        """End the sound."""
        self._ended = True
        for part in self._parts:
            part.close()

    def ready(self, time: float) -> bool:
        """Whether nothing to come changes what is heard at the frame of this time."""
        return all(part.ready(time) for part in self._parts)

    def encode(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features ``(n, d)`` of the next frames, and ``(n,)`` bool, those whose patch touches the sound."""
        if self._rows is None:
            return self.encoder.encode_sound(np.empty((0, self.encoder.front_end.n_mels), np.float16), times)
        self.missed |= self._rows.misses(times[0])
        encoded = self.encoder.encode_sound(self._rows.rows, times, self._rows.first)
        self._rows.forget(times[-1])
        return encoded

    def heard(self, time: float) -> bool:
        """Whether somebody is heard; times ascend from call to call."""
        return self._voice is not None and self._voice.heard(time)

    def _hear(self, blocks: list[np.ndarray]) -> None:
        for block in blocks:
            for part in self._parts:
                part.push(block)
