"""Faces of a stream: found in its pictures, encoded once, with those of a clip before them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError, MediaError
from ..faces import FaceDetector, OnlineFaces, build_detector, crop_face
from ..inference.encoder import FrameEncoder


@dataclass(frozen=True, eq=False)
class StreamFace:
    """The face of a frame.

    Attributes:
        crop: ``(S, S, 3)`` uint8, RGB; ``None`` of a frame without a face, or where the model sees none.
        box: ``(4,)``, x, y, width and height in pixels; NaN without.
        track: number of its track; -1 without.
        present: whether the frame has a face.
    """

    crop: np.ndarray | None
    box: np.ndarray
    track: int
    present: bool


NO_FACE = StreamFace(None, np.full(4, np.nan, np.float32), -1, False)


class FaceFinder:
    """The main face of pictures that arrive one by one, as a corpus holds it.

    Args:
        detector: as :func:`mmaffect.faces.build_detector` takes it, or one that is there.
        every: pictures from one that is searched to the next.
        face_size: side of the crops, pixels; ``None``: there are none.
    """

    def __init__(self, detector: str | dict | FaceDetector, every: int, face_size: int | None) -> None:
        self._detector = detector if isinstance(detector, FaceDetector) else build_detector(detector)
        self._online = OnlineFaces(self._detector, every)
        self._face_size = face_size

    def warm_up(self) -> None:
        """Look at a black picture."""
        self._detector.detect(np.zeros((288, 360, 3), np.uint8))

    def find(self, time: float, frame: np.ndarray) -> StreamFace:
        """The face of the next picture ``(H, W, 3)``, uint8, RGB."""
        face, track = self._online.push(time, frame)
        if face is None:
            return NO_FACE
        crop = None if self._face_size is None else crop_face(frame, face.points, self._face_size)
        return StreamFace(crop, face.box, track, True)


def pushed_faces(
    faces: np.ndarray,
    present: Sequence[bool] | None,
    boxes: np.ndarray | None,
    tracks: Sequence[int] | None,
    face_size: int | None,
) -> list[StreamFace]:
    """Faces that others found, see :meth:`StreamingInferencer.push_faces`.

    Raises:
        ConfigError: for faces of another size; ``face_size=None``: of any.
        MediaError: unless they are as many of each.
    """
    count = len(faces)
    if count and face_size is not None and (faces.shape[1:] != (face_size, face_size, 3) or faces.dtype != np.uint8):
        raise ConfigError(f'a face is {faces.dtype} {faces.shape[1:]}; expected uint8 ({face_size}, {face_size}, 3)')
    known = [True] * count if present is None else [bool(one) for one in present]
    boxes = np.full((count, 4), np.nan, np.float32) if boxes is None else np.asarray(boxes, np.float32)
    tracks = [0] * count if tracks is None else [int(one) for one in tracks]
    if not (len(known) == len(tracks) == count and boxes.shape == (count, 4)):
        found = f'{len(known)} present, boxes {boxes.shape}, {len(tracks)} tracks'
        raise MediaError(f'{count} faces, but {found}; expected as many, boxes ({count}, 4)')
    return [StreamFace(faces[i], boxes[i], tracks[i], True) if known[i] else NO_FACE for i in range(count)]


class FaceFeatures:
    """Features of the faces of a stream.

    Args:
        encoder: of a model with a visual stream.
    """

    def __init__(self, encoder: FrameEncoder) -> None:
        self.encoder = encoder
        self._black = np.zeros((encoder.face_size, encoder.face_size, 3), np.uint8)
        self._before = np.zeros((0, *self._black.shape), np.uint8)
        self._beyond: np.ndarray | None = None

    def encode(
        self, faces: Sequence[StreamFace], needs_beyond: Callable[[int], bool]
    ) -> tuple[np.ndarray, list[np.ndarray | None]]:
        """Features of the next n faces.

        Args:
            faces: of consecutive frames.
            needs_beyond: whether the i-th is the last that is known when a padded window is predicted.

        Returns:
            ``(n, d)``, and for each, where needed, those of the black faces that would follow it.
        """
        crops = np.stack([self._black if face.crop is None else face.crop for face in faces])
        values = self.encoder.encode_faces(crops, self._before)
        context = self.encoder.context
        whole = np.concatenate((self._before, crops))
        earlier = len(self._before)
        beyond = [
            self._followed(whole[max(0, earlier + i + 1 - context) : earlier + i + 1]) if needs_beyond(i) else None
            for i in range(len(faces))
        ]
        self._before = whole[max(0, len(whole) - context) :].copy()
        return values, beyond

    def followed(self) -> np.ndarray:
        """Features of the black faces that would follow the last one."""
        return self._followed(self._before)

    def _followed(self, before: np.ndarray) -> np.ndarray:
        """``(context + 1, d)``: the last of them sees black faces only."""
        if self.encoder.context == 0 and self._beyond is not None:
            return self._beyond
        black = np.zeros((self.encoder.context + 1, *self._black.shape), np.uint8)
        self._beyond = self.encoder.encode_faces(black, before)
        return self._beyond
