"""Rehearsal of decoupled modalities: stretches whose sound or picture a training itself puts out of step, and knows."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rehearsed:
    """Windows in some of which one modality does not belong to the other.

    Attributes:
        streams: ``(B, L, d)`` of each modality.
        present: ``(B, L, M)`` bool.
        decoupled: ``(B, L, M)`` bool, where a modality was replaced.
    """

    streams: list[Tensor]
    present: Tensor
    decoupled: Tensor


def rehearse(
    streams: Sequence[Tensor], present: Tensor, share: float, length: tuple[float, float] = (0.12, 0.7)
) -> Rehearsed:
    """Decouple one modality of some windows for a while, at random.

    A span of the drawn modality is either taken from another window of the batch, as an unrelated voice or face is, or
    held as it was in the span's first frame, as a frozen picture is; each in half of the cases. A window alone in its
    batch is held. Draws come from torch's generator of the device; nothing is written in place.

    Args:
        streams: ``(B, L, d)`` of each of the M modalities.
        present: ``(B, L, M)`` bool, frames that have the modality; follows its features.
        share: of the windows that get a span, 0 to 1.
        length: shortest and longest span, shares of a window; a span may reach over either end of it.

    Examples:
        >>> audio, visual = torch.randn(4, 30, 8), torch.randn(4, 30, 16)
        >>> rehearse((audio, visual), torch.ones(4, 30, 2, dtype=torch.bool), 0.5).decoupled.shape
        torch.Size([4, 30, 2])
    """
    windows, frames, modalities = present.shape
    device = present.device
    span = draw_spans(windows, frames, length, device)
    chosen = torch.randint(modalities, (windows, 1), device=device)
    held = torch.rand(windows, 1, device=device) < (0.5 if windows > 1 else 2.0)
    span = span & (torch.rand(windows, 1, device=device) < share)
    first = span.to(torch.uint8).argmax(1)
    rows = torch.arange(windows, device=device)
    changed, there, decoupled = [], [], []
    for m, x in enumerate(streams):
        here, mask = span & (chosen == m), present[..., m]
        other = torch.where(held.unsqueeze(-1), x[rows, first].unsqueeze(1), x.roll(1, 0))
        changed.append(torch.where(here.unsqueeze(-1), other, x))
        there.append(torch.where(here, torch.where(held, mask[rows, first].unsqueeze(1), mask.roll(1, 0)), mask))
        decoupled.append(here)
    return Rehearsed(changed, torch.stack(there, -1), torch.stack(decoupled, -1))


def draw_spans(windows: int, frames: int, length: tuple[float, float], device: torch.device) -> Tensor:
    """One span a window, ``(windows, frames)`` bool; it starts and ends anywhere so that it meets the window."""
    low, high = length
    size = frames * (low + (high - low) * torch.rand(windows, 1, device=device))
    start = torch.rand(windows, 1, device=device) * (frames + size) - size
    frame = torch.arange(frames, device=device)
    return (frame >= start) & (frame < start + size)
