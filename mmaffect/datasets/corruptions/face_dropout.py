"""Spans without a face."""

from dataclasses import replace

import numpy as np

from ...registry import CORRUPTIONS
from ..corpus import Corpus, Trial
from .base import Corruption, Severity
from .spans import draw_spans, within


@CORRUPTIONS.register_module()
class FaceDropout(Corruption):
    """No face for spans of time: black images, as of the frames in which none was found.

    ======== ==== ==== === ==== ===
    severity 1    2    3   4    5
    ======== ==== ==== === ==== ===
    share    0.1  0.25 0.5 0.75 0.9
    ======== ==== ==== === ==== ===

    Args:
        severity: 1 to 5.
        seed: of the places of the spans.
        share: of the time, in [0, 1], instead of that of the severity.
    """

    modality = 'visual'
    LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)

    def __init__(self, severity: Severity = 3, seed: int = 0, share: float | None = None) -> None:
        super().__init__(severity, seed)
        self.override('share', share, 0, 1)

    def damage(self, trial: Trial, corpus: Corpus, rng: np.random.Generator) -> Trial:
        times = trial.timestamps
        interval = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
        lost = within(times, draw_spans(rng, float(times[0]), float(times[-1]) + interval, self.level))
        faces, present = np.array(trial.faces), trial.face_present & ~lost
        faces[lost] = 0
        info = replace(trial.info, faces_present=int(present.sum()))
        return replace(trial, info=info, faces=faces, face_present=present)
