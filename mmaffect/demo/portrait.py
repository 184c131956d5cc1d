"""The portrait that every demo face is made of: picture, 68 landmarks, and the regions that are recoloured."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..errors import MMAffectError

FRAME_SIZE = 256
"""Width and height of a demo frame in pixels; all coordinates of this package are pixels (x, y) of such a frame."""

# The head and the spacesuit of the astronaut portrait, cut out by hand once; the hair line closes the jaw to the skin.
_LEFT_EDGE = 96
_HAIR = (
    (82, 122), (67, 107), (58, 77), (60, 60), (73, 45), (95, 32), (113, 20), (137, 15), (160, 20), (180, 32),
    (193, 50), (203, 73), (205, 93), (197, 113), (183, 127), (174, 137),
)  # fmt: skip
_HAIRLINE = ((176, 100), (167, 82), (147, 83), (127, 80), (107, 73), (92, 68), (87, 83))
_NECK = ((89, 150), (91, 183), (127, 191), (156, 187), (167, 150))
_SUIT = (
    (0, 218), (20, 206), (28, 175), (50, 155), (89, 148), (92, 183), (127, 190), (156, 187), (160, 172), (185, 195),
    (205, 225), (210, 235), (235, 245), (255, 255), (0, 255),
)  # fmt: skip
_BODY_ANCHORS = ((62, 165), (92, 200), (126, 208), (158, 202), (186, 190))


@dataclass(frozen=True)
class Portrait:
    """A face without an identity: picture, landmarks and masks.

    Args:
        picture: float32 (256, 256, 3) RGB in [0, 1].
        landmarks: float64 (68, 2), in the order of iBUG-68.
        outline: float64 (K, 2), points round the hair, which move with the head.
        body: float64 (A, 2), points of neck and shoulders, which follow the head by half.
        masks: soft masks float32 (256, 256, 1) in [0, 1] of `background`, `hair`, `skin` and `suit`.
    """

    picture: np.ndarray
    landmarks: np.ndarray
    outline: np.ndarray
    body: np.ndarray
    masks: dict[str, np.ndarray]


@functools.cache
def load_portrait() -> Portrait:
    """The public-domain astronaut portrait of scikit-image with its 68 landmarks.

    Raises:
        MMAffectError: scikit-image is not installed; the text names the extra that brings it.
    """
    try:
        from skimage.data import astronaut
    except ModuleNotFoundError as error:
        raise MMAffectError('the demo corpus needs scikit-image: pip install mmaffect[demo]') from error
    picture = astronaut()[:FRAME_SIZE, _LEFT_EDGE : _LEFT_EDGE + FRAME_SIZE].astype(np.float32) / 255
    content = json.loads((Path(__file__).parent / 'astronaut68.json').read_text(encoding='utf-8'))
    landmarks = np.array(content['landmarks'], dtype=np.float64) - (_LEFT_EDGE, 0)
    skin_line = [*landmarks[:17].tolist(), *_HAIRLINE]
    skin = np.maximum(_soft_mask(skin_line), _soft_mask(_NECK))
    suit = _soft_mask(_SUIT) * (1 - skin)
    hair = _soft_mask([*_HAIR, *_HAIRLINE]) * (1 - skin)
    background = (1 - skin) * (1 - suit) * (1 - _soft_mask(_HAIR))
    masks = {'background': background, 'hair': hair, 'skin': skin, 'suit': suit}
    return Portrait(
        picture, landmarks, np.array(_HAIR, dtype=np.float64), np.array(_BODY_ANCHORS, dtype=np.float64), masks
    )


def mirror_points(landmarks: np.ndarray) -> np.ndarray:
    """The 68 landmarks of the left-right mirrored picture, in iBUG order again.

    Args:
        landmarks: (68, 2) pixels of a frame of `FRAME_SIZE` width.
    """
    order = [
        *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1), *range(45, 41, -1), 47, 46,
        *range(39, 35, -1), 41, 40, *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65,
    ]  # fmt: skip
    mirrored = landmarks[order].copy()
    mirrored[:, 0] = FRAME_SIZE - 1 - mirrored[:, 0]
    return mirrored


def _soft_mask(polygon) -> np.ndarray:
    mask = np.zeros((FRAME_SIZE, FRAME_SIZE), np.float32)
    cv2.fillPoly(mask, [np.round(np.asarray(polygon)).astype(np.int32)], 1.0)
    return cv2.GaussianBlur(mask, (0, 0), 2.0)[..., None]
