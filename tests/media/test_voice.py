import numpy as np
import pytest
import torch

from mmaffect.errors import ConfigError
from mmaffect.media import VoiceDetector, VoiceSegments, read_sound, voice_presence
from mmaffect.media.voice import VOICE_DELAY

silero_vad = pytest.importorskip('silero_vad', reason='mmaffect[video] is not installed')
CHUNK = 512


class Played:
    """Stands for the network: gives the next of known probabilities."""

    def __init__(self, probabilities):
        self.probabilities = probabilities
        self.reset_states()

    def reset_states(self):
        self.rest = iter(self.probabilities)

    def __call__(self, chunk, rate):
        return torch.tensor(next(self.rest))


def random_probabilities(seed, count=400):
    """Long stretches of voice and silence, with values on both sides of both thresholds."""
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.choice([0.1, 0.45, 0.9], count), rng.integers(1, 9, count))[:count]
    return np.clip(level + rng.normal(0, 0.12, count), 0, 1).astype(np.float32)


def segments_of(probabilities):
    segments = VoiceSegments()
    segments.push(probabilities)
    return segments.seconds


@pytest.mark.parametrize('seed', range(8))
def test_segments_are_those_of_silero(seed):
    probabilities = random_probabilities(seed)
    found = np.rint(segments_of(probabilities) * 16000)
    iterator = silero_vad.VADIterator(Played(probabilities))
    starts, ends, late = [], [], 0
    for index in range(len(probabilities)):
        event = iterator(torch.zeros(CHUNK)) or {}
        starts += [event['start']] if 'start' in event else []
        if 'end' in event:
            # Silence and four chunks: what is decided later than that ends later.
            ends.append(max(event['end'], index * CHUNK - 4 * CHUNK + 480))
            late += ends[-1] > event['end']
    assert len(ends) >= 7
    np.testing.assert_array_equal(found[:, 0], starts)
    np.testing.assert_array_equal(found[: len(ends), 1], ends)

    timestamps = silero_vad.get_speech_timestamps(
        torch.zeros(len(probabilities) * CHUNK), Played(probabilities), min_speech_duration_ms=0
    )
    np.testing.assert_array_equal(found[:, 0], [one['start'] for one in timestamps])
    assert (found[:, 1] != [one['end'] for one in timestamps]).sum() == late
    assert late < len(found) / 2


def test_presence_is_settled_in_time():
    probabilities = random_probabilities(9)
    times = np.arange(0, len(probabilities) * 0.032 + 1, 0.011)
    whole = voice_presence(probabilities, times)
    assert 0.2 < whole.mean() < 0.9
    assert not whole[times >= len(probabilities) * 0.032].any()
    segments = VoiceSegments()
    before = 0.0
    for count, probability in enumerate(probabilities, start=1):
        segments.push(np.array([probability]))
        assert before <= segments.settled <= count * 0.032
        assert segments.settled + VOICE_DELAY > count * 0.032
        before = segments.settled
        known = times < segments.settled
        np.testing.assert_array_equal(segments.presence(times[known]), whole[known])


def test_without_probabilities_there_is_no_voice():
    assert voice_presence(np.empty(0, np.float32), np.array([0.0, 1.0])).tolist() == [False, False]
    assert VoiceSegments().seconds.shape == (0, 2)


def test_voice_of_grid(grid):
    """A speaker says one sentence in each of these clips of 3 s, after and before silence."""
    samples = read_sound(grid[0], 16000).samples
    model = silero_vad.load_silero_vad(onnx=True)
    expected = silero_vad.get_speech_timestamps(torch.from_numpy(samples), model, min_speech_duration_ms=0)
    detector = VoiceDetector()
    probabilities = np.concatenate([detector.push(samples), detector.flush()])
    assert len(probabilities) == -(-len(samples) // CHUNK)
    found = np.rint(segments_of(probabilities) * 16000)
    np.testing.assert_allclose(found, [[one['start'], one['end']] for one in expected], atol=CHUNK)
    presence = voice_presence(probabilities, np.arange(75) / 25)
    assert 0.3 < presence.mean() < 0.95

    pieces = []
    for start in range(0, len(samples), 777):
        pieces.append(detector.push(samples[start : start + 777]))
    np.testing.assert_array_equal(np.concatenate([*pieces, detector.flush()]), probabilities)


def test_noise_and_silence_are_no_voice():
    noise = np.random.default_rng(0).normal(0, 0.05, 16000).astype(np.float32)
    detector = VoiceDetector()
    for sound in (noise, np.zeros(16000, np.float32)):
        probabilities = np.concatenate([detector.push(sound), detector.flush()])
        assert probabilities.shape == (32,)
        assert probabilities.max() < 0.5


def test_threads_of_torch_are_left_alone():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        VoiceDetector()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_what_to_install_is_said(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'silero_vad', None)
    with pytest.raises(ConfigError, match=r'pip install mmaffect\[video\]'):
        VoiceDetector()
