"""Detections of a video: found once, kept beside the corpus, so that another choice of faces costs no detection.

::

    <root>/detections/<video>-<hash>.npz    all faces of the video, the times of its frames, what they were found with
"""

import hashlib
import inspect
import json
import os
import zipfile
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..errors import MediaError
from ..faces import FaceDetector, FaceTracks, build_detector, find_faces
from ..faces.detectors import SHORT_NAMES
from ..registry import FACE_DETECTORS
from ..utils.files import replacing
from ..utils.progress import Progress

FOLDER = 'detections'
FIELDS = ('frame', 'track', 'box', 'points', 'score')
# Videos below this many frames are done before anybody asks how far they are.
LONG = 2000


@dataclass(frozen=True, eq=False)
class Detections:
    """All faces of a video.

    Attributes:
        tracks: the faces.
        times: ``(T,)`` presentation times, seconds.
        width: of the picture, pixels.
        source: what they depend on: settings and size of the video.
    """

    tracks: FaceTracks
    times: np.ndarray
    width: int
    source: dict


def detection_file(root: Path, video: Path, corpus: Path) -> Path:
    """Where the detections of a video are kept.

    Args:
        root: folder of the prepared corpus.
        video: the video.
        corpus: folder of the videos.
    """
    place = os.path.relpath(video, corpus)
    digest = hashlib.sha256(os.fsencode(place)).hexdigest()[:8]
    return root / FOLDER / f'{video.stem[:100]}-{digest}.npz'


def detection_source(video: Path, settings: dict) -> dict:
    """What tells that detections are of this very video and these settings."""
    return {**settings, 'video_bytes': os.path.getsize(video)}


def detect_video(video: Path, file: Path, detector: str, settings: dict, threads: int, tell: bool) -> int:
    """Find all faces of a video and write them to a file.

    Args:
        video: the video.
        file: of the detections.
        detector: name or config of the detector, as JSON.
        settings: what detections depend on, with ``every``.
        threads: that a detector may use, if it lets itself be told.
        tell: whether the progress of a long video is shown.

    Returns:
        Number of frames.

    Raises:
        ConfigError: if the detector cannot be built.
        MediaError: if the video cannot be read.
        OSError: if the file cannot be written.
    """
    from ..media import VideoReader

    try:
        source = detection_source(video, settings)
        reader = VideoReader(video, backend='pyav')
    except OSError as error:
        raise MediaError(f'{error.filename or video}: {error.strerror or error}') from None
    times = reader.timestamps.seconds
    bar = Progress(len(times), f'frames of {video.name}') if tell and len(times) > LONG else nullcontext()
    with reader, bar as progress:
        frames = (frame for _, frame in reader)
        tracks = find_faces(frames, times, _detector(detector, threads), every=settings['every'], progress=progress)
    arrays = {name: getattr(tracks, name) for name in FIELDS}
    try:
        with replacing(file) as temporary:
            np.savez(temporary, **arrays, times=times, width=reader.info.width, source=json.dumps(source))
    except OSError as error:
        # A write that fails does not say where.
        raise OSError(error.errno, f'{error.strerror}; faces of {video.name} are not kept', str(file)) from None
    return len(times)


def read_detections(file: Path) -> Detections:
    """Read what :func:`detect_video` has written.

    Raises:
        MediaError: if there is no such file, or it is damaged.
    """
    try:
        with np.load(file, allow_pickle=False) as found:
            tracks = FaceTracks(len(found['times']), *(found[name] for name in FIELDS))
            return Detections(tracks, found['times'], int(found['width']), json.loads(str(found['source'])))
    except FileNotFoundError:
        raise MediaError(f'{file}: there is no such file; expected the faces found in a video') from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise MediaError(f'{file}: damaged ({error}); delete it and prepare the corpus again') from None


def is_detected(video: Path, file: Path, settings: dict) -> bool:
    """Whether the faces of a video were found already, with these settings."""
    try:
        with np.load(file, allow_pickle=False) as found:
            return json.loads(str(found['source'])) == detection_source(video, settings)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return False


@lru_cache(maxsize=1)
def _detector(description: str, threads: int) -> FaceDetector:
    detector = json.loads(description)
    config = detector if isinstance(detector, dict) else {'type': SHORT_NAMES.get(detector)}
    kind = FACE_DETECTORS.get(config['type']) if config['type'] else None
    if kind is not None and 'threads' in inspect.signature(kind).parameters:
        detector = {'threads': threads, **config}
    return build_detector(detector)
