"""Arrays as short text, for the scripts of a report."""

from __future__ import annotations

import base64
import json

import numpy as np

SCALE = 32767
MISSING = -32768


def pack_unit(values: np.ndarray) -> str:
    """Values in [-1, 1] as base64 of int16, 1 as 32767; what is no number as -32768.

    Examples:
        >>> pack_unit(np.array([-1.0, 1.0]))
        'AYD/fw=='
    """
    values = np.asarray(values, np.float64)
    whole = np.rint(np.clip(np.nan_to_num(values), -1, 1) * SCALE)
    return _encoded(np.where(np.isfinite(values), whole, MISSING), '<i2')


def pack_pixels(values: np.ndarray) -> str:
    """Pixels, rounded, as base64 of int16; what is no number as -32768."""
    values = np.asarray(values, np.float64)
    whole = np.rint(np.clip(np.nan_to_num(values), -SCALE, SCALE))
    return _encoded(np.where(np.isfinite(values), whole, MISSING), '<i2')


def pack_flags(values: np.ndarray) -> str:
    """Booleans as base64 of bytes."""
    return _encoded(np.asarray(values, bool), 'u1')


def pack_times(seconds: np.ndarray) -> str:
    """Seconds as base64 of float64."""
    return _encoded(seconds, '<f8')


def _encoded(values: np.ndarray, dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=dtype).tobytes()).decode()


def script_json(data: object) -> str:
    """JSON that stays text inside a script element, whatever names are in it.

    Examples:
        >>> script_json({'name': '</script>'})
        '{"name":"\\\\u003c/script\\\\u003e"}'
    """
    # ASCII, so that line separators of Unicode are escaped as well.
    text = json.dumps(data, separators=(',', ':'), allow_nan=False)
    return text.replace('<', '\\u003c').replace('>', '\\u003e').replace('&', '\\u0026')
