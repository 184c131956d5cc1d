"""Sound that is out of step with the picture."""

from dataclasses import replace

import numpy as np

from ...registry import CORRUPTIONS
from ..corpus import Corpus, Trial
from .base import Corruption, Severity
from .sound import silent_row


@CORRUPTIONS.register_module()
class AudioShift(Corruption):
    """Sound that comes too late in some trials and too early in others; silence follows it.

    ======== ==== === == == ==
    severity 1    2   3  4  5
    ======== ==== === == == ==
    seconds  0.25 0.5 1  2  4
    ======== ==== === == == ==

    Args:
        severity: 1 to 5.
        seed: of the direction, which a trial keeps at any severity.
        seconds: that the sound of every trial is late (negative: early), to a hop of the front end, instead of that
            of the severity in a drawn direction.
    """

    modality = 'audio'
    LEVELS = (0.25, 0.5, 1.0, 2.0, 4.0)

    def __init__(self, severity: Severity = 3, seed: int = 0, seconds: float | None = None) -> None:
        super().__init__(severity, seed)
        self.drawn = seconds is None
        self.override('seconds', seconds, -3600, 3600)

    def damage(self, trial: Trial, corpus: Corpus, rng: np.random.Generator) -> Trial:
        hop = corpus.front_end.hop
        rows = round(self.level / hop) * (rng.choice([-1, 1]) if self.drawn else 1)
        waveform = trial.waveform
        if len(waveform):
            waveform = shift(waveform, round(rows * hop * corpus.waveform_rate), 0)
        return replace(trial, logmel=shift(trial.logmel, rows, silent_row(corpus.front_end)), waveform=waveform)


def shift(array: np.ndarray, count: int, filling: np.ndarray | int) -> np.ndarray:
    """A copy whose entries are moved to the back, or with a negative ``count`` to the front.

    Examples:
        >>> shift(np.array([1, 2, 3, 4]), -1, 0)
        array([2, 3, 4, 0])
    """
    out = np.empty_like(array, subok=False)
    out[...] = filling
    if 0 <= count < len(array):
        out[count:] = array[: len(array) - count]
    elif -len(array) < count < 0:
        out[:count] = array[-count:]
    return out
