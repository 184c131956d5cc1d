"""One pass over the sound of a recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..datasets.cutting import cut_waveform
from ..errors import ConfigError
from ..media import prefetch
from ..media.log_mel import LogMelStream
from ..media.resampling import Resampler
from ..media.voice import VOICE_RATE, VoiceDetector, voice_presence
from .encoder import FrameEncoder
from .recording import CorpusTrial, Recording
from .windows import FrameFeatures, Window


@dataclass(frozen=True, eq=False)
class Heard:
    """What is kept of a sound.

    Attributes:
        logmel: ``(r, n_mels)`` float16, if the model takes it.
        waveform: ``(N,)`` int16, if the model takes that.
        voice: ``(T,)`` bool, frames in which somebody is heard; ``None``: nobody listened.
    """

    logmel: np.ndarray | None
    waveform: np.ndarray | None
    voice: np.ndarray | None


def listen(recording: Recording, encoder: FrameEncoder, voice: bool = True) -> Heard:
    """Read the sound of a recording once, for the model and for voices.

    Args:
        recording: the recording.
        encoder: says what the model takes.
        voice: look for voices.

    Raises:
        MediaError: if the sound cannot be decoded.
        ConfigError: if voices are asked for without their detector, or a trial of a corpus has other sound than the
            model takes.
    """
    front_end = encoder.front_end if encoder.waveform_rate is None else None
    if isinstance(recording, CorpusTrial):
        return _of_corpus(recording, encoder)
    rate = encoder.waveform_rate or (front_end.sample_rate if front_end else VOICE_RATE)
    wanted = front_end is not None or encoder.waveform_rate is not None or voice
    blocks = recording.sound_blocks(rate) if wanted else None
    if blocks is None:
        silent = np.zeros(len(recording.times), bool) if voice else None
        return Heard(None if front_end is None else np.zeros((0, front_end.n_mels), np.float16), _no_waveform(), silent)
    mel = LogMelStream(front_end) if front_end else None
    voices = VoiceDetector() if voice else None
    resampler = Resampler(rate, VOICE_RATE)
    rows, samples, probabilities = [], [], []
    for block in prefetch(blocks):
        if mel is not None:
            rows.append(mel.push(block))
        if encoder.waveform_rate is not None:
            samples.append(_integers(block))
        if voices is not None:
            probabilities.append(voices.push(resampler.push(block)))
    if mel is not None:
        rows.append(mel.flush())
    if voices is not None:
        probabilities += [voices.push(resampler.flush()), voices.flush()]
    return Heard(
        np.concatenate(rows) if rows else None,
        np.concatenate(samples) if samples else _no_waveform(),
        voice_presence(np.concatenate(probabilities), recording.times) if voice else None,
    )


def sound_features(heard: Heard, times: np.ndarray, encoder: FrameEncoder) -> FrameFeatures:
    """Features of the sound of every frame.

    Args:
        heard: the sound.
        times: ``(T,)`` of the frames, seconds.
        encoder: of the model.
    """
    if encoder.waveform_rate is not None:
        waveform = heard.waveform

        def of_window(window: Window, length: int) -> np.ndarray:
            frames = range(window.start, window.start + length * window.stride, window.stride)
            # What comes after the frames that are seen is not known.
            return encoder.encode_waveform(waveform, times[: window.seen], frames)[0]

        _, inside = cut_waveform(waveform, times, len(times), encoder.waveform_rate, 0.0)
        return FrameFeatures(of_window, inside)
    if len(heard.logmel) == 0:
        value, _ = encoder.encode_sound(heard.logmel, times[:1])
        return FrameFeatures(np.repeat(value, len(times), axis=0), np.zeros(len(times), bool))
    return FrameFeatures(*encoder.encode_sound(heard.logmel, times))


def _of_corpus(recording: CorpusTrial, encoder: FrameEncoder) -> Heard:
    corpus = recording.corpus
    if encoder.waveform_rate is not None and corpus.waveform_rate != encoder.waveform_rate:
        raise ConfigError(f'{corpus.root}: waveforms at {corpus.waveform_rate} Hz; expected {encoder.waveform_rate}')
    if encoder.waveform_rate is None and encoder.front_end is not None and corpus.front_end != encoder.front_end:
        raise ConfigError(
            f'{corpus.root}: prepared with the audio front end {corpus.front_end.name!r}; the model takes '
            f'{encoder.front_end.name!r}'
        )
    return Heard(np.asarray(recording.trial.logmel), np.asarray(recording.trial.waveform), None)


def _integers(samples: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(samples, -1, 1) * 32767).astype(np.int16)


def _no_waveform() -> np.ndarray:
    return np.zeros(0, np.int16)
