"""Traces made by hand."""

import numpy as np

from mmaffect.traces.trace import Trace


def make_trace(count=40, fps=25.0, gates=True, annotated=True, targets=('valence', 'arousal'), **header):
    """A trace with a gap in face and prediction; all its values are other ones."""
    random = np.random.default_rng(count)
    times = 0.023 + np.arange(count) / fps
    face = np.ones(count, bool)
    face[count // 4 : count // 3] = False
    box = (random.normal(size=(count, 4)) * 100).astype(np.float32)
    box[:, 2:] = np.abs(box[:, 2:])
    box[~face] = np.nan
    affect = random.uniform(-1, 1, (count, len(targets))).astype(np.float32)
    affect[-3] = np.nan
    truth = random.uniform(-1, 1, (count, 2)).astype(np.float32)
    truth[5:8] = np.nan
    names = ('audio/iteration_1', 'audio/stage_1', 'audio/stage_2', 'visual/iteration_1')
    return Trace(
        header={'trial': 'clip', 'targets': list(targets), **header},
        times=times,
        affect=affect,
        face=face,
        voice=random.random(count) < 0.5,
        box=box,
        track=np.where(face, 3, -1),
        gates={name: random.random(count).astype(np.float32) for name in names} if gates else {},
        annotated=truth if annotated else None,
    )
