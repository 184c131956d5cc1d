"""Latent valence and arousal of a demo trial, what a face and a voice show of them, and what an annotator writes."""

import numpy as np

FPS = 25
"""Frames per second of every demo video; the frame rate of everything in this file."""


def smooth_noise(rng: np.random.Generator, num_frames: int, cutoff: float) -> np.ndarray:
    """Noise (num_frames,) without fast parts, of mean about 0 and standard deviation about 1.

    Args:
        rng: its state decides everything.
        num_frames: length.
        cutoff: Hz, the fastest part left, below `FPS` / 2.
    """
    from scipy.signal import butter, sosfilt

    settle = int(2 * FPS / cutoff)
    sections = butter(2, cutoff, fs=FPS, output='sos')
    slow = sosfilt(sections, rng.standard_normal(num_frames + settle))[settle:]
    # A second-order low-pass leaves this share of white noise's variance.
    return slow / np.sqrt(1.11 * cutoff / (FPS / 2))


def draw_latent(rng: np.random.Generator, num_frames: int) -> np.ndarray:
    """A smooth trajectory (num_frames, 2) of valence and arousal in (-1, 1).

    Each trial has an offset of its own, small against its moves: who a person is says little of how they feel.

    Args:
        rng: its state decides everything.
        num_frames: length at `FPS`.
    """
    offset = rng.uniform(-0.3, 0.3, 2)
    moves = np.stack([smooth_noise(rng, num_frames, 0.25) for _ in range(2)], axis=1)
    return np.tanh(offset + 0.7 * moves)


def displayed(rng: np.random.Generator, latent: np.ndarray, noise: tuple[float, float]) -> np.ndarray:
    """What one modality shows of the latent trajectory: (T, 2), clipped to [-1, 1].

    Args:
        rng: its state decides everything.
        latent: (T, 2), valence and arousal.
        noise: standard deviation of what this modality adds to valence and arousal.
    """
    own = np.stack([smooth_noise(rng, len(latent), 0.5) for _ in range(2)], axis=1)
    return np.clip(latent + own * noise, -1, 1)


def annotate(rng: np.random.Generator, latent: np.ndarray) -> np.ndarray:
    """What an annotator with a joystick writes: (T, 2) in [-1, 1], with 4 decimals.

    Args:
        rng: its state decides everything.
        latent: (T, 2), valence and arousal.
    """
    from scipy.ndimage import uniform_filter1d

    error = np.stack([smooth_noise(rng, len(latent), 0.3) for _ in range(2)], axis=1)
    smooth = uniform_filter1d(latent, 7, axis=0, mode='nearest')
    return np.clip(smooth + 0.04 * error, -1, 1).round(4)
