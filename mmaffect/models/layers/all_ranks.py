"""What a batch that is spread over ranks has in common, with gradients."""

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from ...errors import ConfigError


class _Sum(torch.autograd.Function):
    """A sum over ranks is its own adjoint. ``torch.distributed.nn.all_reduce`` is deprecated since torch 2.14."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        x = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(x)
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(gradient)
        return gradient


def _alone() -> bool:
    return not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1


def sum_over_ranks(x: Tensor) -> Tensor:
    """Sum of ``x`` over all ranks, through which gradients pass; ``x`` itself without a process group.

    Every rank must call it, in the same order. What every rank computes from such sums has, on a rank of N, N times the
    gradient of one process; DDP's average over the ranks divides by N again.
    """
    return x if _alone() else _Sum.apply(x)


class AllRankBatchNorm(_BatchNorm):
    """BatchNorm over the batch of all ranks, for CPUs, where PyTorch's SyncBatchNorm refuses to work.

    A rank may have a smaller batch than others, or none. Moments are those of two passes, so that they do not cancel.
    In eval mode, and without a process group, it is BatchNorm.
    """

    def _check_input_dim(self, x: Tensor) -> None:
        if x.dim() < 2:
            raise ValueError(f'AllRankBatchNorm: input of shape {tuple(x.shape)}; expected (B, C, ...)')

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(B, C, ...)``."""
        self._check_input_dim(x)
        x = super().forward(x) if not self.training or _alone() else self._normalise(x)
        # The dropout and the activation of timm's BatchNormAct2d.
        for child in self.children():
            x = child(x)
        return x

    def _normalise(self, x: Tensor) -> Tensor:
        axes = [axis for axis in range(x.dim()) if axis != 1]
        shape = [1, -1] + [1] * (x.dim() - 2)
        with torch.autocast(x.device.type, enabled=False):
            wide = x.to(torch.promote_types(x.dtype, torch.float32))
            sums = sum_over_ranks(torch.cat([wide.sum(axes), wide.new_tensor([wide.numel() // x.shape[1]])]))
            count = sums[-1].detach()
            mean = sums[:-1] / count
            centred = wide - mean.view(shape)
            variance = sum_over_ranks(centred.square().sum(axes)) / count
            if self.track_running_stats:
                self._track(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
            normed = centred * torch.rsqrt(variance + self.eps).view(shape)
            if self.weight is not None:
                normed = normed * self.weight.view(shape)
            if self.bias is not None:  # since PyTorch 2.13 it can be left out alone
                normed = normed + self.bias.view(shape)
        return normed.to(x.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        self.num_batches_tracked.add_(1)
        share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)


def use_sync_batch_norm(module: nn.Module, device: str = 'cpu', name: str = '') -> nn.Module:
    """Put a BatchNorm over all ranks in the place of every BatchNorm, with its weights, statistics and mode.

    Args:
        module: changed in place; returned, since it may be a BatchNorm itself.
        device: that it will run on; ``'cpu'``: :class:`AllRankBatchNorm`, else PyTorch's SyncBatchNorm, whose fused
            kernels are faster and keep the input only.
        name: of the module, for errors.

    Raises:
        ConfigError: for a BatchNorm whose ``forward`` does more, other than timm's BatchNormAct2d.
    """
    if isinstance(module, _BatchNorm):
        return _synchronised(module, device, name)
    for part, child in module.named_children():
        module.add_module(part, use_sync_batch_norm(child, device, f'{name}.{part}'.lstrip('.')))
    return module


def _synchronised(module: _BatchNorm, device: str, name: str) -> _BatchNorm:
    if isinstance(module, AllRankBatchNorm if device == 'cpu' else nn.SyncBatchNorm):
        return module
    after = dict(module.named_children())
    plain = type(module).forward in (_BatchNorm.forward, nn.SyncBatchNorm.forward, AllRankBatchNorm.forward)
    if list(after) not in ([], ['drop', 'act']) or not (plain or after):
        raise ConfigError(f'sync_bn: {name} is a {type(module).__name__}, which does more than a BatchNorm')
    if device == 'cpu':
        kind = AllRankBatchNorm
    elif after:
        from timm.layers.norm_act import SyncBatchNormAct as kind  # noqa: N813
    else:
        kind = nn.SyncBatchNorm
    norm = kind(module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats)
    for part, child in after.items():
        norm.add_module(part, child)
    norm.training = module.training
    for part in ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'):
        # The very parameters, which an optimizer may hold already.
        setattr(norm, part, getattr(module, part))
    return norm
