"""Traces and recordings made up for reports."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from mmaffect.media import write_video
from mmaffect.traces.trace import Trace

FPS = 25
GREY_STEP = 5


def make_trace(trial='clip', frames=50, *, fps=FPS, seed=0, annotated=False, source=None, gates=True, **header):
    """Smooth values; the face is missing in the second tenth of the frames, the voice in the last half."""
    g = np.random.default_rng(seed)
    times = np.arange(frames) / fps
    phase = g.uniform(0, 6, (2, 1))
    affect = (0.8 * np.sin(times * g.uniform(1, 3, (2, 1)) + phase)).T.astype(np.float32)
    face = ~((np.arange(frames) >= frames // 10) & (np.arange(frames) < frames // 5))
    box = np.where(face[:, None], [30.5, 20.0, 40.0, 50.0], np.nan)
    truth = np.clip(affect + g.normal(0, 0.2, affect.shape), -1, 1) if annotated else None
    shares = {}
    if gates:
        for modality in ('audio', 'visual'):
            shares[f'{modality}/iteration_1'] = g.random(frames).astype(np.float32)
            stage = g.random(frames)
            shares |= {f'{modality}/stage_0': stage, f'{modality}/stage_1': 1 - stage}
    return Trace(
        header={
            'trial': trial,
            'input': str(source or trial),
            'model': 'grjca_demo',
            'weights_sha256': '0123abcd',
            'command': 'tools/infer.py clip.mp4',
            'frames': {'declared': frames, 'decoded': frames, 'with_face': int(face.sum()), 'predicted': frames},
            'synthetic': True,
            **header,
        },
        times=times,
        affect=affect,
        face=face,
        voice=np.arange(frames) < frames // 2,
        box=box,
        track=np.where(face, 0, -1),
        gates=shares,
        annotated=truth,
        source=source,
    )


def one_target(trace):
    """Arousal alone."""
    return replace(trace, affect=trace.affect[:, 1:], header={**trace.header, 'targets': ['arousal']})


def grey_frames(count=50, size=(48, 64)):
    """Frame i is grey, ``3 + 5 i``."""
    return (np.full((*size, 3), 3 + GREY_STEP * i, np.uint8) for i in range(count))


def grey_video(path: Path, count=50, sound=True, **options) -> Path:
    """A video of grey frames with a tone."""
    rate = 16000
    tone = 0.2 * np.sin(2 * np.pi * 300 * np.arange(round(count / FPS * rate)) / rate) if sound else None
    write_video(path, grey_frames(count), FPS, tone, rate if sound else None, crf=10, **options)
    return path
