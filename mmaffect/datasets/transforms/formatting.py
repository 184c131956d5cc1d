"""Packing of windows."""

import torch
from mmcv.transforms import BaseTransform

from ...errors import ConfigError
from ...registry import TRANSFORMS
from ...structures import AffectDataSample

ARRAYS = ('faces', 'clip_index', 'logmel', 'patch_start', 'waveform', 'sample')
# Of a modality or a further stream: <name>_features and <name>_mask.
ENDINGS = ('_features', '_mask')


@TRANSFORMS.register_module()
class PackAffectInputs(BaseTransform):
    """Pack a window into ``inputs`` (tensors, views of the corpus) and ``data_samples`` (:class:`AffectDataSample`).

    Required keys: those of :meth:`AffectDataset.cut`, and ``crop`` where there are faces; ``flip`` if there is one.

    Raises:
        ConfigError: if there are faces and nothing said how to crop them.
    """

    def transform(self, results: dict) -> dict:
        inputs = {
            key: torch.from_numpy(value) for key, value in results.items() if key in ARRAYS or key.endswith(ENDINGS)
        }
        if 'faces' in inputs:
            if 'crop' not in results:
                raise ConfigError('pipeline: PackAffectInputs needs RandomFaceCrop or CenterFaceCrop before it')
            inputs['crop'] = torch.tensor(results['crop'])
            inputs['flip'] = torch.tensor(results.get('flip', False))
        sample = AffectDataSample(metainfo={key: results[key] for key in ('trial', 'start', 'stride')})
        sample.gt_affect = torch.from_numpy(results['affect'])
        sample.valid = torch.from_numpy(results['valid'])
        sample.timestamps = torch.from_numpy(results['timestamps'])
        if 'condition' in results:
            sample.condition = torch.from_numpy(results['condition'])
        return {'inputs': inputs, 'data_samples': sample}

    def __repr__(self) -> str:
        return 'PackAffectInputs()'
