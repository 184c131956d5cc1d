"""The report of one recording."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError
from ..evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE
from ..structures import AFFECT
from ..traces.summary import frame_lengths
from .facts import duration_text, facts_markup, lead, summary_markup
from .packing import pack_flags, pack_pixels, pack_times, pack_unit
from .page import build_page, text, write_page
from .playable import Playable, playable

if TYPE_CHECKING:
    from ..traces.trace import Trace

# Beyond it a page takes seconds to open.
MAX_BYTES = 64 << 20
STYLES = ('base.css', 'report.css')
SCRIPTS = ('base.js', 'drawing.js', 'player.js', 'rows.js', 'timeline.js', 'plane.js', 'report.js')


def write_report(
    path: str | Path,
    traces: Trace | Sequence[Trace],
    video: str | Path | None = 'source',
    *,
    title: str | None = None,
    max_bytes: int = MAX_BYTES,
    max_height: int = 480,
) -> Path:
    """Write one HTML file that needs nothing else: video with sound, traces, gates, presence and summary figures.

    Args:
        path: file to write, ``*.html``.
        traces: of one recording; of several faces, one trace each.
        video: video or sound file to play; ``'source'``: the traces' own (none of those that have none); None: none. It
            is embedded as it is where browsers play it, else a copy in H.264 and AAC with all frames at their times.
        title: of the page; None: the name of the recording.
        max_bytes: a larger file is embedded as such a copy.
        max_height: of a copy's picture, in pixels.

    Returns:
        ``path``.

    Raises:
        ConfigError: no trace, or traces of several recordings.
        MediaError: the video cannot be read.
        FileNotFoundError, IsADirectoryError, PermissionError: as the system says.
    """
    traces = _checked(traces)
    source = traces[0].source if video == 'source' else video
    opened = nullcontext() if source is None else playable(source, max_bytes=max_bytes, max_height=max_height)
    with opened as media:
        return write_page(path, _page(traces, media, title), media and media.path)


def report_html(traces: Trace | Sequence[Trace], *, title: str | None = None) -> str:
    """The page of :func:`write_report` without a video, as text."""
    return _page(_checked(traces), None, title) + '</body>\n</html>\n'


def _checked(traces: Trace | Sequence[Trace]) -> list[Trace]:
    traces = list(traces) if isinstance(traces, Sequence) else [traces]
    if not traces:
        raise ConfigError('a report of no trace; expected at least one')
    inputs = {str(trace.header.get('input')): trace for trace in traces}
    if len(inputs) > 1:
        raise ConfigError(f'a report of traces of {len(inputs)} recordings ({", ".join(inputs)}); expected one')
    return traces


def _page(traces: list[Trace], media: Playable | None, title: str | None) -> str:
    header = traces[0].header
    duration = _duration(traces)
    data = {
        'media': media and {'mime': media.mime, 'picture': media.picture},
        'duration': duration,
        'traces': [_packed(trace, traces[0]) for trace in traces],
    }
    names = [trace.trial for trace in traces]
    panels = [
        f'<div class="of-trace" data-trace="{number}"{" hidden" if number else ""}>\n'
        f'{summary_markup(trace)}\n{facts_markup(trace.header, duration)}\n</div>'
        for number, trace in enumerate(traces)
    ]
    return build_page(
        'report.html',
        title=title or _name(header),
        styles=STYLES,
        scripts=SCRIPTS,
        data=data,
        places={
            'lead': lead(header, duration, len(traces)),
            'player': _player(media),
            'faces': _selector(names),
            'duration': duration_text(duration),
            'panels': '\n'.join(panels),
        },
        notices=_notices(traces),
    )


def _name(header: dict) -> str:
    return Path(str(header.get('input') or header.get('trial') or 'trace')).name or 'trace'


def _notices(traces: list[Trace]) -> list[str]:
    found = list(dict.fromkeys(trace.notice for trace in traces))
    figures = any(trace.header.get('synthetic') and trace.annotated is not None for trace in traces)
    return [*found, SYNTHETIC_NOTICE] if figures else found


def _duration(traces: list[Trace]) -> float:
    """To the end of the last frame."""
    ends = (float(trace.times[-1] + frame_lengths(trace.times)[-1]) for trace in traces)
    return max(float(traces[0].header.get('duration') or 0), *ends, 0.04)


def _packed(trace: Trace, first: Trace) -> dict:
    """What the scripts draw; times only where they are not the first trace's."""
    same = trace is not first and np.array_equal(trace.times, first.times)
    return {
        'times': None if same else pack_times(trace.times),
        'affect': {target: pack_unit(trace.affect[:, k]) for k, target in enumerate(trace.targets)},
        'annotated': packed_annotation(trace),
        'presence': {
            name: pack_flags(getattr(trace, name)) for name in ('face', 'voice') if f'{name}_unknown' not in trace.flags
        },
        'box': pack_pixels(trace.box) if np.isfinite(trace.box).any() else None,
        'gates': {name: pack_unit(share) for name, share in trace.gates.items()},
    }


def packed_annotation(trace: Trace) -> dict | None:
    """Annotated affect by target, packed; None if there is no valid one."""
    if trace.annotated is None or not np.isfinite(trace.annotated).any():
        return None
    return {target: pack_unit(trace.annotated[:, k]) for k, target in enumerate(AFFECT)}


def _player(media: Playable | None) -> str:
    if media is None:
        return ''
    if media.picture is None:
        return '<video id="video" class="sound-only" playsinline preload="auto"></video>'
    return (
        '<figure class="picture" id="picture"><div class="frame">'
        '<video id="video" playsinline preload="auto" aria-label="The recording"></video>'
        '<canvas id="box" aria-hidden="true"></canvas></div></figure>'
    )


def _selector(names: list[str]) -> str:
    if len(names) == 1:
        return ''
    options = ''.join(f'<option value="{n}">{text(name)}</option>' for n, name in enumerate(names))
    return f'<label class="field">Face <select id="face">{options}</select></label>'
