"""What is known of the faces of a picture and of a recording."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Face:
    """One face in one picture.

    Attributes:
        box: ``(4,)`` float32: x, y, width, height in pixels; it may reach beyond the picture.
        score: how sure the detector is, in [0, 1].
        points: ``(5, 2)`` float32, x and y in pixels: left eye, right eye, nose, left and right corner of the mouth;
            left as seen in the picture.
    """

    box: np.ndarray
    score: float
    points: np.ndarray


class FaceDetector(ABC):
    """Finds the faces of a picture; what it needs beside the picture is in its constructor."""

    @abstractmethod
    def detect(self, frame: np.ndarray) -> list[Face]:
        """The faces of a picture, best first.

        Args:
            frame: uint8 ``(H, W, 3)``, RGB.

        Raises:
            MediaError: if the frame has another shape or type.
        """


@dataclass(frozen=True, eq=False)
class FaceTracks:
    """All faces of a recording, one row a face, by frame and then by track.

    Attributes:
        num_frames: frames of the recording, T.
        frame: ``(N,)`` int64, from 0.
        track: ``(N,)`` int32, number of the track, from 0 in order of appearance.
        box: ``(N, 4)`` float32, as of :class:`Face`.
        points: ``(N, 5, 2)`` float32, as of :class:`Face`.
        score: ``(N,)`` float32.
    """

    num_frames: int
    frame: np.ndarray
    track: np.ndarray
    box: np.ndarray
    points: np.ndarray
    score: np.ndarray


@dataclass(frozen=True, eq=False)
class ChosenFaces:
    """At most one face of every frame.

    Attributes:
        track: ``(T,)`` int32; -1 without a face.
        box: ``(T, 4)`` float32, as of :class:`Face`; NaN without a face.
        points: ``(T, 5, 2)`` float32, as of :class:`Face`; NaN without a face.
    """

    track: np.ndarray
    box: np.ndarray
    points: np.ndarray

    @property
    def present(self) -> np.ndarray:
        """``(T,)`` bool, whether the frame has a face."""
        return self.track >= 0
