import numpy as np
import pytest

from mmaffect.demo.affect import FPS, annotate, displayed, draw_latent, smooth_noise
from mmaffect.demo.conditions import (
    AUDIO_KINDS,
    AV_OFFSET,
    NORMAL,
    VISUAL_KINDS,
    Span,
    draw_spans,
    frame_conditions,
    weaken_sound,
)
from mmaffect.demo.voice import SAMPLE_RATE, draw_voice, speak


def _pitch(sound):
    """Median frequency in Hz of loud 50 ms pieces, by autocorrelation."""
    size = SAMPLE_RATE // 20
    pieces = sound[: len(sound) // size * size].reshape(-1, size).astype(float)
    loud = pieces[np.square(pieces).mean(1) > np.square(pieces).mean()]
    low, high = SAMPLE_RATE // 500, SAMPLE_RATE // 60
    correlations = [np.correlate(piece, piece, 'full')[size - 1 :][low:high] for piece in loud]
    return np.median([SAMPLE_RATE / (low + row.argmax()) for row in correlations])


def _constant(valence, arousal, seconds=6):
    return np.tile([float(valence), float(arousal)], (seconds * FPS, 1))


@pytest.mark.parametrize('seed', range(3))
def test_level_pitch_and_brightness_rise_with_arousal(seed):
    voice = draw_voice(np.random.default_rng(seed))
    calm, aroused = (speak(np.random.default_rng(7), voice, _constant(0, level)).sound for level in (-0.8, 0.8))
    assert np.sqrt(np.mean(aroused**2)) > 2 * np.sqrt(np.mean(calm**2))
    assert _pitch(aroused) > 1.3 * _pitch(calm)
    frequency = np.fft.rfftfreq(len(calm), 1 / SAMPLE_RATE)
    low, high = frequency < 1000, (frequency >= 1000) & (frequency < 4000)
    spectra = [np.abs(np.fft.rfft(sound)) ** 2 for sound in (calm, aroused)]
    bright = [spectrum[high].sum() / spectrum[low].sum() for spectrum in spectra]
    assert bright[1] > 1.5 * bright[0]


def test_speech_has_pauses_and_lips_that_follow_it():
    speech = speak(np.random.default_rng(0), draw_voice(np.random.default_rng(1)), _constant(0, 0, 10))
    assert speech.sound.shape == (10 * SAMPLE_RATE,)
    assert speech.sound.dtype == np.float32
    assert np.abs(speech.sound).max() <= 1
    assert speech.opening.shape == (10 * FPS,)
    level = np.sqrt(np.square(speech.sound.reshape(10 * FPS, -1)).mean(1))
    assert np.corrcoef(level, speech.opening)[0, 1] > 0.6
    assert 0.1 < (speech.opening < 0.05).mean() < 0.6


def test_latent_covers_the_square_smoothly():
    latents = [draw_latent(np.random.default_rng(seed), 450) for seed in range(40)]
    pooled = np.concatenate(latents)
    assert np.abs(pooled).max() < 1
    assert np.all(pooled.std(0) > 0.4)
    assert np.all(np.abs(pooled.mean(0)) < 0.2)
    steps = np.concatenate([np.diff(latent, axis=0) for latent in latents])
    assert steps.std() < 0.06
    assert np.abs(steps).max() < 0.25
    within = np.mean([latent.std(0) for latent in latents])
    between = np.std([latent.mean(0) for latent in latents])
    assert between < 0.75 * within


def test_annotation_is_the_latent_with_small_errors_and_modalities_with_larger_ones():
    latent = draw_latent(np.random.default_rng(0), 3000)
    rows = annotate(np.random.default_rng(1), latent)
    shown = displayed(np.random.default_rng(2), latent, (0.3, 0.3))
    assert np.abs(rows).max() <= 1
    np.testing.assert_array_equal(rows, rows.round(4))
    assert np.abs(rows - latent).mean() < 0.06 < np.abs(shown - latent).mean()


def test_smooth_noise_has_unit_variance():
    assert smooth_noise(np.random.default_rng(0), 50_000, 0.5).std() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ('weak', 'num_frames'), [(0.0, 450), (0.1, 75), (0.1, 450), (0.3, 450), (0.3, 100), (0.9, 450)]
)
def test_share_of_weak_frames(weak, num_frames):
    rng, shares = np.random.default_rng(0), []
    for _ in range(400):
        spans = draw_spans(rng, num_frames, weak, has_sound=True)
        words = frame_conditions(spans, num_frames)
        assert len(words) == num_frames
        assert sum(span.stop - span.start for span in spans) == sum(word != NORMAL for word in words)
        assert all(min(2 * FPS, num_frames) <= span.stop - span.start <= 6 * FPS for span in spans)
        shares.append(np.mean([word != NORMAL for word in words]))
    assert np.mean(shares) == pytest.approx(weak, abs=0.04)


def test_every_kind_is_drawn_and_without_sound_only_the_face_is_weak():
    rng = np.random.default_rng(0)
    kinds = {span.kind for _ in range(50) for span in draw_spans(rng, 900, 0.4, has_sound=True)}
    assert kinds == {*AUDIO_KINDS, *VISUAL_KINDS, AV_OFFSET}
    kinds = {span.kind for _ in range(50) for span in draw_spans(rng, 900, 0.4, has_sound=False)}
    assert kinds == set(VISUAL_KINDS)


def test_weak_sound():
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 16 * SAMPLE_RATE).astype(np.float32)
    other = np.full(len(sound), 0.25, np.float32)
    kinds = ['silence', 'noise', 'unrelated_voice', 'covered_face', AV_OFFSET]
    spans = tuple(Span(50 * i, 50 * i + 50, kind, 2.0 if kind == AV_OFFSET else 0.0) for i, kind in enumerate(kinds))
    seconds = weaken_sound(np.random.default_rng(1), sound, spans, other).reshape(8, -1)
    original = sound.reshape(8, -1)
    assert not seconds[0].any()
    assert 0.04 < seconds[1].std() < 0.1
    assert (seconds[2] == 0.25).all()
    np.testing.assert_array_equal(seconds[[3, 5, 6, 7]], original[[3, 5, 6, 7]])
    np.testing.assert_array_equal(seconds[4], original[5])
