"""One window of a trial: what is known of it and what a model says."""

from mmengine.structures import BaseDataElement

AFFECT = ('valence', 'arousal')
"""The annotated dimensions, in the order of their columns everywhere."""


class AffectDataSample(BaseDataElement):
    """Annotations and predictions of a window of ``n`` frames (without the padding of short trials).

    ========================== ===================== ==================================================
    field                      shape, type           meaning
    ========================== ===================== ==================================================
    ``gt_affect``              ``(n, 2)`` float32    annotated valence and arousal in [-1, 1]; NaN where invalid
    ``valid``                  ``(n,)`` bool         frames that have a valid annotation
    ``timestamps``             ``(n,)`` float64      presentation times, seconds
    ``pred_affect``            ``(n, k)`` float32    predicted affect in [-1, 1], columns ``targets``
    ``gates``                  dict of tensors       gates of a gated neck, where asked for
    ``trial``, ``start``       metainfo              name of the trial, number of its first frame here
    ``stride``                 metainfo              frames of the trial from one frame of the window to the next
    ``targets``                metainfo              names of the columns of ``pred_affect``
    ========================== ===================== ==================================================

    Examples:
        >>> import torch
        >>> sample = AffectDataSample(metainfo=dict(trial='video59', start=200, stride=1))
        >>> sample.gt_affect = torch.zeros(300, 2)
        >>> sample.trial, tuple(sample.gt_affect.shape)
        ('video59', (300, 2))
    """
