"""Small prepared corpora for tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mmaffect.datasets import CorpusWriter
from mmaffect.media.log_mel import get_front_end

# Name, split, frames, sound. One is shorter than a window of 20, one without sound.
TRIALS = [
    ('a1', 'train', 95, True),
    ('a2', 'train', 40, True),
    ('b1', 'train', 12, True),
    ('b2', 'train', 61, False),
    ('c1', 'train', 50, True),
    ('d1', 'val', 70, True),
    ('d2', 'val', 33, True),
    ('e1', 'test', 45, True),
]


def write_corpus(
    root: Path,
    trials=TRIALS,
    *,
    front_end: str = 'paper',
    face_size: int = 48,
    waveform_rate: int | None = None,
    seed: int = 0,
    subjects: Mapping[str, str] | None = None,
    videos: Mapping[str, str] | None = None,
    conditions: Mapping[str, Sequence[str]] | None = None,
) -> Path:
    """A corpus of random arrays, 25 frames a second; frame i of a face image holds i in its red corner pixel.

    ``subjects`` and ``videos`` name those of single trials; otherwise nobody is known, and each has its own video.
    ``conditions`` has a word a frame of the trials whose conditions are known.
    """
    writer = CorpusWriter(
        root,
        name='toy',
        front_end=get_front_end(front_end),
        face_size=face_size,
        synthetic=True,
        waveform_rate=waveform_rate,
    )
    for n, (name, split, frames, sound) in enumerate(trials):
        g = np.random.default_rng((seed, n))
        faces = g.integers(0, 256, (frames, face_size, face_size, 3), dtype=np.uint8)
        faces[:, 0, 0, 0] = np.arange(frames) % 256
        writer.write_trial(
            name,
            video=(videos or {}).get(name, f'{name}.mp4'),
            split=split,
            faces=faces,
            logmel=g.normal(-30, 10, (frames * 4, 64)).astype(np.float16) if sound else None,
            waveform=np.arange(frames * waveform_rate // 25).astype(np.int16) if sound and waveform_rate else None,
            timestamps=np.arange(frames) / 25,
            targets=np.clip(np.cumsum(g.normal(0, 0.1, (frames, 2)), axis=0), -1, 1),
            valid=g.random(frames) > 0.1 if split != 'test' else np.zeros(frames, bool),
            face_present=g.random(frames) > 0.1,
            subject=(subjects or {}).get(name),
            conditions=(conditions or {}).get(name),
        )
    writer.finish([name for name, *_ in trials])
    return root
