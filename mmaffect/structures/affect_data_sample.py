"""One window of a trial: what is known of it and what a model says."""

from typing import TYPE_CHECKING

from mmengine.structures import BaseDataElement

if TYPE_CHECKING:
    from ..traces.trace import Trace


class AffectDataSample(BaseDataElement):
    """Annotations and predictions of a window of ``n`` frames (without the padding of short trials), or of a recording.

    ========================== ===================== ==================================================
    field                      shape, type           meaning
    ========================== ===================== ==================================================
    ``gt_affect``              ``(n, 2)`` float32    annotated valence and arousal in [-1, 1]; NaN where invalid
    ``valid``                  ``(n,)`` bool         frames that have a valid annotation
    ``timestamps``             ``(n,)`` float64      presentation times, seconds
    ``condition``              ``(n,)`` uint8        numbers of the dataset's ``metainfo['conditions']``, where known
    ``pred_affect``            ``(n, k)`` float32    predicted affect in [-1, 1], columns ``targets``
    ``gates``                  dict of ``(n,)``      share in [0, 1] by name, as ``audio/iteration_1``
    ``face_present``           ``(n,)`` bool         frames with a face; of a recording, as all below
    ``voice_present``          ``(n,)`` bool         frames in which somebody is heard
    ``boxes``                  ``(n, 4)`` float32    x, y, width, height of the face, pixels; NaN without
    ``track``                  ``(n,)`` int32        number of the face's track; -1 without
    ``trial``, ``start``       metainfo              name of the trial, number of its first frame here
    ``stride``                 metainfo              frames of the trial from one frame of the window to the next
    ``targets``                metainfo              names of the columns of ``pred_affect``
    ``header``                 metainfo              of a recording: what is known of all frames (:class:`Trace`)
    ========================== ===================== ==================================================

    A notebook shows one with times and predictions or annotations as a picture, any other as text.

    Examples:
        >>> import torch
        >>> sample = AffectDataSample(metainfo=dict(trial='video59', start=200, stride=1))
        >>> sample.gt_affect = torch.zeros(300, 2)
        >>> sample.trial, tuple(sample.gt_affect.shape)
        ('video59', (300, 2))
    """

    def _repr_html_(self) -> str | None:
        return self._trace()._repr_html_() if self._has_curves() else None

    def _repr_png_(self) -> bytes | None:
        return self._trace()._repr_png_() if self._has_curves() else None

    def _has_curves(self) -> bool:
        return 'timestamps' in self and ('pred_affect' in self or 'gt_affect' in self) and len(self.timestamps) > 0

    def _trace(self) -> 'Trace':
        from ..traces.trace import Trace

        return Trace.from_data_sample(self)
