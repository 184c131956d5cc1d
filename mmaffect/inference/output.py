"""The files of a recording's traces: written, or kept where they are what would be found again."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import ConfigError, CorpusError
from ..media.container import regular_file
from ..traces.trace import Trace
from .recording import Recording
from .trace_header import same_making

FORMATS = ('csv', 'json', 'npz')
AWAY = 'move it away, or give --overwrite'
REPORT_MARK = b'content="mmaffect '


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
        """Make the folder, before hours of work.

        Raises:
            ConfigError: if it lies in one of the inputs, where what is written would be an input.
            OSError: if it cannot be made or written to, as the system says.
        """
        place = self.root.expanduser().resolve()
        for source in sources:
            folder = Path(source).expanduser()
            if '://' not in source and folder.is_dir() and place.is_relative_to(folder.resolve()):
                raise ConfigError(f'--out {self.root}: lies in the input {source}; give another folder')
        self.root.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=self.root).close()

    def kept(self, recording: Recording, made: Mapping) -> list[Trace]:
        """The traces of a recording that are all there, made from the same file in the same way; none otherwise.

        Args:
            recording: the recording.
            made: as :meth:`AffectInferencer.made_of` returned it.

        Raises:
            ConfigError: if a file of that name is no trace, or one of another recording.
        """
        if self.overwrite:
            return []
        names = re.compile(rf'{re.escape(recording.name)}(_face\d+)?\.{self.formats[0]}')
        paths = sorted(path for path in self.root.iterdir() if names.fullmatch(path.name)) if self.root.is_dir() else []
        traces = [self._load(path, made) for path in paths]
        found = [trace for trace in traces if same_making(trace.header, made)]
        if not found or len(found) != found[0].header.get('traces'):
            return []
        if any(not self._path(trace, kind).is_file() for trace in found for kind in self.formats):
            return []
        for trace in found:
            object.__setattr__(trace, 'source', recording.path)
        return found

    def write(self, trace: Trace) -> list[Path]:
        """Write the files of a trace.

        Raises:
            ConfigError: if a file of that name is no trace, or one of another recording.
            OSError: as the system says.
        """
        for kind in self.formats:
            path = self._path(trace, kind)
            if not self.overwrite and path.exists():
                # Of the same recording, what another model or settings gave is replaced.
                self._load(path, trace.header)
        paths = [self._path(trace, kind) for kind in self.formats]
        for path in paths:
            try:
                trace.save(path)
            except OSError as error:
                # As of a full disk.
                error.filename = error.filename or str(path)
                raise
        return paths

    def write_views(self, recording: Recording, traces: Sequence[Trace], kept: bool) -> list[Path]:
        """Write report and overlays, if they are asked for.

        Args:
            recording: the recording.
            traces: of it.
            kept: the traces were there: views that are there too stay.

        Raises:
            ConfigError: if there is a page of that name, but no report.
            MediaError, OSError: as :func:`mmaffect.report.write_report`.
        """
        written = []
        path = self.root / f'{recording.name}.html'
        if self.report and not (kept and path.is_file()):
            from ..report import write_report

            if path.is_file() and not self.overwrite and not _is_report(path):
                raise ConfigError(f'{path}: is no report of mmaffect; {AWAY}')
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

    def _load(self, path: Path, header: Mapping) -> Trace:
        """A trace that is there, of the recording that this header is of."""
        try:
            trace = Trace.load(regular_file(path))
        except CorpusError as error:
            raise ConfigError(f'{error}; {AWAY}') from None
        # A file may have moved, or changed in its place.
        if all(trace.header.get(key) and trace.header[key] != header[key] for key in ('input', 'input_sha256')):
            raise ConfigError(f'{path}: is the trace of {trace.header["input"]}; {AWAY}, or another folder')
        return trace


def _is_report(path: Path) -> bool:
    with open(path, 'rb') as file:
        return REPORT_MARK in file.read(4096)
