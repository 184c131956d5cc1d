"""What a report says in words and tables: the recording, the model, summary figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..traces.summary import QUADRANTS
from .page import text

if TYPE_CHECKING:
    from ..traces.trace import Trace

COUNTS = {
    'declared': 'frames declared',
    'decoded': 'frames decoded',
    'with_face': 'frames with a face',
    'with_voice': 'frames with a voice',
    'predicted': 'frames predicted',
}
COLUMNS = {
    'mean': 'mean',
    'sd': 'SD',
    'min': 'minimum',
    'q25': 'lower quartile',
    'median': 'median',
    'q75': 'upper quartile',
    'max': 'maximum',
}
MINUS = '\u2212'


def lead(header: Mapping, duration: float, traces: int) -> str:
    """The line below the title."""
    frames = _frames(header).get('decoded')
    parts = [
        duration_text(duration),
        f'{whole(frames)} frames' if isinstance(frames, int) and frames else None,
        f'{traces} faces' if traces > 1 else None,
        f'model {header["model"]}' if header.get('model') else None,
    ]
    return text(' · '.join(part for part in parts if part))


def facts_markup(header: Mapping, duration: float) -> str:
    """Recording, model and command as lists of terms."""
    frames = _frames(header)
    flags = [str(flag) for flag in header.get('flags') or ()]
    recording = {
        'Trial': header.get('trial'),
        'Input': header.get('input'),
        'Duration': duration_text(duration),
        'Frame rate': f'{header["fps"]:g} per second' if _is_number(header.get('fps')) else None,
        **{name[0].upper() + name[1:]: _count(frames, key) for key, name in COUNTS.items() if key in frames},
        'Flags': ', '.join(map(_words, flags)) or 'none',
    }
    model = {
        'Model': header.get('model'),
        'Weights': header.get('weights'),
        'SHA-256 of weights': header.get('weights_sha256'),
        'Window': _window(header.get('window')),
        'Faces': _faces(header.get('faces')),
        'Made with': f'mmaffect {header["mmaffect"]}' if header.get('mmaffect') else None,
        'Format': f'{header.get("schema")} {header.get("version")}' if header.get('schema') else None,
        'Command': header.get('command'),
    }
    return (
        '<section class="card facts" aria-label="Recording and model"><div><h2>Recording</h2>'
        f'{_list(recording)}</div><div><h2>Model</h2>{_list(model)}</div></section>'
    )


def summary_markup(trace: Trace) -> str:
    """Figures of :meth:`Trace.summary`: a row a target, shares of time in the quadrants, shares of presence."""
    figures = trace.summary()
    columns = [column for column in COLUMNS if any(f'{target}/{column}' in figures for target in trace.targets)]
    if any(f'CCC/{target}' in figures for target in trace.targets):
        columns.append('CCC')
    head = ''.join(f'<th scope="col">{text(COLUMNS.get(column, column))}</th>' for column in columns)
    body = ''.join(
        f'<tr class="{target}"><th scope="row">{target.capitalize()}</th>'
        + ''.join(f'<td>{figure(_of(figures, target, column))}</td>' for column in columns)
        + '</tr>'
        for target in trace.targets
    )
    table = f'<div class="wide"><table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    shares = {f'{name.capitalize()} present': figures[name] for name in ('face', 'voice') if figures[name] >= 0}
    groups = [_quadrants(figures)] if 'quadrant/positive_active' in figures else []
    if shares:
        groups.append(
            f'<div><h3>Share of frames</h3>{_list({key: _share(value) for key, value in shares.items()})}</div>'
        )
    return (
        '<section class="card summary" aria-label="Summary"><h2>Summary</h2>'
        f'{table}<div class="groups">{"".join(groups)}</div></section>'
    )


def _of(figures: Mapping[str, float], target: str, column: str) -> float | None:
    return figures.get(f'CCC/{target}' if column == 'CCC' else f'{target}/{column}')


def _quadrants(figures: Mapping[str, float]) -> str:
    """As they lie in the plane."""
    cells = {
        name: f'<td><span>{text(name.replace("_", ", "))}</span>{_share(figures.get(f"quadrant/{name}"))}</td>'
        for name in QUADRANTS
    }
    rows = (('negative_active', 'positive_active'), ('negative_passive', 'positive_passive'))
    body = ''.join(f'<tr>{"".join(cells[name] for name in row)}</tr>' for row in rows)
    return f'<div><h3>Share of time by quadrant</h3><table class="quadrants"><tbody>{body}</tbody></table></div>'


def duration_text(seconds: float) -> str:
    """Hours, minutes and seconds.

    Examples:
        >>> duration_text(3.04), duration_text(83.5), duration_text(3725)
        ('3.0 s', '1 min 24 s', '1 h 2 min 5 s')
    """
    if seconds < 60:
        return f'{seconds:.1f} s'
    rounded = math.floor(seconds + 0.5)
    hours, minutes = divmod(rounded // 60, 60)
    return f'{hours} h {minutes} min {rounded % 60} s' if hours else f'{minutes} min {rounded % 60} s'


def whole(number: int) -> str:
    """A whole number, thousands apart.

    Examples:
        >>> whole(12345).split()
        ['12', '345']
    """
    return f'{number:,}'.replace(',', '\u202f')


def _frames(header: Mapping) -> Mapping:
    frames = header.get('frames')
    return frames if isinstance(frames, Mapping) else {}


def _list(terms: Mapping[str, object]) -> str:
    rows = (f'<dt>{text(term)}</dt><dd>{text(value)}</dd>' for term, value in terms.items() if value not in (None, ''))
    return f'<dl>{"".join(rows)}</dl>'


def _count(frames: Mapping, key: str) -> str:
    value = frames.get(key)
    if not _is_number(value):
        return 'not known'
    decoded = frames.get('decoded')
    share = f' ({_share(value / decoded)})' if key.startswith('with_') and _is_number(decoded) and decoded else ''
    return whole(value) + share


def _window(window: object) -> str | None:
    known = isinstance(window, Mapping) and all(_is_number(window.get(key)) for key in ('length', 'hop', 'stride'))
    if not known or window.get('schedule') not in ('overlap', 'delayed'):
        return _pairs(window)
    parts = [f'{window["length"]} frames']
    if window['stride'] != 1:
        parts.append(f'of which each is {window["stride"]} after the one before')
    parts.append(f'a new one every {window["hop"]} frames' if window['hop'] != 1 else 'a new one every frame')
    if window['schedule'] == 'overlap':
        parts.append('overlaps averaged')
    else:
        parts.append(f'values {window.get("delay", 0)} frames late')
    return ', '.join(parts)


def _faces(faces: object) -> str | None:
    choices = {'largest': 'the largest face', 'longest': 'the face that is seen longest', 'all': 'all faces'}
    if not isinstance(faces, Mapping) or faces.get('choice') not in choices or not _is_number(faces.get('every')):
        return _pairs(faces)
    shown = f' of {faces["min_seconds"]:g} s or more' if _is_number(faces.get('min_seconds')) else ''
    often = 'in every frame' if faces['every'] == 1 else f'in one of {faces["every"]} frames'
    return f'{choices[faces["choice"]]}{shown}, detected {often} by {faces.get("detector")}'


def _pairs(values: object) -> str | None:
    if not isinstance(values, Mapping):
        return None if values is None else str(values)
    return ', '.join(f'{_words(key)} {value}' for key, value in values.items() if value is not None)


def _words(name: str) -> str:
    return str(name).replace('_', ' ')


def figure(value: float | None, digits: int = 3) -> str:
    """A figure to some decimals, a dash for none."""
    # Without the sign of what is rounded to 0.
    return f'{round(value, digits) + 0.0:.{digits}f}'.replace('-', MINUS) if _is_number(value) else '–'


def _share(value: float | None) -> str:
    return f'{100 * value:.1f}\u202f%' if _is_number(value) else '–'


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
