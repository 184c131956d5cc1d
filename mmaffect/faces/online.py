"""The main face of pictures that arrive one by one."""

from collections import defaultdict

import numpy as np

from ..errors import ConfigError
from .tracking import FaceTracker
from .types import Face, FaceDetector


class OnlineFaces:
    """Follows the largest face, knowing only the past.

    Of the faces in a picture, it is the one whose track has had the largest area in all so far. With one person in
    the pictures and ``every=1`` this is what :func:`find_faces` and :func:`choose_faces` give.

    Args:
        detector: see :func:`build_detector`.
        every: pictures from one that is searched to the next; between them the face stays where it was found.
        tracker: by default one with its usual arguments.

    Raises:
        ConfigError: if ``every`` is less than 1.
    """

    def __init__(self, detector: FaceDetector, every: int = 1, tracker: FaceTracker | None = None) -> None:
        if every < 1:
            raise ConfigError(f'every={every}; expected at least 1 frame')
        self.detector, self.every = detector, every
        self._tracker = FaceTracker() if tracker is None else tracker
        self._areas: defaultdict[int, float] = defaultdict(float)
        self._count = 0
        self._current: tuple[Face | None, int] = (None, -1)

    def push(self, time: float, frame: np.ndarray) -> tuple[Face | None, int]:
        """The face of the next picture and the number of its track.

        Args:
            time: of the picture, seconds, not before the one before.
            frame: uint8 ``(H, W, 3)``, RGB.

        Returns:
            ``(None, -1)`` where there is no face.

        Raises:
            MediaError: if the frame is no picture.
        """
        if self._count % self.every == 0:
            faces = self.detector.detect(frame)
            numbers = self._tracker.update(time, faces)
            for face, number in zip(faces, numbers, strict=True):
                self._areas[number] += float(face.box[2]) * float(face.box[3])
            self._current = max(
                zip(faces, numbers, strict=True), key=lambda pair: self._areas[pair[1]], default=(None, -1)
            )
        self._count += 1
        return self._current
