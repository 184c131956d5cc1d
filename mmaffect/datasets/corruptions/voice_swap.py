"""The voice of somebody else."""

from dataclasses import replace

import numpy as np

from ...registry import CORRUPTIONS
from ..corpus import Corpus, Trial
from .base import Corruption, Severity
from .sound import row_times, sound_length
from .spans import draw_spans, within
from .voices import other_voices


@CORRUPTIONS.register_module()
class VoiceSwap(Corruption):
    """For spans of time the sound of another trial of the split, of another person where people are known.

    ======== ==== ==== === ==== ===
    severity 1    2    3   4    5
    ======== ==== ==== === ==== ===
    share    0.1  0.25 0.5 0.75 1
    ======== ==== ==== === ==== ===

    The other sound begins at a drawn place and is repeated where it is too short.

    Args:
        severity: 1 to 5.
        seed: of the other trial, its place, and the spans.
        share: of the time, in [0, 1], instead of that of the severity.
    """

    modality = 'audio'
    LEVELS = (0.1, 0.25, 0.5, 0.75, 1.0)

    def __init__(self, severity: Severity = 3, seed: int = 0, share: float | None = None) -> None:
        super().__init__(severity, seed)
        self.override('share', share, 0, 1)

    def damage(self, trial: Trial, corpus: Corpus, rng: np.random.Generator) -> Trial:
        front_end = corpus.front_end
        other = corpus[rng.choice(other_voices(trial, corpus, 'VoiceSwap'))]
        phase = rng.random()
        spans = draw_spans(rng, 0.0, sound_length(trial, front_end), self.level)
        logmel, waveform = np.array(trial.logmel), np.array(trial.waveform)
        rows = np.flatnonzero(within(row_times(len(logmel), front_end), spans))
        logmel[rows] = other.logmel[(int(phase * len(other.logmel)) + rows) % len(other.logmel)]
        if len(waveform) and len(other.waveform):
            first = int(phase * len(other.waveform))
            for start, stop in np.rint(np.clip(spans * corpus.waveform_rate, 0, len(waveform))).astype(np.int64):
                waveform[start:stop] = other.waveform[(first + np.arange(start, stop)) % len(other.waveform)]
        return replace(trial, logmel=logmel, waveform=waveform)
