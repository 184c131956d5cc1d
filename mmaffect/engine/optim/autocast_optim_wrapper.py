"""Mixed precision on every device."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor

from ...errors import ConfigError
from ...registry import OPTIM_WRAPPERS

DTYPES = {'bfloat16': torch.bfloat16, 'float16': torch.float16}


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """Run the model in autocast, on CPU as on CUDA; weights and optimizer state stay float32.

    MMEngine's ``AmpOptimWrapper`` knows CUDA-like devices only. bfloat16 has the range of float32. float16 has not: the
    loss is scaled, a step whose gradients are not finite is left out, and the scale follows (``torch.amp.GradScaler``).
    Gradients are clipped after the scale is taken out. The scale is saved and resumed with the optimizer.

    Args:
        optimizer: the optimizer.
        accumulative_counts: iterations between two updates.
        clip_grad: arguments of gradient clipping, such as ``dict(max_norm=1.0)``.
        dtype: ``'bfloat16'`` or ``'float16'``.
        loss_scale: only for float16; ``'dynamic'``: begin at 65536, halve after a step that is left out, double after
            2000 that are not; a number: always that; a dict: arguments of ``torch.amp.GradScaler``.

    Raises:
        ConfigError: for another ``dtype`` or ``loss_scale``, or a ``loss_scale`` for bfloat16.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        accumulative_counts: int = 1,
        clip_grad: dict | None = None,
        dtype: Literal['bfloat16', 'float16'] = 'bfloat16',
        loss_scale: float | dict | Literal['dynamic'] = 'dynamic',
    ) -> None:
        if dtype not in DTYPES:
            raise ConfigError(f'optim_wrapper.dtype={dtype!r}; expected one of {sorted(DTYPES)}')
        if dtype == 'bfloat16' and loss_scale != 'dynamic':
            raise ConfigError(f"optim_wrapper.loss_scale={loss_scale!r}: for dtype='float16' only")
        # The constructor of MMEngine takes 'type' out of it.
        super().__init__(optimizer, accumulative_counts, clip_grad and dict(clip_grad))
        self.dtype = DTYPES[dtype]
        self.device_type = next(p for group in optimizer.param_groups for p in group['params']).device.type
        self.loss_scaler = _loss_scaler(self.device_type, loss_scale) if dtype == 'float16' else None
        self._fixed_scale = None if isinstance(loss_scale, str | dict) else float(loss_scale)

    @contextmanager
    def optim_context(self, model: torch.nn.Module) -> Iterator[None]:
        """Forward context of one iteration."""
        with super().optim_context(model), torch.autocast(self.device_type, dtype=self.dtype):
            yield

    def backward(self, loss: Tensor, retain_graph: bool = False) -> None:
        """Add the gradients of ``loss``, times the scale."""
        if self.loss_scaler is not None:
            loss = self.loss_scaler.scale(loss)
        super().backward(loss, retain_graph=retain_graph)

    def step(self) -> None:
        """Clip, and update the weights; with float16 only if all gradients are finite."""
        if self.loss_scaler is None:
            super().step()
            return
        self.loss_scaler.unscale_(self.optimizer)
        if self.clip_grad_kwargs:
            self._clip_grad()
        self.loss_scaler.step(self.optimizer)
        self.loss_scaler.update(self._fixed_scale)
        self.message_hub.update_scalar('train/loss_scale', self.loss_scaler.get_scale())

    def state_dict(self) -> dict:
        """State of the optimizer, and with float16 of the scale."""
        state = super().state_dict()
        if self.loss_scaler is not None:
            state['loss_scaler'] = self.loss_scaler.state_dict()
        return state

    def load_state_dict(self, state_dict: dict) -> None:
        """Continue from :meth:`state_dict`, also that of a wrapper without a scale or with one more."""
        state = dict(state_dict)
        scale = state.pop('loss_scaler', None)
        if scale and self.loss_scaler is not None and self._fixed_scale is None:
            self.loss_scaler.load_state_dict(scale)
        super().load_state_dict(state)


def _loss_scaler(device: str, loss_scale: float | dict | str) -> torch.amp.GradScaler:
    if loss_scale == 'dynamic':
        return torch.amp.GradScaler(device)
    arguments = loss_scale
    if not isinstance(loss_scale, dict):
        if isinstance(loss_scale, str | bool) or not isinstance(loss_scale, int | float) or not loss_scale > 0:
            raise ConfigError(
                f"optim_wrapper.loss_scale={loss_scale!r}; expected 'dynamic', a number above 0 or a dict"
            )
        arguments = {'init_scale': float(loss_scale)}
    try:
        return torch.amp.GradScaler(device, **arguments)
    except (TypeError, AssertionError) as error:
        raise ConfigError(f'optim_wrapper.loss_scale={dict(loss_scale)}: {error}') from None
