"""Packing of windows."""

import torch
from mmcv.transforms import BaseTransform

from ...registry import TRANSFORMS
from ...structures import AffectDataSample


@TRANSFORMS.register_module()
class PackAffectInputs(BaseTransform):
    """Pack a window into ``inputs`` (tensors, views of the corpus) and ``data_samples`` (:class:`AffectDataSample`).

    Required keys: those of :meth:`AffectDataset.cut` and ``crop``; ``flip`` if there is one.
    """

    def transform(self, results: dict) -> dict:
        inputs = {
            key: torch.from_numpy(results[key])
            for key in ('faces', 'logmel', 'patch_start', 'audio_mask', 'visual_mask')
        }
        inputs['crop'] = torch.tensor(results['crop'])
        inputs['flip'] = torch.tensor(results.get('flip', False))
        sample = AffectDataSample(metainfo={'trial': results['trial'], 'start': results['start']})
        sample.gt_affect = torch.from_numpy(results['affect'])
        sample.valid = torch.from_numpy(results['valid'])
        sample.timestamps = torch.from_numpy(results['timestamps'])
        return {'inputs': inputs, 'data_samples': sample}

    def __repr__(self) -> str:
        return 'PackAffectInputs()'
