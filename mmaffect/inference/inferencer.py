"""From recordings to traces, in the manner of MMEngine's inferencers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.infer import BaseInferencer
from mmengine.logging import print_log
from torch import nn

from ..errors import ConfigError
from ..faces import FaceDetector, build_detector
from ..structures import AffectDataSample
from ..traces.trace import Trace
from ..utils.progress import Progress
from .analysis import Settings, analyse
from .encoder import FrameEncoder
from .loading import load_estimator
from .notice import SYNTHETIC_MODEL_NOTICE
from .output import TraceFolder
from .recording import Recording
from .sources import Source, open_recording, unique_names
from .stages import StageTimes
from .trace_header import made_of, trace_header
from .windows import BATCH_SIZE, Schedule


class AffectInferencer(BaseInferencer):
    """Valence and arousal of every frame of videos, sound files, arrays or trials of a corpus.

    Args:
        model: name as :func:`mmaffect.apis.list_models` gives it; path of a config file, or a config; path of a
            checkpoint, which brings its config along; or an :class:`mmaffect.models.AffectEstimator`. ``None``: the
            model of ``weights``, or the one of the demo, which is for trying out only.
        weights: path or URL of a checkpoint; ``None``: the published weights of a name.
        device: such as ``'cuda:0'``; ``None``: a GPU if there is one.
        scope: as in MMEngine; names of this package are found whatever it is.
        show_progress: show a bar, or now and then a line.
        amp: bfloat16 autocast.
        batch_size: windows at once.
        frame_batch_size: frames at once in the backbones; by default 64 faces, fewer where a frame is a clip.
        detector: of faces, as :func:`mmaffect.faces.build_detector` takes it, or a
            :class:`mmaffect.faces.FaceDetector`.
        faces: ``'largest'``, ``'longest'`` or ``'all'``, as of :func:`mmaffect.faces.choose_faces`; with ``'all'``, one
            trace a face.
        detect_every: frames from one in which faces are searched to the next.
        min_seconds: that a face must be seen, for ``'all'``.
        voice: tell in which frames somebody is heard.
        schedule: ``'overlap'`` or ``'delayed'``, as of :func:`mmaffect.inference.plan_windows`.
        hop: frames between two windows; by default the config's, a twentieth of a window for ``'delayed'``.
        delay: frames between the newest frame and the newest value, for ``'delayed'``.
        face_size: side of the aligned faces, pixels, where neither checkpoint nor corpus says it.

    Attributes:
        stages: seconds by stage, of all that was done.

    Raises:
        ConfigError: for an unknown model, detector or device, a value out of range, or a model that needs what a video
            has not.
        DownloadError: if weights cannot be fetched.
        CheckpointError: if they are damaged or of another model.

    Examples:
        >>> inferencer = AffectInferencer('grjca_demo')  # doctest: +SKIP
        >>> inferencer('clip.mp4')['predictions'][0]['columns']['valence']  # doctest: +SKIP
    """

    def __init__(
        self,
        model: str | Path | Mapping | Config | nn.Module | None = None,
        weights: str | Path | None = None,
        device: str | None = None,
        scope: str | None = 'mmaffect',
        show_progress: bool = True,
        *,
        amp: bool = False,
        batch_size: int = BATCH_SIZE,
        frame_batch_size: int | None = None,
        detector: str | Path | dict | FaceDetector = 'retinaface',
        faces: str = 'largest',
        detect_every: int = 1,
        min_seconds: float = 1.0,
        voice: bool = True,
        schedule: Schedule = 'overlap',
        hop: int | None = None,
        delay: int = 0,
        face_size: int | None = None,
    ) -> None:
        # MMEngine's own would run the file of a config and load a checkpoint without looking at it.
        if frame_batch_size is not None and (not isinstance(frame_batch_size, int) or frame_batch_size < 1):
            raise ConfigError(f'frame_batch_size={frame_batch_size!r}; expected at least 1')
        self.settings = Settings(faces, detect_every, min_seconds, voice, schedule, hop, delay, batch_size)
        self.loaded = load_estimator(model, weights, device)
        self.scope, self.show_progress = scope, show_progress
        self.model = self.loaded.model
        self.encoder = FrameEncoder(self.model, face_size=face_size, batch_size=frame_batch_size, amp=amp)
        self.cfg = self.model.cfg
        self.settings.check(self.encoder)
        self.stages = StageTimes()
        self._detector = detector
        self._built: FaceDetector | None = detector if isinstance(detector, FaceDetector) else None
        if self.loaded.synthetic:
            print_log(SYNTHETIC_MODEL_NOTICE, logger='current', level=logging.WARNING)

    def __call__(
        self,
        inputs: Source | Sequence[Source],
        return_datasamples: bool = False,
        batch_size: int | None = None,
        *,
        out_dir: str | Path | None = None,
        formats: Sequence[str] = ('csv', 'json', 'npz'),
        return_vis: bool = False,
    ) -> dict:
        """Predict.

        Args:
            inputs: what :meth:`traces` takes.
            return_datasamples: return :class:`mmaffect.structures.AffectDataSample` instead of plain dicts.
            batch_size: windows at once; by default that of the constructor.
            out_dir: folder to write ``<trial>.<format>`` to, as of :class:`mmaffect.inference.output.TraceFolder`.
            formats: of these files.
            return_vis: also draw every trace.

        Returns:
            dict with ``predictions``, one a trace: data samples, or dicts of ``header`` and ``columns``, as JSON files
            hold them; and ``visualization``, RGB pictures ``(H, W, 3)`` uint8, empty unless asked for.

        Raises:
            MediaError, ConfigError: as :meth:`traces`.
        """
        folder = None if out_dir is None else TraceFolder(out_dir, formats)
        traces = list(self.traces(inputs, batch_size=batch_size))
        for trace in traces if folder is not None else ():
            folder.write(trace)
        pictures = self.visualize([], traces) if return_vis else []
        return self.postprocess(traces, pictures, return_datasamples)

    def trace(self, source: Source) -> Trace:
        """The trace of one recording.

        Args:
            source: as of :func:`mmaffect.inference.open_recording`.

        Raises:
            MediaError: if it cannot be read.
            ConfigError: if there are several traces of it, as of a folder or with ``faces='all'``.
        """
        found = list(self.traces(source))
        if len(found) != 1:
            raise ConfigError(f'there are {len(found)} traces of the input; expected one: use traces()')
        return found[0]

    def traces(self, inputs: Source | Iterable[Source], *, batch_size: int | None = None) -> Iterator[Trace]:
        """The traces of recordings, one after the other; recordings of one name get different ones.

        Args:
            inputs: what :func:`mmaffect.inference.open_recording` takes, or several of these in a list.
            batch_size: windows at once; by default that of the constructor.

        Raises:
            MediaError: if a recording cannot be read.
            ConfigError: if the settings do not fit the model.
        """
        recordings = self.open(inputs)
        settings = self.settings if batch_size is None else replace(self.settings, batch_size=batch_size)
        if not self.show_progress:
            for recording in recordings:
                yield from self._traces(recording, settings)
            return
        with Progress(sum(len(one.times) for one in recordings), 'frames') as progress:
            until = 0
            for recording in recordings:
                yield from self._traces(recording, settings, progress)
                until += len(recording.times)
                progress.skip(until - progress.done)  # passes that it did not need

    def open(self, inputs: Source | Iterable[Source]) -> list[Recording]:
        """Recordings of the inputs of :meth:`traces`, with different names."""
        return unique_names([one for source in self._inputs_to_list(inputs) for one in open_recording(source)])

    def trace_recording(
        self,
        recording: Recording,
        *,
        progress: Progress | None = None,
        command: str | None = None,
        made: Mapping | None = None,
    ) -> Iterator[Trace]:
        """The traces of a recording: one, or with ``faces='all'`` one a face.

        Args:
            recording: the recording.
            progress: shows its frames.
            command: line that made them, for the header.
            made: what :meth:`made_of` returned, where it is there already.
        """
        return self._traces(recording, self.settings, progress, command, made)

    @property
    def detector(self) -> FaceDetector:
        """The face detector, which is built when it is first used.

        Raises:
            ConfigError: if there is none of that name, or a package or file is missing.
        """
        if self._built is None:
            self._built = build_detector(self._detector)
        return self._built

    @property
    def notice(self) -> str:
        """What must be said wherever the values are shown."""
        return self.loaded.notice

    def made_of(self, recording: Recording) -> dict:
        """Header entries that decide what the traces of a recording are."""
        return made_of(recording, self.loaded, self.encoder, self.settings, self._detector)

    def visualize(self, inputs: list, preds: Sequence[Trace], show: bool = False) -> list[np.ndarray]:
        """Draw traces as RGB pictures ``(H, W, 3)``, uint8; none is shown."""
        import cv2

        pictures = [cv2.imdecode(np.frombuffer(one._repr_png_(), np.uint8), cv2.IMREAD_COLOR) for one in preds]
        return [picture[..., ::-1] for picture in pictures]

    def postprocess(
        self, preds: Sequence[Trace], visualization: list[np.ndarray], return_datasamples: bool = False
    ) -> dict[str, list[AffectDataSample] | list[dict] | list[np.ndarray]]:
        """What :meth:`__call__` returns, of traces."""
        predictions = [one.to_data_sample() if return_datasamples else _plain(one) for one in preds]
        return {'predictions': predictions, 'visualization': visualization}

    def _init_pipeline(self, cfg: Config) -> Callable:
        # MMEngine asks for it; a recording has no single item to transform.
        return open_recording

    def _inputs_to_list(self, inputs: Source | Iterable[Source]) -> list[Source]:
        if isinstance(inputs, tuple):  # maybe (frames, sound)
            several = any(isinstance(one, (str, Path, Recording, Mapping)) for one in inputs)
        else:
            single = isinstance(inputs, (str, Path, Recording, Mapping, np.ndarray))
            several = isinstance(inputs, Iterable) and not single
        return list(inputs) if several else [inputs]

    def _traces(
        self,
        recording: Recording,
        settings: Settings,
        progress: Progress | None = None,
        command: str | None = None,
        made: Mapping | None = None,
    ) -> Iterator[Trace]:
        made = self.made_of(recording) if made is None else made
        with self._memory(settings):
            for one in analyse(
                recording, self.encoder, settings, lambda: self.detector, stages=self.stages, progress=progress
            ):
                yield Trace(
                    header=trace_header(made, one, command),
                    times=one.times,
                    affect=one.affect,
                    face=one.chosen.present,
                    voice=one.voice,
                    box=one.chosen.box,
                    track=one.chosen.track,
                    gates=one.gates,
                    annotated=one.annotated,
                    source=recording.path,
                )

    @contextmanager
    def _memory(self, settings: Settings) -> Iterator[None]:
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            text = str(error)
            if not isinstance(error, (MemoryError, torch.OutOfMemoryError)) and 'allocate memory' not in text:
                raise
            raise ConfigError(
                f'out of memory on {self.encoder.device}: give a smaller frame_batch_size (now '
                f'{self.encoder.batch_size} frames) or batch_size (now {settings.batch_size} windows)'
            ) from None


def _plain(trace: Trace) -> dict:
    columns = {name: values.tolist() for name, values in trace.columns().items()}
    # As in JSON files, which have no NaN.
    columns = {name: [None if one != one else one for one in values] for name, values in columns.items()}
    return {'header': trace.header, 'columns': columns}
