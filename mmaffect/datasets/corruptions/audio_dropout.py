"""Spans of silence."""

from dataclasses import replace

import numpy as np

from ...registry import CORRUPTIONS
from ..corpus import Corpus, Trial
from .base import Corruption, Severity
from .sound import row_times, silent_row, sound_length
from .spans import draw_spans, within


@CORRUPTIONS.register_module()
class AudioDropout(Corruption):
    """Digital silence for spans of time.

    ======== ==== ==== === ==== ===
    severity 1    2    3   4    5
    ======== ==== ==== === ==== ===
    share    0.1  0.25 0.5 0.75 0.9
    ======== ==== ==== === ==== ===

    A row of log-mel is silent if its centre is in a span: sharper at the edges than silence in the waveform.

    Args:
        severity: 1 to 5.
        seed: of the places of the spans.
        share: of the time, in [0, 1], instead of that of the severity.
    """

    modality = 'audio'
    LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)

    def __init__(self, severity: Severity = 3, seed: int = 0, share: float | None = None) -> None:
        super().__init__(severity, seed)
        self.override('share', share, 0, 1)

    def damage(self, trial: Trial, corpus: Corpus, rng: np.random.Generator) -> Trial:
        front_end = corpus.front_end
        spans = draw_spans(rng, 0.0, sound_length(trial, front_end), self.level)
        logmel, waveform = np.array(trial.logmel), np.array(trial.waveform)
        logmel[within(row_times(len(logmel), front_end), spans)] = silent_row(front_end)
        if len(waveform):
            for start, stop in np.rint(spans * corpus.waveform_rate).astype(np.int64):
                waveform[start:stop] = 0
        return replace(trial, logmel=logmel, waveform=waveform)
