"""What the gates of a fusion chose."""

import inspect
from contextlib import ExitStack

import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from ...models.necks.grjca import Gates
from ...models.necks.precision import Evidence
from ...registry import HOOKS
from ..release import unwrapped


@HOOKS.register_module()
class GateStatisticsHook(Hook):
    """Log the mean share that every gate of the fusion gives, over a validation, as ``gate/`` and its name.

    A gate of audio is averaged over the frames that have sound, one of visual over those that have a picture; a frame
    in two windows counts twice, since it is fused with other frames in each. The gates are those of the validation's
    own forward pass, and what the validation predicts stays the same; a compiled neck validates uncompiled. The figures
    stand beside the CCC in terminal, JSON and TensorBoard. A model whose neck has no gates (no ``return_gates``) is
    left alone.
    """

    # Before the LoggerHook.
    priority = 'NORMAL'

    def __init__(self) -> None:
        self._undo = ExitStack()
        self._sums: dict[str, list[Tensor]] = {}

    def before_val_epoch(self, runner: Runner) -> None:
        """Ask the neck for its gates."""
        self._undo.close()
        self._sums = {}
        model = unwrapped(runner.model)
        neck = getattr(model, 'neck', None)
        if neck is None or 'return_gates' not in inspect.signature(neck.forward).parameters:
            return
        self._undo.callback(neck.register_forward_pre_hook(_ask, with_kwargs=True).remove)
        self._undo.callback(neck.register_forward_hook(self._keep, with_kwargs=True).remove)
        # A compiled call does not see hooks that come later.
        self._undo.callback(setattr, neck, '_compiled_call_impl', neck._compiled_call_impl)
        neck._compiled_call_impl = None

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Average over all ranks."""
        self._undo.close()
        # As MMEngine's metrics do: the last windows of a rank may be repeated ones.
        windows = len(range(get_rank(), len(runner.val_dataloader.dataset), get_world_size()))
        own = {name: torch.cat(parts)[:windows].sum(0).tolist() for name, parts in self._sums.items()}
        total: dict[str, list[float]] = {}
        for found in all_gather_object(own):
            for name, (share, frames) in found.items():
                before = total.get(name, [0.0, 0.0])
                total[name] = [before[0] + share, before[1] + frames]
        for name, (share, frames) in total.items():
            if frames:
                runner.message_hub.update_scalar(f'val/{name}', share / frames)

    def _keep(self, neck: nn.Module, args: tuple, kwargs: dict, output: tuple[Tensor, Gates | Evidence]) -> Tensor:
        """Sum over the frames of each window, and give the model what it expects."""
        fused, gates = output
        given = inspect.signature(neck.forward).bind(*args, **kwargs).arguments
        for name, share in gates.shares().items():
            mask = given.get(f'{name.split("/")[0]}_mask')
            weight = torch.ones_like(share, dtype=torch.double) if mask is None else mask.double()
            sums = torch.stack(((share.double() * weight).sum(1), weight.sum(1)), dim=1)
            self._sums.setdefault(f'gate/{name}', []).append(sums)
        return fused


def _ask(neck: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    return args, {**kwargs, 'return_gates': True}
