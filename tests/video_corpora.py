"""Videos whose faces are coloured squares that encode their frame, and the detector that finds them."""

from pathlib import Path

import numpy as np

from mmaffect.media import write_video

FPS = 25.0
SIDE = 40
DETECTOR = {'type': 'square_detector.SquareDetector'}
# A module of its own, since worker processes import it by name.
SOURCE = """
import cv2
import numpy as np

from mmaffect.faces import Face, FaceDetector
from mmaffect.faces.alignment import ARCFACE_POINTS


class SquareDetector(FaceDetector):
    def __init__(self, fails: bool = False) -> None:
        self.fails = fails

    def detect(self, frame):
        if self.fails:
            raise ValueError('a detector that fails')
        _, _, stats, _ = cv2.connectedComponentsWithStats((frame[..., 2] > 100).astype(np.uint8))
        boxes = [row[:4].astype(np.float32) for row in stats[1:] if row[4] > 100]
        return [Face(box, 0.9, (box[:2] + ARCFACE_POINTS / 112 * box[2:]).astype(np.float32)) for box in boxes]
"""


def colour(number: int) -> tuple[int, int, int]:
    """RGB colour of a square, far enough from that of the next number to survive compression."""
    return 8 + 16 * (number % 16), 8 + 16 * (number // 16), 200


def write_squares(path: Path, people: list[dict[int, tuple[int, int]]], frames: int, *, sound: bool = True) -> Path:
    """Write a video of 160x96 with a square for each person.

    ``people`` holds, by frame, where the upper left corner of each person's square is. The square of person ``p`` at
    frame ``i`` has the colour of ``i + 100 * p``.
    """

    def picture(frame: int) -> np.ndarray:
        image = np.zeros((96, 160, 3), np.uint8)
        for person, places in enumerate(people):
            if frame in places:
                x, y = places[frame]
                image[y : y + SIDE, x : x + SIDE] = colour(frame + 100 * person)
        return image

    path.parent.mkdir(parents=True, exist_ok=True)
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(round(frames / FPS * 16000)) / 16000)
    write_video(
        path, (picture(i) for i in range(frames)), FPS, tone if sound else None, 16000 if sound else None, crf=4
    )
    return path


def still(frames: range, x: int, y: int = 20) -> dict[int, tuple[int, int]]:
    """A square that stays where it is."""
    return dict.fromkeys(frames, (x, y))


def number_of(face: np.ndarray) -> int:
    """The number that the colour of a face encodes."""
    size = len(face)
    red, green, _ = face[size // 4 : -size // 4, size // 4 : -size // 4].reshape(-1, 3).mean(axis=0)
    return round((red - 8) / 16) + 16 * round((green - 8) / 16)
