"""Read the frames of a video with their times, by index or in order."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np

from ..errors import MediaError
from .container import describe, open_media
from .decord_decoder import DecordDecoder
from .pyav_decoder import PyAVDecoder
from .timestamps import index_frames
from .types import FrameTimes, MediaInfo

BACKENDS = ('auto', 'pyav', 'decord')


class Decoder(Protocol):
    """Frames of one stream by index; ``in_order`` decodes each once and checks their number."""

    def get(self, indices: Sequence[int]) -> np.ndarray: ...

    def in_order(self) -> Iterator[np.ndarray]: ...

    def close(self) -> None: ...


class VideoReader:
    """Frames of a video file, upright, each with its presentation time.

    Frame ``i`` is the ``i``-th in order of presentation and is displayed at ``timestamps.seconds[i]``. Of several video
    streams FFmpeg's best is read (``container.video_stream``), by PyAV. A damaged file can make decord
    abort the process: where files are not known to be sound, read them inside ``isolated``.

    Args:
        path: a video file.
        backend: ``'pyav'`` or ``'decord'`` for everything, or ``'auto'``: PyAV for frames in order; decord for frames
            by index where it is installed and can be trusted (``DecordDecoder``), else PyAV (see ``flags``).

    Raises:
        MediaError: as ``probe`` and ``read_timestamps``; decord was asked for and cannot be trusted.
        ValueError: an unknown backend.
        ImportError: decord was asked for and is not installed.
        FileNotFoundError, IsADirectoryError, PermissionError: as the system says.
    """

    def __init__(self, path: str | Path, backend: str = 'auto') -> None:
        if backend not in BACKENDS:
            raise ValueError(f'backend is {backend!r}; expected one of {BACKENDS}')
        self.path = Path(path)
        self.backend = backend
        with open_media(path) as container:
            index = index_frames(container, self.path)
        with open_media(path) as container:
            self.info: MediaInfo = describe(container, self.path)
        self.timestamps: FrameTimes = index.times
        self._pts = index.pts
        self._flags = index.times.flags
        self._by_index: Decoder | None = None
        if backend == 'decord':
            self._by_index = self._decord()

    @property
    def flags(self) -> tuple[str, ...]:
        """Those of the time stamps; after ``get_frames`` maybe ``decord_refused`` (PyAV reads instead)."""
        return self._flags

    def __len__(self) -> int:
        return self.timestamps.frames

    def get_frames(self, indices: Sequence[int]) -> np.ndarray:
        """Decode frames by index, in any order, with repetitions.

        Args:
            indices: ``(n,)`` integers in [0, number of frames).

        Returns:
            ``(n, H, W, 3)``, uint8, RGB.

        Raises:
            IndexError: an index out of range.
            MediaError: a frame cannot be decoded.
        """
        indices = [int(index) for index in indices]
        for index in indices:
            if not 0 <= index < len(self):
                raise IndexError(f'{self.path}: frame {index} does not exist; expected 0 to {len(self) - 1}')
        if not indices:
            return np.empty((0, self.info.height, self.info.width, 3), np.uint8)
        if self._by_index is None:
            self._by_index = self._choose()
        return self._by_index.get(indices)

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield ``(seconds, frame)`` in order of presentation, frame ``(H, W, 3)``, uint8, RGB.

        Raises:
            MediaError: a frame cannot be decoded or is out of step with its time; at the end, another number of frames
                was decoded than the index holds.
        """
        decoder = self._decord() if self.backend == 'decord' else self._pyav()
        yield from zip(self.timestamps.seconds.tolist(), decoder.in_order(), strict=True)

    def close(self) -> None:
        """Let go of the file; frames asked for later open it again."""
        if self._by_index is not None:
            self._by_index.close()
        self._by_index = None

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _pyav(self) -> PyAVDecoder:
        return PyAVDecoder(self.path, self.info, self.timestamps, self._pts)

    def _decord(self) -> DecordDecoder:
        return DecordDecoder(self.path, self.info, self.timestamps)

    def _choose(self) -> Decoder:
        if self.backend == 'decord':
            return self._decord()
        if self.backend == 'pyav' or importlib.util.find_spec('decord') is None:
            return self._pyav()
        try:
            return self._decord()
        except MediaError:
            self._flags = (*self._flags, 'decord_refused')
            return self._pyav()
