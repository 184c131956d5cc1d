"""The files of a recording's traces: written, or kept where they are what would be found again."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import ConfigError, CorpusError
from ..media.container import regular_file
from ..traces.trace import Trace
from .recording import Recording
from .trace_header import same_making

FORMATS = ('csv', 'json', 'npz')


class TraceFolder:
    """A folder of traces.

    Args:
        root: the folder; made if needed.
        formats: of the files of every trace, of ``'csv'``, ``'json'`` and ``'npz'``.
        report: also write ``<recording>.html``.
        overlay: also write ``<trace>_overlay.mp4``, the video with its trace.
        overwrite: write files anew, and over those of others.

    Raises:
        ConfigError: for an unknown format, or if nothing is to be written.
    """

    def __init__(
        self,
        root: str | Path,
        formats: Sequence[str] = FORMATS,
        report: bool = False,
        overlay: bool = False,
        overwrite: bool = False,
    ) -> None:
        if unknown := [one for one in formats if one not in FORMATS]:
            raise ConfigError(f'format {unknown[0]!r}; expected some of {", ".join(FORMATS)}')
        if not formats:
            raise ConfigError(f'no format of a trace; expected some of {", ".join(FORMATS)}')
        self.root = Path(root)
        self.formats = tuple(formats)
        self.report, self.overlay, self.overwrite = report, overlay, overwrite

    def check_place(self, sources: Sequence[str]) -> None:
        """Raise :class:`ConfigError` if the folder lies in one of the inputs: what is written would be an input."""
        place = self.root.expanduser().resolve()
        for source in sources:
            folder = Path(source).expanduser()
            if '://' not in source and folder.is_dir() and place.is_relative_to(folder.resolve()):
                raise ConfigError(f'--out {self.root}: lies in the input {source}; give another folder')

    def kept(self, recording: Recording, made: Mapping) -> list[Trace]:
        """The traces of a recording that are all there, made from the same file in the same way; none otherwise.

        Args:
            recording: the recording.
            made: as :meth:`AffectInferencer.made_of` returned it.

        Raises:
            ConfigError: if a file of that name is no trace.
        """
        if self.overwrite:
            return []
        name = glob.escape(recording.name)
        found = []
        for pattern in (name, f'{name}_face*'):
            for path in sorted(self.root.glob(f'{pattern}.{self.formats[0]}')):
                trace = self._load(path)
                if same_making(trace.header, made):
                    found.append(trace)
        if not found or len(found) != found[0].header.get('traces'):
            return []
        if any(not self._path(trace, kind).is_file() for trace in found for kind in self.formats):
            return []
        for trace in found:
            object.__setattr__(trace, 'source', recording.path)
        return found

    def write(self, trace: Trace) -> list[Path]:
        """Write the files of a trace."""
        for kind in self.formats:
            path = self._path(trace, kind)
            if not self.overwrite and path.exists():
                # What is of another video or model may be replaced, but only a trace.
                self._load(path)
        return [trace.save(self._path(trace, kind)) for kind in self.formats]

    def write_views(self, recording: Recording, traces: Sequence[Trace], kept: bool) -> list[Path]:
        """Write report and overlays, if they are asked for.

        Args:
            recording: the recording.
            traces: of it.
            kept: the traces were there: views that are there too stay.
        """
        written = []
        path = self.root / f'{recording.name}.html'
        if self.report and not (kept and path.is_file()):
            from ..report import write_report

            written.append(write_report(path, list(traces)))
        for trace in traces if self.overlay and recording.has_picture else ():
            path = self.root / f'{trace.trial}_overlay.mp4'
            if not (kept and path.is_file()):
                from ..visualization.overlay import write_overlay

                write_overlay(path, recording, trace)
                written.append(path)
        return written

    def _path(self, trace: Trace, kind: str) -> Path:
        return self.root / f'{trace.trial}.{kind}'

    def _load(self, path: Path) -> Trace:
        try:
            return Trace.load(regular_file(path))
        except CorpusError as error:
            raise ConfigError(f'{error}; move it away, or give --overwrite') from None
