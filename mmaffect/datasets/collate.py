"""Windows to batches."""

from collections.abc import Sequence

import torch
from mmengine.dataset import pseudo_collate
from torch import Tensor
from torch.utils.data import default_collate

from ..registry import FUNCTIONS


def stack_windows(windows: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Stack the inputs of windows; the only copy of their data.

    Args:
        windows: inputs as :class:`mmaffect.datasets.transforms.PackAffectInputs` makes them.

    Returns:
        The same keys with a leading batch axis. ``logmel`` is padded to the longest, ``(B, R, n_mels)``, and
        ``num_rows (B,)`` int64 says how many rows are real.
    """
    batch = {key: default_collate([window[key] for window in windows]) for key in windows[0] if key != 'logmel'}
    pieces = [window['logmel'] for window in windows]
    longest = max(len(piece) for piece in pieces)
    batch['logmel'] = default_collate(
        [torch.nn.functional.pad(piece, (0, 0, 0, longest - len(piece))) for piece in pieces]
    )
    batch['num_rows'] = torch.tensor([len(piece) for piece in pieces])
    return batch


@FUNCTIONS.register_module()
def collate_windows(items: Sequence[dict]) -> dict:
    """Collate items of :class:`AffectDataset`: inputs stacked (in the worker), data samples as a list."""
    return {
        'inputs': stack_windows([item['inputs'] for item in items]),
        'data_samples': pseudo_collate([item['data_samples'] for item in items]),
    }
