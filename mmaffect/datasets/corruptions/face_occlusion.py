"""Something before the face."""

from dataclasses import replace

import numpy as np

from ...registry import CORRUPTIONS
from ..corpus import Corpus, Trial
from .base import Corruption, Severity

# Seconds that the rectangle takes from one drawn place to the next.
PACE = 3.0


@CORRUPTIONS.register_module()
class FaceOcclusion(Corruption):
    """A grey rectangle that wanders slowly over the face.

    ======== === === === ==== ===
    severity 1   2   3   4    5
    ======== === === === ==== ===
    share    0.1 0.2 0.3 0.45 0.6
    ======== === === === ==== ===

    Args:
        severity: 1 to 5.
        seed: of its way, grey level and proportions, which a trial keeps at any severity.
        share: of the area of the image that it covers, in (0, 1], to whole pixels of its sides, instead of that of
            the severity.
    """

    modality = 'visual'
    LEVELS = (0.1, 0.2, 0.3, 0.45, 0.6)

    def __init__(self, severity: Severity = 3, seed: int = 0, share: float | None = None) -> None:
        super().__init__(severity, seed)
        self.override('share', share, 1e-3, 1)

    def damage(self, trial: Trial, corpus: Corpus, rng: np.random.Generator) -> Trial:
        grey, proportion = rng.integers(256, dtype=np.uint8), rng.uniform(0.5, 2)
        side = trial.faces.shape[1]
        size = rectangle(side, self.level, proportion)
        times = trial.timestamps - trial.timestamps[0]
        marks = np.arange(0, times[-1] + 2 * PACE, PACE)
        way = np.stack([np.interp(times, marks, rng.random(len(marks))) for _ in size], axis=1)
        # Of whole pixels too, a larger rectangle covers all that a smaller one does.
        corners = np.floor(way * (side - np.array(size))).astype(np.int64)
        faces = np.array(trial.faces)
        for i in np.flatnonzero(trial.face_present):
            top, left = corners[i]
            faces[i, top : top + size[0], left : left + size[1]] = grey
        return replace(trial, faces=faces)


def rectangle(side: int, share: float, proportion: float) -> tuple[int, int]:
    """Height and width, pixels, of a rectangle in a square image.

    Args:
        side: of the image, pixels.
        share: of its area.
        proportion: of height to width, as far as the image is large enough.

    Examples:
        >>> rectangle(48, 0.5, 1.0), rectangle(48, 0.6, 2.0)
        ((34, 34), (48, 29))
    """
    height = float(np.clip(np.sqrt(share * proportion), share, 1))
    return max(round(side * height), 1), max(round(side * share / height), 1)
