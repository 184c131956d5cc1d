"""Faces with the marks of compression."""

from dataclasses import replace

import cv2
import numpy as np

from ...registry import CORRUPTIONS
from ..corpus import Corpus, Trial
from .base import Corruption, Severity


@CORRUPTIONS.register_module()
class FaceJPEG(Corruption):
    """Every face compressed as JPEG and opened again.

    ======== == == == == =
    severity 1  2  3  4  5
    ======== == == == == =
    quality  50 30 20 10 5
    ======== == == == == =

    Args:
        severity: 1 to 5.
        seed: takes part in nothing, since nothing is drawn.
        quality: 1 to 100, instead of that of the severity.
    """

    modality = 'visual'
    LEVELS = (50, 30, 20, 10, 5)

    def __init__(self, severity: Severity = 3, seed: int = 0, quality: int | None = None) -> None:
        super().__init__(severity, seed)
        self.override('quality', quality, 1, 100)

    def damage(self, trial: Trial, corpus: Corpus, rng: np.random.Generator) -> Trial:
        faces = np.array(trial.faces)
        for i in np.flatnonzero(trial.face_present):
            picture = cv2.cvtColor(faces[i], cv2.COLOR_RGB2BGR)
            _, data = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, round(self.level)])
            faces[i] = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        return replace(trial, faces=faces)
