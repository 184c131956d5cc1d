"""Faces of a trial that are found in the video itself, instead of crops that come with it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..errors import ConfigError, MediaError
from ..faces import ChosenFaces, FaceTracks, choose_faces, crop_face
from ..faces.choice import CHOICES
from ..utils.files import sha256
from .face_detection import FIELDS, Detections, is_detected, read_detections
from .faces import FaceTrack

if TYPE_CHECKING:
    from .raw import RawTrial

Choice = Literal['largest', 'longest', 'all']
# Which of several people: the left or right one, or where their face is, as a share of the width.
Person = Literal['left', 'right'] | float | None


@dataclass(frozen=True)
class FaceSettings:
    """How faces are found.

    Args:
        detector: as of :func:`mmaffect.faces.build_detector`.
        every: every how many frames faces are detected; in between they are interpolated.
        choice: ``'largest'``: in each frame the largest; ``'longest'``: the one person that is seen in most frames;
            ``'all'``: a trial of each person.
        min_seconds: for ``'all'``, how long a person has to be seen.

    Raises:
        ConfigError: if one of them is something else.
    """

    detector: str | dict = 'retinaface'
    every: int = 1
    choice: Choice = 'largest'
    min_seconds: float = 1.0

    def __post_init__(self) -> None:
        try:
            json.dumps(self.detector)
        except TypeError:
            raise ConfigError(f'detector={self.detector!r}; expected a name, or a dict that JSON can hold') from None
        if self.choice not in CHOICES:
            raise ConfigError(f'faces={self.choice!r}; expected one of {", ".join(CHOICES)}')
        if not isinstance(self.every, int) or self.every < 1:
            raise ConfigError(f'every={self.every!r}; expected a number of frames from 1')
        if not self.min_seconds >= 0:
            raise ConfigError(f'min_seconds={self.min_seconds!r}; expected seconds from 0')

    @property
    def detection(self) -> dict[str, object]:
        """What detections depend on, as JSON has it."""
        return {'detector': _description(json.dumps(self.detector)), 'every': self.every}


@dataclass(frozen=True)
class FoundFaces:
    """The face of a trial among those that were found in its video.

    Attributes:
        settings: how they are found.
        file: of the detections, see :mod:`mmaffect.datasets.face_detection`.
        person: which of several people; ``None``: as the settings choose.
        number: which of the faces that the settings choose, from 0.
    """

    settings: FaceSettings
    file: Path
    person: Person = None
    number: int = 0

    @property
    def choice(self) -> Choice:
        """The settings' choice; of a person that is named, the largest face where all were asked for."""
        return 'largest' if self.person is not None and self.settings.choice == 'all' else self.settings.choice

    @property
    def source(self) -> dict[str, object]:
        """What tells that a trial was prepared with these very settings."""
        which = {'choice': self.choice, 'person': self.person, 'number': self.number}
        if self.choice == 'all':
            which['min_seconds'] = self.settings.min_seconds
        return {**self.settings.detection, **which}


def choose_found(found: FoundFaces, detections: Detections) -> list[ChosenFaces]:
    """Faces that a trial may be made of; one, unless all are asked for."""
    tracks = detections.tracks
    if found.person is not None:
        tracks = select_rows(tracks, of_person(tracks, found.person, detections.width))
    return choose_faces(tracks, detections.times, found.choice, min_seconds=found.settings.min_seconds)


def trials_of_faces(trial: 'RawTrial') -> list['RawTrial']:
    """The trials that a trial stands for: if a trial of each face is asked for, as many as faces were found.

    They are named ``<trial>_face1``, ``<trial>_face2`` ... in order of appearance. Who of several people the subject is
    cannot be told. A trial in whose video faces were not looked for yet stands for itself.
    """
    found = trial.found
    if found is None or found.choice != 'all' or not is_detected(trial.video, found.file, found.settings.detection):
        return [trial]
    count = len(choose_found(found, read_detections(found.file)))
    subject = trial.subject if count == 1 else None
    return [
        replace(trial, name=f'{trial.name}_face{number + 1}', subject=subject, found=replace(found, number=number))
        for number in range(count)
    ]


def of_person(tracks: FaceTracks, person: Person, width: int) -> np.ndarray:
    """Which of the faces are of one of several people in the picture, told by where they are.

    Left and right are divided in the middle between the two largest faces, as the median over the frames that have
    two, or in the middle of the picture if none has. A number takes the face whose middle is nearest in each frame, if
    it is no further away than the face is wide.

    Args:
        tracks: all faces.
        person: ``'left'``, ``'right'``, or a share of the width, in [0, 1].
        width: of the picture, pixels.

    Returns:
        ``(N,)`` bool.
    """
    middle = tracks.box[:, 0] + tracks.box[:, 2] / 2
    if isinstance(person, str):
        border = _border(tracks, middle, width)
        return middle < border if person == 'left' else middle >= border
    distance = np.abs(middle - person * width)
    order = np.lexsort((distance, tracks.frame))
    _, first = np.unique(tracks.frame[order], return_index=True)
    chosen = np.zeros(len(middle), bool)
    chosen[order[first]] = True
    return chosen & (distance <= tracks.box[:, 2])


def read_found_faces(video: Path, found: FoundFaces, num_frames: int, size: int) -> FaceTrack:
    """Crop the faces of a trial from its video, as :func:`mmaffect.datasets.faces.read_faces` reads given crops.

    Args:
        video: the video.
        found: which faces.
        num_frames: frames of the trial, T; behind the end of the video there are no faces.
        size: side of the square faces, pixels.

    Returns:
        The faces one at a time, since those of an hour do not belong into memory.

    Raises:
        MediaError: if there are no detections of the video, or, while the faces are read, it is damaged.
    """
    detections = read_detections(found.file)
    chosen = choose_found(found, detections)[found.number]
    present = np.zeros(num_frames, bool)
    common = min(num_frames, len(chosen.present))
    present[:common] = chosen.present[:common]
    count = int(chosen.present.sum())
    return FaceTrack(_crops(video, chosen, present, size), present, count, count - int(present.sum()))


def select_rows(tracks: FaceTracks, rows: np.ndarray) -> FaceTracks:
    """The faces of some rows only."""
    return replace(tracks, **{name: getattr(tracks, name)[rows] for name in FIELDS})


def _crops(video: Path, chosen: ChosenFaces, present: np.ndarray, size: int) -> Iterator[np.ndarray]:
    from ..media import VideoReader

    black = np.zeros((size, size, 3), np.uint8)
    common = min(len(present), len(chosen.points))
    try:
        with VideoReader(video, backend='pyav') as reader:
            # The reader last, since zip would take a frame too many from one that comes first.
            for seen, points, (_, frame) in zip(present[:common], chosen.points, reader, strict=False):
                yield crop_face(frame, points, size) if seen else black
    except OSError as error:
        raise MediaError(f'{error.filename or video}: {error.strerror or error}') from None
    for _ in range(common, len(present)):
        yield black


def _border(tracks: FaceTracks, middle: np.ndarray, width: int) -> float:
    area = tracks.box[:, 2] * tracks.box[:, 3]
    order = np.lexsort((-area, tracks.frame))
    frame, middle = tracks.frame[order], middle[order]
    # Rows that begin a frame with another face behind them: the two largest.
    first = np.flatnonzero((frame[:-1] == frame[1:]) & np.append(True, frame[1:-1] != frame[:-2])) if len(frame) else []
    return float(np.median((middle[first] + middle[np.add(first, 1)]) / 2)) if len(first) else width / 2


@lru_cache(maxsize=8)
def _description(detector: str) -> object:
    """A detector as a trial's entry notes it: a file of weights by its content too."""
    found = json.loads(detector)
    if isinstance(found, str) and found.endswith('.onnx'):
        try:
            return {'file': Path(found).name, 'sha256': sha256(found)}
        except OSError as error:
            raise ConfigError(f'detector={found!r}: {error.strerror}; expected a file *.onnx') from None
    return found
