"""Windows to batches."""

from collections.abc import Sequence

import torch
from mmengine.dataset import pseudo_collate
from torch import Tensor
from torch.utils.data import default_collate

from ..registry import FUNCTIONS

# Of another length in every window, and what that length is called.
RAGGED = {'logmel': 'num_rows', 'waveform': 'num_samples'}


def stack_windows(windows: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Stack the inputs of windows; the only copy of their data.

    Args:
        windows: inputs as :class:`mmaffect.datasets.transforms.PackAffectInputs` makes them.

    Returns:
        The same keys with a leading batch axis. ``logmel`` and ``waveform`` are padded to the longest, ``(B, R, ...)``,
        and ``num_rows``, ``num_samples`` ``(B,)`` int64 say how much is real.
    """
    batch = {key: default_collate([window[key] for window in windows]) for key in windows[0] if key not in RAGGED}
    for key, count in RAGGED.items():
        if key not in windows[0]:
            continue
        pieces = [window[key] for window in windows]
        longest = max(len(piece) for piece in pieces)
        batch[key] = default_collate([_lengthen(piece, longest) for piece in pieces])
        batch[count] = torch.tensor([len(piece) for piece in pieces])
    return batch


def _lengthen(piece: Tensor, length: int) -> Tensor:
    return torch.nn.functional.pad(piece, (0, 0) * (piece.ndim - 1) + (0, length - len(piece)))


@FUNCTIONS.register_module()
def collate_windows(items: Sequence[dict]) -> dict:
    """Collate items of :class:`AffectDataset`: inputs stacked (in the worker), data samples as a list."""
    return {
        'inputs': stack_windows([item['inputs'] for item in items]),
        'data_samples': pseudo_collate([item['data_samples'] for item in items]),
    }
