"""Loss 1 - CCC."""

from typing import Literal

import torch
from torch import Tensor, nn

from ...errors import ConfigError
from ...registry import MODELS
from ..layers.all_ranks import sum_over_ranks


def ccc_loss(
    pred: Tensor,
    target: Tensor,
    mask: Tensor,
    reduction: Literal['window', 'batch'] = 'window',
    sample_variance: bool = False,
    eps: float = 1e-8,
    all_ranks: bool = False,
) -> Tensor:
    """1 - CCC over the frames of a mask.

    Lin, "A concordance correlation coefficient to evaluate reproducibility", Biometrics 1989.

    Args:
        pred: ``(B, L, K)``, any floating type; computed in at least float32.
        target: ``(B, L, K)``; may be NaN outside the mask.
        mask: ``(B, L)`` bool, frames that count.
        reduction: ``'window'``: mean over windows and columns of 1 - CCC, windows with fewer than two frames of the
            mask left out (released LFAN and GRJCA code); ``'batch'``: one CCC a column over all frames of the batch.
        sample_variance: divide the variances by n - 1 and the covariance by n, as the released LFAN and GRJCA code
            does (a perfect prediction of 300 frames then has a loss of 0.0033); else population moments.
        eps: added to the denominator, so that two equal constants give loss 1 and no gradient.
        all_ranks: the batch is that of all ranks. Every rank returns the same loss, and its gradients, averaged over
            the ranks as DDP does, are those of one process with all windows.

    Returns:
        Scalar in [0, 2]; 0 with zero gradients if no frame counts.
    """
    dtype = torch.promote_types(pred.dtype, torch.float32)
    with torch.autocast(pred.device.type, enabled=False):
        pred, target = pred.to(dtype), target.to(dtype)
        if reduction == 'batch':
            pred, target, mask = pred.flatten(0, 1)[None], target.flatten(0, 1)[None], mask.flatten()[None]
        total = sum_over_ranks if all_ranks else _identity
        pooled = total if reduction == 'batch' else _identity
        weight = mask.to(dtype)
        count = pooled(weight.sum(1))  # (B,)
        weight = (weight / count.clamp(min=1)[:, None])[..., None]
        # Not target * weight: NaN * 0 is NaN.
        target = target.masked_fill(~mask[..., None], 0)
        mean_p, mean_t = pooled(torch.stack([(pred * weight).sum(1), (target * weight).sum(1)]))  # (B, K)
        centred_p, centred_t = pred - mean_p[:, None], target - mean_t[:, None]
        covariance, variance = pooled(
            torch.stack(
                [
                    (centred_p * centred_t * weight).sum(1),
                    ((centred_p.square() + centred_t.square()) * weight).sum(1),
                ]
            )
        )
        if sample_variance:
            variance = variance * (count / (count - 1).clamp(min=1))[:, None]
        ccc = 2 * covariance / (variance + (mean_p - mean_t).square() + eps)
        counted = (count > 1).to(dtype)
        losses, windows = ((1 - ccc).mean(1) * counted).sum(), counted.sum()
        if reduction == 'window':
            losses, windows = total(torch.stack([losses, windows]))
        return losses / windows.clamp(min=1)


def _identity(x: Tensor) -> Tensor:
    return x


@MODELS.register_module()
class CCCLoss(nn.Module):
    """Loss 1 - CCC, see :func:`ccc_loss`.

    Args:
        reduction: CCC per ``'window'`` or over the ``'batch'``.
        sample_variance: as in :func:`ccc_loss`.
        loss_weight: factor.
        all_ranks: over the batch of all ranks, as in :func:`ccc_loss`.

    Raises:
        ConfigError: for another reduction.
    """

    def __init__(
        self,
        reduction: Literal['window', 'batch'] = 'window',
        sample_variance: bool = False,
        loss_weight: float = 1.0,
        all_ranks: bool = False,
    ) -> None:
        super().__init__()
        if reduction not in ('window', 'batch'):
            raise ConfigError(f"CCCLoss: reduction={reduction!r}; expected 'window' or 'batch'")
        self.reduction = reduction
        self.sample_variance = sample_variance
        self.loss_weight = loss_weight
        self.all_ranks = all_ranks

    def forward(self, pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        """Loss of ``pred`` and ``target`` ``(B, L, K)`` over the frames of ``mask`` ``(B, L)``."""
        return self.loss_weight * ccc_loss(
            pred, target, mask, self.reduction, self.sample_variance, all_ranks=self.all_ranks
        )
