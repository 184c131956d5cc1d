"""Mixed precision on every device."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper

from ...registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """Run the model in bfloat16 autocast, on CPU as on CUDA; weights and optimizer state stay float32.

    MMEngine's ``AmpOptimWrapper`` knows CUDA-like devices only. bfloat16 has the range of float32, so that no loss
    scaling is needed.

    Args:
        optimizer: the optimizer.
        accumulative_counts: iterations between two updates.
        clip_grad: arguments of gradient clipping, such as ``dict(max_norm=1.0)``.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        accumulative_counts: int = 1,
        clip_grad: dict | None = None,
    ) -> None:
        super().__init__(optimizer, accumulative_counts, clip_grad)

    @contextmanager
    def optim_context(self, model: torch.nn.Module) -> Iterator[None]:
        """Forward context of one iteration."""
        with super().optim_context(model), torch.autocast(get_device(), dtype=torch.bfloat16):
            yield
