"""What a trace may hold, and how it is put together from what a file holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import NoneType
from typing import Any

import numpy as np

from ..inference.notice import NOTICE
from ..structures import AFFECT
from .files import BOX, GATE, SCHEMA, VERSION

UNKNOWN_MODEL_NOTICE = (
    'This file does not say of which model and corpus it is: CCC on a synthetic corpus is no accuracy on people.'
)
# float32 of what is 1 in other precisions.
TOLERANCE = 1e-5


def check_header(header: dict[str, Any]) -> None:
    """Raise :class:`ValueError` unless it can be the header of a trace."""
    try:
        json.dumps(header, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f'header is not for JSON: {error}') from None
    if header['schema'] != SCHEMA or header['version'] != VERSION:
        raise ValueError(f'header of {header["schema"]} {header["version"]}; expected {SCHEMA} {VERSION}')
    if not isinstance(header.get('trial'), str) or not header['trial']:
        raise ValueError(f'trial is {header.get("trial")!r} in the header; expected a name')
    targets = header['targets']
    if not _texts(targets) or not targets or len({*targets} & {*AFFECT}) != len(targets):
        raise ValueError(f'targets are {str(targets)[:80]} in the header; expected one or both of {AFFECT}')
    _flags(header)
    for key, kinds in (('notice', (str,)), ('synthetic', (bool,)), ('fps', (int, float)), ('duration', (int, float))):
        if not isinstance(header.get(key), (*kinds, NoneType)):
            expected = ' or '.join(kind.__name__ for kind in kinds)
            raise ValueError(f'{key} is {str(header[key])[:80]!r} in the header; expected {expected}')


def checked_array(
    name: str, values: np.ndarray, dtype: type, shape: tuple[int, ...], bound: float | None = None, least: float = -1
) -> np.ndarray:
    """As another type, of a shape, between ``least`` and ``bound`` or NaN."""
    given = np.asarray(values)
    if given.shape != shape:
        raise ValueError(f'{name} of shape {given.shape}; expected {shape}')
    with np.errstate(invalid='ignore'):
        found = given.astype(dtype, copy=False)
    if found.dtype.kind in 'bi' and (found != given).any():
        row = int(np.argmax(found != given))
        raise ValueError(
            f'{name} {given[row]} in frame {row + 1}; expected {"0 or 1" if dtype is bool else "integers"}'
        )
    if bound is not None:
        with np.errstate(invalid='ignore'):
            outside = (found < least - TOLERANCE) | (found > bound + TOLERANCE)
        if outside.any():
            where = tuple(np.argwhere(outside)[0])
            raise ValueError(f'{name} {found[where]:g} in frame {where[0] + 1}; expected [{least:g}, {bound:g}] or NaN')
    return found


def fields_of(header: dict[str, Any] | None, columns: dict[str, np.ndarray], name: str) -> dict[str, Any]:
    """Attributes from what a file holds; ``name`` is the trial of one without a header."""
    if header is None:
        targets = [target for target in AFFECT if target in columns]
        header = {'trial': name, 'targets': targets, 'notice': f'{NOTICE} {UNKNOWN_MODEL_NOTICE}'}
    targets = header.get('targets')
    if not _texts(targets) or {*targets} != {*AFFECT} & columns.keys():
        raise ValueError(f'targets {str(targets)[:80]}; expected those of the columns {", ".join(columns)}')
    unknown = [f'{name}_unknown' for name in ('face', 'voice') if name not in columns]
    frames = len(columns['time'])
    annotated = None
    if any(f'annotated_{target}' in columns for target in AFFECT):
        annotated = _stacked(columns, [f'annotated_{target}' for target in AFFECT])
    return dict(
        header={**header, 'flags': list(dict.fromkeys([*_flags(header), *unknown]))},
        times=columns['time'],
        affect=_stacked(columns, targets),
        face=columns.get('face', np.zeros(frames, bool)),
        voice=columns.get('voice', np.zeros(frames, bool)),
        box=_stacked(columns, BOX),
        track=columns.get('track', np.full(frames, -1)),
        gates={name: values for name, values in columns.items() if GATE.fullmatch(name)},
        annotated=annotated,
    )


def _flags(header: dict[str, Any]) -> list[str]:
    flags = header.get('flags') or []
    if not _texts(flags):
        raise ValueError(f'flags are {str(flags)[:80]} in the header; expected a list of names')
    return list(flags)


def _texts(values: object) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(one, str) for one in values)


def _stacked(columns: dict[str, np.ndarray], names: Sequence[str]) -> np.ndarray:
    nothing = np.full(len(columns['time']), np.nan, np.float32)
    return np.stack([columns.get(name, nothing) for name in names], axis=1)
