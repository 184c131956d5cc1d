"""Valence and arousal of a recording, frame by frame, with what they were made of."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CorpusError
from ..inference.notice import NOTICE, SYNTHETIC_MODEL_NOTICE
from ..structures import AFFECT
from .checks import check_header, checked_array, fields_of
from .files import GATE, SCHEMA, VERSION, read_trace, trace_columns, write_trace
from .summary import summarise_trace

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

    from ..structures import AffectDataSample

FACE_UNKNOWN, VOICE_UNKNOWN = 'face_unknown', 'voice_unknown'


@dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """What a model says of the ``T`` frames of a recording; docs/trace_format.md describes header and files.

    Arrays are converted to the types below. ``schema``, ``version`` and, where they are missing, ``targets`` (both) and
    ``flags`` (none) are put into the header.

    Attributes:
        header: what is known of all frames, for JSON; ``trial`` is needed.
        times: ``(T,)`` float64, seconds, ascending.
        affect: ``(T, k)`` float32 in [-1, 1], columns ``targets``; NaN where nothing was predicted.
        face: ``(T,)`` bool, frames with a face; the flag ``face_unknown`` says that nobody knows.
        voice: ``(T,)`` bool, frames in which somebody is heard; ``voice_unknown`` likewise.
        box: ``(T, 4)`` float32, x, y, width and height of the face in pixels, may lie beyond the picture; NaN without.
        track: ``(T,)`` int32, number of the face's track; -1 without.
        gates: by name, as ``audio/iteration_1``, ``(T,)`` float32, share in [0, 1]; NaN where nothing was predicted.
        annotated: ``(T, 2)`` float32, annotated valence and arousal in [-1, 1], NaN where invalid; ``None`` without.
        source: the recording, if it is a file.

    Raises:
        ValueError: for another shape, value or header; names what was found and what is expected.
    """

    header: dict[str, Any]
    times: np.ndarray
    affect: np.ndarray
    face: np.ndarray
    voice: np.ndarray
    box: np.ndarray
    track: np.ndarray
    gates: dict[str, np.ndarray] = field(default_factory=dict)
    annotated: np.ndarray | None = None
    source: Path | None = None

    def __post_init__(self) -> None:
        header = {'schema': SCHEMA, 'version': VERSION, 'targets': list(AFFECT), **self.header}
        check_header(header)
        header['targets'] = list(header['targets'])
        header['flags'] = list(header.get('flags') or ())
        times = np.asarray(self.times, np.float64)
        if times.ndim != 1 or not len(times):
            raise ValueError(f'times of shape {times.shape}; expected (T,) with T of at least 1')
        if not np.isfinite(times).all() or (np.diff(times) < 0).any():
            raise ValueError('times are not finite or descend; expected seconds in ascending order')
        frames = len(times)
        arrays = {
            'times': times,
            'affect': checked_array('affect', self.affect, np.float32, (frames, len(header['targets'])), bound=1),
            'face': checked_array('face', self.face, bool, (frames,)),
            'voice': checked_array('voice', self.voice, bool, (frames,)),
            'box': checked_array('box', self.box, np.float32, (frames, 4)),
            'track': checked_array('track', self.track, np.int32, (frames,)),
            'gates': {
                name: checked_array(f'gate {name}', values, np.float32, (frames,), bound=1, least=0)
                for name, values in self.gates.items()
            },
        }
        if (arrays['track'] < -1).any():
            raise ValueError(f'track {arrays["track"].min()}; expected -1, or from 0')
        if np.isinf(arrays['box']).any() or (arrays['box'][:, 2:] < 0).any():
            raise ValueError('box has infinite numbers or a negative width or height; expected pixels or NaN')
        for name in self.gates:
            if not GATE.fullmatch(name):
                raise ValueError(f'a gate named {name!r}; expected a name as audio/iteration_1')
        if self.annotated is not None:
            arrays['annotated'] = checked_array('annotated', self.annotated, np.float32, (frames, len(AFFECT)), bound=1)
        source = None if self.source is None else Path(self.source)
        for name, value in {'header': header, 'source': source, **arrays}.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.times)

    def __repr__(self) -> str:
        return f'Trace({self.trial!r}, {len(self)} frames, {self.times[-1] - self.times[0]:.2f} s)'

    @property
    def trial(self) -> str:
        """Name of the recording."""
        return self.header['trial']

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the columns of ``affect``."""
        return tuple(self.header['targets'])

    @property
    def flags(self) -> tuple[str, ...]:
        """What is odd about the recording."""
        return tuple(self.header['flags'])

    @property
    def notice(self) -> str:
        """What must be said wherever the values are shown."""
        notice = self.header.get('notice') or NOTICE
        synthetic = self.header.get('synthetic') and SYNTHETIC_MODEL_NOTICE not in notice
        return f'{notice} {SYNTHETIC_MODEL_NOTICE}' if synthetic else notice

    def columns(self) -> dict[str, np.ndarray]:
        """What files hold, by name; presence that nobody knows is left out."""
        known_face = FACE_UNKNOWN not in self.flags
        return trace_columns(
            self.times,
            self.affect,
            self.targets,
            face=self.face if known_face else None,
            voice=None if VOICE_UNKNOWN in self.flags else self.voice,
            track=self.track if known_face else None,
            box=self.box if known_face else None,
            gates=self.gates,
            annotated=self.annotated,
        )

    def save(self, path: str | Path) -> Path:
        """Write ``*.csv``, ``*.json`` (both to 6 decimals) or ``*.npz`` (exact), whole or not at all; return the path.

        Raises:
            ConfigError: for another suffix.
        """
        write_trace(path, self.header, self.columns())
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Read what :meth:`save` or :class:`TraceWriter` wrote.

        Args:
            path: ``*.csv``, ``*.json`` or ``*.npz``. Of a CSV file without a header the trial is the name of the file.

        Raises:
            ConfigError: for another suffix.
            CorpusError: if it is no trace, damaged or of another version.
        """
        header, columns = read_trace(path)
        try:
            return cls(**fields_of(header, columns, Path(path).stem))
        except ValueError as error:
            raise CorpusError(f'{path}: {error}') from None

    def summary(self) -> dict[str, float]:
        """Figures of the trace, as :func:`summarise_trace` describes them."""
        return summarise_trace(self)

    def to_pandas(self) -> pandas.DataFrame:
        """One row a frame, columns as in the files; the header is in ``attrs``.

        Raises:
            ImportError: if pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise ImportError('Trace.to_pandas needs pandas: pip install "mmaffect[video]"') from None
        table = pandas.DataFrame(self.columns())
        table.attrs = json.loads(json.dumps(self.header))
        return table

    def to_html(self, path: str | Path | None = None, video: str | Path | None = None) -> Path:
        """Write a report, one HTML file with the recording in it, and return its path.

        Args:
            path: of the file; ``None``: ``<trial>.html`` in the current folder.
            video: the recording; ``None``: that which the trace was made of, if there is one.
        """
        from ..report import write_report

        return write_report(path or f'{Path(self.trial).name}.html', self, video='source' if video is None else video)

    def plot(self, path: str | Path | None = None, plane: bool = True) -> Figure:
        """Draw affect, presence and gates over time.

        Args:
            path: PNG, SVG or PDF file to write too, whole or not at all.
            plane: also draw the path in the plane of valence and arousal, if both are there.
        """
        from ..visualization.figure import save_figure
        from ..visualization.traces import trace_figure

        known = {'face': FACE_UNKNOWN, 'voice': VOICE_UNKNOWN}
        truth = labels = None
        if self.annotated is not None:
            truth = self.annotated[:, [AFFECT.index(target) for target in self.targets]]
            if np.isfinite(self.affect).any():
                figures = self.summary()
                labels = [f'CCC {figures[f"CCC/{target}"]:.3f}' for target in self.targets]
        figure = trace_figure(
            self.times,
            self.affect,
            truth,
            targets=self.targets,
            presence={name: getattr(self, name) for name, flag in known.items() if flag not in self.flags},
            gates=self.gates,
            plane=plane and bool(np.isfinite(self.affect).any()),
            title=self.trial,
            labels=labels,
            note=self.notice,
        )
        if path is not None:
            save_figure(figure, path)
        return figure

    def to_data_sample(self) -> AffectDataSample:
        """As a sample of the whole recording; :meth:`from_data_sample` is the inverse."""
        from .samples import to_data_sample

        return to_data_sample(self)

    @classmethod
    def from_data_sample(cls, sample: AffectDataSample) -> Trace:
        """From a sample of a recording, a trial or a window, with predictions, annotations or both.

        Raises:
            ValueError: if it has neither, or no times.
        """
        from .samples import from_data_sample

        return from_data_sample(sample)

    def _repr_html_(self) -> str:
        from ..visualization.notebook import trace_html

        return trace_html(self)

    def _repr_png_(self) -> bytes:
        from ..visualization.figure import png

        return png(self.plot())
