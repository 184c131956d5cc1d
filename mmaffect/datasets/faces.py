"""Face images of a trial, placed by the number of their frame."""

import os
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..errors import MediaError

IGNORED = ('thumbs.db', 'desktop.ini')
# A small file may unpack to gigabytes; no face crop comes near this number of pixels.
MAX_PIXELS = 64_000_000
# Below this size even the best compression cannot reach it.
UNSUSPECTED_BYTES = 1 << 16


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """Faces of a trial, in step with its annotation rows.

    Attributes:
        faces: ``(T, S, S, 3)`` uint8, RGB; black where there is no image. Faces that are cropped from a video come one
            at a time.
        present: ``(T,)`` bool, whether there is an image.
        num_files: images in the folder.
        num_beyond: images whose number is beyond T; they are left out.
    """

    faces: np.ndarray | Iterable[np.ndarray]
    present: np.ndarray
    num_files: int
    num_beyond: int


def read_faces(folder: str | Path, num_frames: int, size: int) -> FaceTrack:
    """Read the face images of a trial: ``{i + 1:05d}.jpg`` is frame ``i``, and a gap in the numbers is a black face.

    Args:
        folder: holds JPEG or PNG images that are named by their frame, from 1; whatever their colours, they become
            8-bit RGB. Hidden files are ignored.
        num_frames: number of annotation rows, T.
        size: side of the square faces, pixels, S.

    Raises:
        MediaError: naming the file, if an image is empty, cut off, no image, or a link out of the folder; if a name is
            not a frame number, or two have the same; or if the folder holds no images.
    """
    folder = Path(folder)
    names = list_faces(folder)
    if not names:
        raise MediaError(f'{folder}: no face images; expected 00001.jpg ...')
    faces = np.zeros((num_frames, size, size, 3), np.uint8)
    present = np.zeros(num_frames, bool)
    for number, name in names.items():
        if number <= num_frames:
            image = read_image(folder / name)
            small = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
            cv2.cvtColor(small, cv2.COLOR_BGR2RGB, dst=faces[number - 1])
            present[number - 1] = True
    return FaceTrack(faces, present, len(names), sum(number > num_frames for number in names))


def list_faces(folder: Path) -> dict[int, str]:
    """File names of the images in a folder by frame number (from 1), ascending.

    Raises:
        MediaError: if a name is not a frame number, two have the same, or a link leads out of the folder.
    """
    names: dict[int, str] = {}
    try:
        with os.scandir(folder) as scan:
            # Sorted, so that of several wrong names the same one is told on every system.
            for entry in sorted(scan, key=lambda entry: entry.name):
                if entry.name.startswith('.') or entry.name.casefold() in IGNORED:
                    continue
                number = _number(folder, entry)
                if number in names:
                    raise MediaError(
                        f'{entry.path}: frame {number} is {names[number]} too; expected one image of each frame'
                    )
                names[number] = entry.name
    except OSError as error:
        raise MediaError(f'{folder}: {error.strerror}; expected a folder of face images') from None
    return dict(sorted(names.items()))


def read_image(path: Path) -> np.ndarray:
    """Read a JPEG or PNG image, told apart by content.

    Returns:
        ``(H, W, 3)`` uint8, BGR.

    Raises:
        MediaError: if it is empty, cut off, too large or not an image.
    """
    try:
        with open(path, 'rb', buffering=0) as file:
            data = file.read()
    except OSError as error:
        raise MediaError(f'{path}: {error.strerror}; expected an image') from None
    if not data:
        raise MediaError(f'{path}: zero bytes; expected an image')
    if data.startswith(b'\xff\xd8'):
        # Within a scan 0xFF is never followed by 0xD9; a preview may have its own end before the last scan.
        whole = data.endswith(b'\xff\xd9') or data.rfind(b'\xff\xd9') > data.rfind(b'\xff\xda')
    elif data.startswith(b'\x89PNG\r\n\x1a\n'):
        whole = b'IEND' in data[-64:]
    else:
        raise MediaError(f'{path}: neither JPEG nor PNG (begins with {data[:8]!r}); expected an image')
    if not whole:
        raise MediaError(f'{path}: cut off after {len(data)} bytes; expected an image that ends with its end marker')
    if len(data) > UNSUSPECTED_BYTES and (pixels := _pixels(data)) > MAX_PIXELS:
        raise MediaError(f'{path}: {pixels} pixels; expected a face image of at most {MAX_PIXELS}')
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise MediaError(f'{path}: damaged, cannot be decoded; expected an image')
    return image


def _number(folder: Path, entry: os.DirEntry) -> int:
    match = re.fullmatch(r'([0-9]+)\.(jpe?g|png)', entry.name, re.IGNORECASE)
    if match is None or int(match[1]) == 0:
        raise MediaError(f'{entry.path}: not named by a frame; expected 00001.jpg, 00002.jpg ... (or .png)')
    link = entry.is_symlink()
    # os.path, since Path.resolve and DirEntry.is_file fail on a loop of links.
    if link and not Path(os.path.realpath(entry.path)).is_relative_to(os.path.realpath(folder)):
        raise MediaError(f'{entry.path}: a link out of its folder; expected an image')
    if not (os.path.isfile(entry.path) if link else entry.is_file()):
        raise MediaError(f'{entry.path}: not a regular file; expected an image')
    return int(match[1])


def _pixels(data: bytes) -> int:
    """Width times height as the header states them; 0 if it does not."""
    if data.startswith(b'\x89PNG'):
        width, height = struct.unpack('>II', data[16:24])
        return width * height
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        # Start of frame, of any coding; 0xC4, 0xC8 and 0xCC are tables.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack('>HH', data[place + 5 : place + 9])
            return width * height
        place += 1 if marker == 0xFF else 2 + int.from_bytes(data[place + 2 : place + 4], 'big')
    return 0
