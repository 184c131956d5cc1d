"""What is known of a file: its streams, the times of its frames, its sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class MediaInfo:
    """What a container says of its picture and sound.

    Attributes:
        path: the file.
        container: name of the container format, as ``mpeg`` or ``mov,mp4,m4a,3gp,3g2,mj2``.
        width: of a frame as displayed, after rotation, in pixels (not stretched where they are not square); 0 without
            video.
        height: the same.
        rotation: degrees counter-clockwise, one of 0, 90, 180, 270, already applied to every frame that is read.
        fps: average frame rate; None without video or where the container does not say.
        start: container time that is zero of the clock, in seconds: the least start of all streams.
        duration: of the container, in seconds; None where it does not say.
        frames_declared: number of frames that the container declares; None where it does not.
        has_video: whether there is a video stream (an attached cover picture is none).
        has_audio: whether there is a sound stream.
        audio_rate: samples per second as stored; None without sound.
        audio_channels: number of channels; 0 without sound.
        video_streams: number of video streams, of which one is read.
        audio_streams: number of sound streams, of which one is read.
    """

    path: Path
    container: str
    width: int
    height: int
    rotation: int
    fps: float | None
    start: float
    duration: float | None
    frames_declared: int | None
    has_video: bool
    has_audio: bool
    audio_rate: int | None
    audio_channels: int
    video_streams: int
    audio_streams: int


@dataclass(frozen=True, eq=False)
class FrameTimes:
    """Presentation times of the frames of one video stream.

    Attributes:
        seconds: ``(N,)``, float64, ascending, on the clock of the file; read-only.
        frames_declared: number of frames that the container declares; None where it does not.
        duration: end of the video stream on the same clock, in seconds, as declared; None where it is not.
        flags: what is odd about the times, in a fixed order:

            - ``count_not_declared``: nothing to compare the number of frames with;
            - ``declared_count_differs``: another number is declared, but the last frame is where it should be (an edit
              list, empty chunks of AVI);
            - ``duration_not_declared``: nothing to compare the last time with;
            - ``duration_differs``: the last time disagrees with a duration that the container only estimates;
            - ``times_from_dts``, ``times_from_rate``: the file holds no presentation times for some frames;
            - ``duplicate_times``: frames that share a time;
            - ``negative_times``: frames before the zero of the clock;
            - ``variable_frame_rate``: intervals that differ by more than half of their median.
    """

    seconds: np.ndarray
    frames_declared: int | None
    duration: float | None
    flags: tuple[str, ...]

    @property
    def frames(self) -> int:
        """Number of frames in the file."""
        return len(self.seconds)


@dataclass(frozen=True, eq=False)
class Sound:
    """Decoded sound whose sample 0 is at zero of the clock of its file.

    Attributes:
        samples: float32, nominally in [-1, 1]: ``(N,)`` mono, ``(channels, N)`` otherwise.
        sample_rate: in Hz.
        native_rate: of the file, in Hz.
        start: clock time at which the stream starts, in seconds; before it the samples are zero.
        duration: end of the stream on the clock, in seconds, as declared; None where it is not.
        flags: what is odd about the sound, in a fixed order:

            - ``truncated``: it ends more than 0.1 s before its declared end;
            - ``longer_than_declared``: it ends more than 0.1 s after it;
            - ``gaps``: stretches without packets, filled with zeros;
            - ``overlaps``: packets whose time lies before the end of the packet before, cut;
            - ``non_finite``: NaN or infinite samples, set to zero.
    """

    samples: np.ndarray
    sample_rate: int
    native_rate: int
    start: float
    duration: float | None
    flags: tuple[str, ...]

    @property
    def truncated(self) -> bool:
        """Whether the sound ends before its declared end."""
        return 'truncated' in self.flags
