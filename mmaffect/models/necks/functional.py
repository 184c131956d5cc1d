"""What several necks compute alike."""

import torch
from torch import Tensor, nn


def masked_softmax(scores: Tensor, dim: int, mask: Tensor | None = None) -> Tensor:
    """Softmax in which candidates outside a mask get no weight.

    Args:
        scores: any shape.
        dim: axis that the weights sum to 1 over.
        mask: bool, broadcast to ``scores``, False for candidates that are left out; all take part, if ``None``.

    Returns:
        Weights in the shape of ``scores``; zeros where every candidate is left out.
    """
    if mask is None:
        return torch.softmax(scores, dim)
    # Not -inf: where no candidate is left, that would make weights and gradients NaN.
    weights = torch.softmax(scores.masked_fill(~mask, torch.finfo(scores.dtype).min), dim)
    return weights * mask


def xavier_(module: nn.Module) -> None:
    """Start every affine map of ``module`` Xavier-uniform with zero bias."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
