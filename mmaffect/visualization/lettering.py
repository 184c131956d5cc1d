"""Anti-aliased text in pictures of OpenCV, drawn once a text."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

Colour = tuple[int, int, int]


@lru_cache(maxsize=32)
def _font(size: int):
    import matplotlib
    from PIL import ImageFont

    # Pillow comes with Matplotlib, and so does this font.
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), 'fonts/ttf/DejaVuSans.ttf')), size)


@lru_cache(maxsize=4096)
def _mask(text: str, size: int) -> np.ndarray:
    """Coverage of a line of text, ``(height, width, 1)`` uint16 in [0, 256]; the height depends on the size only."""
    from PIL import Image, ImageDraw

    font = _font(size)
    ascent, descent = font.getmetrics()
    picture = Image.new('L', (max(1, round(font.getlength(text))), ascent + descent))
    ImageDraw.Draw(picture).text((0, 0), text, fill=255, font=font)
    mask = np.asarray(picture, np.uint16)[..., None]
    return mask + (mask > 127)


def text_size(text: str, size: int) -> tuple[int, int]:
    """Width and height of a line of text of a font size, all in pixels."""
    height, width = _mask(text, size).shape[:2]
    return width, height


def write_line(picture: np.ndarray, text: str, x: int, y: int, size: int, colour: Colour) -> None:
    """Write a line of text into a picture; what lies beyond it is cut.

    Args:
        picture: uint8 ``(H, W, 3)``, changed in place.
        x, y: left upper corner of the text.
        size: of the font, in pixels.
        colour: of the text.
    """
    mask = _mask(text, size)
    top, left = max(0, -y), max(0, -x)
    part = picture[max(0, y) : max(0, y + len(mask)), max(0, x) : max(0, x + mask.shape[1])]
    mask = mask[top : top + part.shape[0], left : left + part.shape[1]]
    part[:] = (part * (256 - mask) + np.array(colour, np.uint16) * mask) >> 8
