"""Loss 1 - CCC."""

from typing import Literal

import torch
from torch import Tensor, nn

from ...errors import ConfigError
from ...registry import MODELS


def ccc_loss(
    pred: Tensor,
    target: Tensor,
    mask: Tensor,
    reduction: Literal['window', 'batch'] = 'window',
    sample_variance: bool = False,
    eps: float = 1e-8,
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

    Returns:
        Scalar in [0, 2]; 0 with zero gradients if no frame counts.
    """
    dtype = torch.promote_types(pred.dtype, torch.float32)
    with torch.autocast(pred.device.type, enabled=False):
        pred, target = pred.to(dtype), target.to(dtype)
        if reduction == 'batch':
            pred, target, mask = pred.flatten(0, 1)[None], target.flatten(0, 1)[None], mask.flatten()[None]
        weight = mask.to(dtype)
        count = weight.sum(1)  # (B,)
        weight = (weight / count.clamp(min=1)[:, None])[..., None]
        # Not target * weight: NaN * 0 is NaN.
        target = target.masked_fill(~mask[..., None], 0)
        mean_p, mean_t = (pred * weight).sum(1), (target * weight).sum(1)  # (B, K)
        centred_p, centred_t = pred - mean_p[:, None], target - mean_t[:, None]
        covariance = (centred_p * centred_t * weight).sum(1)
        variance = ((centred_p.square() + centred_t.square()) * weight).sum(1)
        if sample_variance:
            variance = variance * (count / (count - 1).clamp(min=1))[:, None]
        ccc = 2 * covariance / (variance + (mean_p - mean_t).square() + eps)
        counted = (count > 1).to(dtype)
        return ((1 - ccc).mean(1) * counted).sum() / counted.sum().clamp(min=1)


@MODELS.register_module()
class CCCLoss(nn.Module):
    """Loss 1 - CCC, see :func:`ccc_loss`.

    Args:
        reduction: CCC per ``'window'`` or over the ``'batch'``.
        sample_variance: as in :func:`ccc_loss`.
        loss_weight: factor.

    Raises:
        ConfigError: for another reduction.
    """

    def __init__(
        self,
        reduction: Literal['window', 'batch'] = 'window',
        sample_variance: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if reduction not in ('window', 'batch'):
            raise ConfigError(f"CCCLoss: reduction={reduction!r}; expected 'window' or 'batch'")
        self.reduction = reduction
        self.sample_variance = sample_variance
        self.loss_weight = loss_weight

    def forward(self, pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        """Loss of ``pred`` and ``target`` ``(B, L, K)`` over the frames of ``mask`` ``(B, L)``."""
        return self.loss_weight * ccc_loss(pred, target, mask, self.reduction, self.sample_variance)
