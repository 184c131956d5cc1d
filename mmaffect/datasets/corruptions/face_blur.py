"""Blurred faces."""

from dataclasses import replace

import cv2
import numpy as np

from ...registry import CORRUPTIONS
from ..corpus import Corpus, Trial
from .base import Corruption, Severity


@CORRUPTIONS.register_module()
class FaceBlur(Corruption):
    """A Gaussian blur of every face.

    ======== ===== ===== ==== ==== ====
    severity 1     2     3    4    5
    ======== ===== ===== ==== ==== ====
    sigma    0.015 0.025 0.04 0.07 0.12
    ======== ===== ===== ==== ==== ====

    Args:
        severity: 1 to 5.
        seed: takes part in nothing, since nothing is drawn.
        sigma: standard deviation as a share of the side of the face image, instead of that of the severity.
    """

    modality = 'visual'
    LEVELS = (0.015, 0.025, 0.04, 0.07, 0.12)

    def __init__(self, severity: Severity = 3, seed: int = 0, sigma: float | None = None) -> None:
        super().__init__(severity, seed)
        self.override('sigma', sigma, 1e-3, 1)

    def damage(self, trial: Trial, corpus: Corpus, rng: np.random.Generator) -> Trial:
        sigma = self.level * trial.faces.shape[1]
        # Four standard deviations to each side.
        size = 2 * round(4 * sigma) + 1
        faces = np.array(trial.faces)
        for i in np.flatnonzero(trial.face_present):
            # In float, where OpenCV is up to ten times as fast.
            blurred = cv2.GaussianBlur(faces[i].astype(np.float32), (size, size), sigma, borderType=cv2.BORDER_REFLECT)
            faces[i] = np.rint(np.clip(blurred, 0, 255))
        return replace(trial, faces=faces)
