"""A trace in one line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config
from torch import nn

from ..faces import FaceDetector
from ..traces.trace import Trace
from .inferencer import AffectInferencer
from .sources import Source


def trace(
    source: Source,
    model: str | Path | Mapping | Config | nn.Module | AffectInferencer | None = None,
    weights: str | Path | None = None,
    device: str | None = None,
    *,
    faces: str = 'largest',
    detector: str | Path | dict | FaceDetector = 'retinaface',
    detect_every: int = 1,
    amp: bool = False,
    show_progress: bool = False,
) -> Trace:
    """Valence and arousal of every frame of a recording.

    Args:
        source: path or address of a video or sound file, arrays, or a recording, as of
            :func:`mmaffect.inference.open_recording`.
        model: as of :class:`mmaffect.inference.AffectInferencer`; ``None``: the demo's, which is for trying out only.
            For many recordings make an inferencer once, and give that, or use its ``traces``.
        weights: path or URL of a checkpoint; ``None``: the published weights of a name.
        device: such as ``'cuda:0'``; ``None``: a GPU if there is one.
        faces: ``'largest'`` or ``'longest'``.
        detector: of faces.
        detect_every: frames from one in which faces are searched to the next.
        amp: bfloat16 autocast.
        show_progress: show a bar, or now and then a line.

    Returns:
        The trace, with ``to_pandas()``, ``plot()``, ``to_html()`` and ``save()``.

    Raises:
        MediaError: if the recording cannot be read.
        ConfigError: if there is no such model, or its settings do not fit.

    Examples:
        >>> import mmaffect
        >>> mmaffect.trace('clip.mp4').to_pandas()  # doctest: +SKIP
    """
    if isinstance(model, AffectInferencer):
        return model.trace(source)
    inferencer = AffectInferencer(
        model,
        weights,
        device,
        show_progress=show_progress,
        amp=amp,
        detector=detector,
        faces=faces,
        detect_every=detect_every,
    )
    return inferencer.trace(source)
