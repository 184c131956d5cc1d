"""Hear where there is a voice, with Silero VAD."""

from __future__ import annotations

import numpy as np

from ..errors import ConfigError

VOICE_RATE = 16000
CHUNK = 512
# Those of ``silero_vad.VADIterator``, in probabilities and in samples.
THRESHOLD = 0.5
END_THRESHOLD = 0.35
MIN_SILENCE = 1600
PAD = 480
# From the end of a segment to the chunk that settles it: the first that begins 100 ms after the silence.
LOOKAHEAD = -(-MIN_SILENCE // CHUNK) * CHUNK - PAD
# Sound, in seconds, that has to be heard after a time to know for sure whether there is a voice.
VOICE_DELAY = (LOOKAHEAD + CHUNK) / VOICE_RATE


class VoiceDetector:
    """Probability of a voice in every 32 ms of a sound that comes piece by piece: Silero VAD, on one CPU thread.

    The network and its weights come with the package silero-vad (MIT licence).

    Raises:
        ConfigError: silero-vad or onnxruntime is not installed.
    """

    def __init__(self) -> None:
        import torch

        threads = torch.get_num_threads()
        try:
            from silero_vad import load_silero_vad

            self._model = load_silero_vad(onnx=True)
        except ImportError as error:
            raise ConfigError(
                f'voice detection needs silero-vad and onnxruntime ({error}): pip install mmaffect[video]'
            ) from None
        finally:
            # Importing silero_vad leaves one thread to the whole process.
            torch.set_num_threads(threads)
        self._buffer = np.empty(0, np.float32)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take the next samples.

        Args:
            samples: ``(n,)``, float32 in [-1, 1], at 16000 Hz; ``n`` may differ from call to call.

        Returns:
            ``(p,)``, float32 in [0, 1]: the probabilities of the chunks of 512 samples that are now complete.
        """
        sound = np.concatenate((self._buffer, np.asarray(samples, dtype=np.float32)))
        whole = len(sound) // CHUNK * CHUNK
        self._buffer = sound[whole:].copy()
        return self._probabilities(sound[:whole])

    def flush(self) -> np.ndarray:
        """End the sound, and begin anew.

        Returns:
            ``(p,)``, float32, ``p`` 0 or 1: the probability of a last chunk that is filled with zeros.
        """
        rest = np.pad(self._buffer, (0, -len(self._buffer) % CHUNK))
        probabilities = self._probabilities(rest)
        self._model.reset_states()
        self._buffer = np.empty(0, np.float32)
        return probabilities

    def _probabilities(self, sound: np.ndarray) -> np.ndarray:
        import torch

        chunks = torch.from_numpy(sound).split(CHUNK) if len(sound) else ()
        return np.array([self._model(chunk, VOICE_RATE).item() for chunk in chunks], np.float32)


class VoiceSegments:
    """Where a voice is heard, from probabilities that come piece by piece, as ``silero_vad.VADIterator`` decides.

    A segment begins where the probability reaches 0.5 and ends where it is below 0.35 and, without reaching 0.5 in
    between, is so again 100 ms later; 30 ms are added on either side. Segments are not dropped for being short. One
    thing differs: where values between 0.35 and 0.5 put off that decision, the segment ends 98 ms before the decision,
    so that ``VOICE_DELAY`` (0.13 s) after a frame it is always known whether there was a voice.
    """

    def __init__(self) -> None:
        self._count = 0
        # Of segments that have ended, in samples.
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._start: int | None = None
        self._silence: int | None = None

    def push(self, probabilities: np.ndarray) -> None:
        """Take the next probabilities ``(p,)`` of a ``VoiceDetector``."""
        for probability in np.asarray(probabilities).tolist():
            at = self._count * CHUNK
            self._count += 1
            if probability >= THRESHOLD:
                self._silence = None
                if self._start is None:
                    self._start = max(at - PAD, 0)
            elif probability < END_THRESHOLD and self._start is not None:
                if self._silence is None:
                    self._silence = at
                if at - self._silence >= MIN_SILENCE:
                    self._starts.append(self._start)
                    self._ends.append(at - LOOKAHEAD)
                    self._start = self._silence = None

    @property
    def seconds(self) -> np.ndarray:
        """``(S, 2)``, float64: start and end of each segment; one that goes on ends with the sound."""
        going_on = self._start is not None
        starts = [*self._starts, self._start] if going_on else self._starts
        ends = [*self._ends, self._count * CHUNK] if going_on else self._ends
        return np.array([starts, ends], np.float64).T.reshape(-1, 2) / VOICE_RATE

    @property
    def settled(self) -> float:
        """Time, in seconds, before which nothing to come can change ``presence``."""
        end = self._count * CHUNK
        if self._start is None:
            settled = max(end - PAD, 0)
        elif self._silence is None:
            settled = end
        else:
            settled = min(max(self._silence + PAD, end - LOOKAHEAD), end)
        return settled / VOICE_RATE

    def forget(self, time: float) -> None:
        """Let go of the segments that ended before ``time``, in seconds: a stream asks for ascending times only."""
        while self._ends and self._ends[0] <= time * VOICE_RATE:
            del self._starts[0], self._ends[0]

    def presence(self, times: np.ndarray) -> np.ndarray:
        """Whether each time, ``(T,)`` in seconds, lies in a segment: ``(T,)``, bool."""
        times = np.asarray(times, dtype=np.float64)
        segments = self.seconds
        if not len(segments):
            return np.zeros(times.shape, bool)
        place = np.searchsorted(segments[:, 0], times, side='right') - 1
        return (place >= 0) & (times < segments[np.maximum(place, 0), 1])


def voice_presence(probabilities: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Whether a voice is heard at each time of a recording.

    Args:
        probabilities: ``(P,)`` of a ``VoiceDetector``, from 0 s to the end of the sound.
        times: ``(T,)``, in seconds; after the end of the sound there is no voice.

    Returns:
        ``(T,)``, bool: the time lies in a segment of ``VoiceSegments``.

    Examples:
        >>> voice_presence(np.repeat([0.0, 0.9, 0.1], 10), np.array([0.1, 0.5, 0.8])).tolist()
        [False, True, False]
    """
    segments = VoiceSegments()
    segments.push(probabilities)
    return segments.presence(times)
