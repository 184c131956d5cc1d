"""Traces as data samples and back."""

import numpy as np
import torch

from ..structures import AFFECT, AffectDataSample
from .trace import FACE_UNKNOWN, VOICE_UNKNOWN, Trace


def to_data_sample(trace: Trace) -> AffectDataSample:
    """A sample of the whole recording; its header is the metainfo ``header``.

    Args:
        trace: shares its memory with the sample.
    """
    metainfo = {'trial': trace.trial, 'start': 0, 'stride': 1, 'targets': trace.targets, 'header': trace.header}
    sample = AffectDataSample(metainfo=metainfo)
    sample.timestamps = torch.from_numpy(trace.times)
    sample.pred_affect = torch.from_numpy(trace.affect)
    if trace.annotated is not None:
        sample.gt_affect = torch.from_numpy(trace.annotated)
        sample.valid = torch.from_numpy(np.isfinite(trace.annotated).all(axis=1))
    if FACE_UNKNOWN not in trace.flags:
        sample.face_present = torch.from_numpy(trace.face)
        sample.boxes = torch.from_numpy(trace.box)
        sample.track = torch.from_numpy(trace.track)
    if VOICE_UNKNOWN not in trace.flags:
        sample.voice_present = torch.from_numpy(trace.voice)
    if trace.gates:
        sample.gates = {name: torch.from_numpy(values) for name, values in trace.gates.items()}
    return sample


def from_data_sample(sample: AffectDataSample) -> Trace:
    """A trace of a sample.

    Args:
        sample: of a recording, a trial or a window, with ``timestamps`` and ``pred_affect`` or ``gt_affect``.

    Raises:
        ValueError: if it has neither, or no times.
    """
    if 'timestamps' not in sample or not ('pred_affect' in sample or 'gt_affect' in sample):
        found = ', '.join(sample.keys()) or 'nothing'
        raise ValueError(f'a data sample of {found}; expected timestamps and pred_affect or gt_affect')
    times = _numpy(sample.timestamps)
    frames = len(times)
    annotated = None
    if 'gt_affect' in sample:
        annotated = _numpy(sample.gt_affect).copy()
        if 'valid' in sample:
            annotated[~_numpy(sample.valid)] = np.nan
        if not np.isfinite(annotated).any():
            annotated = None
    targets = tuple(sample.get('targets', AFFECT))
    affect = _numpy(sample.pred_affect) if 'pred_affect' in sample else np.full((frames, len(targets)), np.nan)
    header = dict(sample.get('header') or {'trial': str(sample.get('trial', 'sample'))})
    flags = list(header.get('flags') or ())
    for name, flag in (('face_present', FACE_UNKNOWN), ('voice_present', VOICE_UNKNOWN)):
        if name not in sample and flag not in flags:
            flags.append(flag)
    nobody = np.zeros(frames, bool)
    return Trace(
        header={**header, 'targets': list(targets), 'flags': flags},
        times=times,
        affect=affect,
        face=_numpy(sample.face_present) if 'face_present' in sample else nobody,
        voice=_numpy(sample.voice_present) if 'voice_present' in sample else nobody,
        box=_numpy(sample.boxes) if 'boxes' in sample else np.full((frames, 4), np.nan),
        track=_numpy(sample.track) if 'track' in sample else np.full(frames, -1),
        gates={name: _numpy(values) for name, values in (sample.get('gates') or {}).items()},
        annotated=annotated,
    )


def _numpy(values: torch.Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()
