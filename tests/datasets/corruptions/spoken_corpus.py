"""Corpora with sound that can be computed by hand: buzzing voices with pauses."""

from functools import lru_cache

import numpy as np
from scipy.signal import resample_poly

from mmaffect.datasets import CorpusWriter
from mmaffect.media.log_mel import get_front_end, log_mel

SECONDS = {'a': 20.0, 'b': 9.0, 'c': 14.0, 'mute': 6.0, 'apart': 8.0}
SUBJECTS = {'a': 'ann', 'b': 'bob', 'c': 'ann', 'mute': 'cy', 'apart': 'dan'}
PAUSE = (4.0, 6.0)  # of trial a: digital silence


@lru_cache
def voice(name, rate):
    """Harmonics of an uneven pitch through syllables, about -20 dB, with a little hiss, ``(N,)`` float32."""
    g = np.random.default_rng(len(name) + ord(name[0]))
    times = np.arange(round(SECONDS[name] * 44100)) / 44100
    pitch = g.uniform(100, 200) * (1 + 0.2 * np.sin(2 * np.pi * 0.3 * times))
    phase = 2 * np.pi * np.cumsum(pitch) / 44100
    sound = sum(np.sin(k * phase) / k for k in range(1, 40)) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * times))
    sound = 0.08 * sound + 1e-4 * g.standard_normal(len(times))
    if name == 'a':
        sound[round(PAUSE[0] * 44100) : round(PAUSE[1] * 44100)] = 0
    return (sound if rate == 44100 else resample_poly(sound, rate, 44100)).astype(np.float32)


def write_spoken_corpus(root, front_end='paper', waveform_rate=None, fps=30.0, side=16, subjects=SUBJECTS):
    """``a``, ``b``, ``c`` and ``mute`` for validation, ``apart`` for training."""
    settings = get_front_end(front_end)
    writer = CorpusWriter(
        root, name='toy', front_end=settings, face_size=side, synthetic=True, waveform_rate=waveform_rate
    )
    for n, (name, seconds) in enumerate(SECONDS.items()):
        g = np.random.default_rng(n)
        frames = round(seconds * fps)
        coarse = g.integers(0, 256, (frames, side // 4, side // 4, 3), dtype=np.uint8)
        present = np.ones(frames, bool)
        present[5:8] = False
        faces = coarse.repeat(4, 1).repeat(4, 2)
        faces[~present] = 0
        sound = None if name == 'mute' else voice(name, settings.sample_rate)
        integers = None
        if waveform_rate and sound is not None:
            integers = np.rint(voice(name, waveform_rate) * 32767).astype(np.int16)
        writer.write_trial(
            name,
            video=f'{name}.mp4',
            split='train' if name == 'apart' else 'val',
            faces=faces,
            logmel=None if sound is None else log_mel(sound, settings),
            waveform=integers,
            timestamps=np.arange(frames) / fps,
            targets=np.zeros((frames, 2)),
            valid=np.ones(frames, bool),
            face_present=present,
            subject=subjects.get(name),
        )
    writer.finish(list(SECONDS))
    return root
