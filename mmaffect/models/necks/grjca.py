"""Gated recursive joint cross-attention.

Praveen, Alam, "Handling Weak Complementary Relationships for Audio-Visual Emotion Recognition", arXiv 2503.12261 v1,
section 1.4. The authors' released code differs from these equations.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import ConfigError
from ...registry import MODELS
from ...utils.checks import check_temperature
from .rjca import RJCA


@dataclass(frozen=True)
class Gates:
    """What the gates chose, modality by modality.

    Attributes:
        audio: one ``(B, L, 2)`` per gated iteration: shares of the features of iteration t-1 and t.
        visual: the same.
        audio_stage: ``(B, L, M)``, shares of the gated features of every iteration; ``(B, L, 0)`` without such a gate.
        visual_stage: the same.
        first_iteration: the iteration of the first of the lists.
        first_stage: iteration of the first column of a stage gate; 0 are the unattended features.
    """

    audio: list[Tensor]
    visual: list[Tensor]
    audio_stage: Tensor
    visual_stage: Tensor
    first_iteration: int = 1
    first_stage: int = 1

    def shares(self) -> dict[str, Tensor]:
        """What tells what every gate chose: ``(B, L)`` in [0, 1] by name, for each ``modality``.

        - ``<modality>/iteration_<t>``: share of the features that iteration t attended, last column of its gate; the
          rest goes to earlier features. None of a fusion that has only one gate.
        - ``<modality>/stage_<m>``: share of what comes from iteration m in the output; 0 are the unattended features,
          where the last gate can choose them. None of a fusion without such a gate.
        """
        shares = {}
        for modality in ('audio', 'visual'):
            iterations, stage = getattr(self, modality), getattr(self, f'{modality}_stage')
            for t, share in enumerate(iterations, self.first_iteration):
                shares[f'{modality}/iteration_{t}'] = share[..., -1]
            for m, share in enumerate(stage.unbind(-1), self.first_stage):
                shares[f'{modality}/stage_{m}'] = share
        return shares


def gate(X: Tensor, W: Tensor, temperature: float) -> Tensor:
    """Shares of ``K`` candidates at every frame, eq. 10 and 11.

    Args:
        X: ``(B, L, d_m)``, features that decide.
        W: ``(d_m, K)``.
        temperature: T > 0.

    Returns:
        ``(B, L, K)``, summing to 1 over K.
    """
    return torch.softmax(X @ W / temperature, dim=-1)


def mix(candidates: list[Tensor], shares: Tensor) -> Tensor:
    """ReLU of the sum of ``K`` candidates ``(B, L, d_m)`` weighted by ``shares`` ``(B, L, K)``, eq. 12-15."""
    return F.relu(sum(x * shares[..., k, None] for k, x in enumerate(candidates)))


class GateWeights(nn.Module):
    """Weights of one gate of each modality: ``W_gl_a (d_a, K)``, ``W_gl_v (d_v, K)``, Xavier-uniform, no bias.

    Args:
        audio_channels: length of the features that the gate of audio sees.
        visual_channels: the same of visual.
        choices: K.
    """

    def __init__(self, audio_channels: int, visual_channels: int, choices: int) -> None:
        super().__init__()
        self.W_gl_a = nn.Parameter(torch.empty(audio_channels, choices))
        self.W_gl_v = nn.Parameter(torch.empty(visual_channels, choices))
        for weight in self.parameters():
            nn.init.xavier_uniform_(weight)


@MODELS.register_module()
class GRJCA(RJCA):
    """Recursive joint cross-attention with an iteration gate and a stage gate: eq. 1-15.

    There is no ``joint``: in the paper the gated features go straight to the head.

    Weights beside those of :class:`RJCA`: ``gates.{t}.W_gl_a W_gl_v`` (d_m, 2), ``stage_gate.W_gl_a W_gl_v`` (d_m, M).
    A gate that is off has none, nor have the gates before the last one without a stage gate, since they would change
    nothing: ``gates.0`` is then that of iteration M.

    Where the paper is open or at odds with itself:

    - the recursion goes on from the attended, not from the gated features;
    - the columns of a gate pair as in eq. 12 and 13 (0: t-1, 1: t), not as in the text above them;
    - the stage gate is ``softmax(X_m^M W_gl_m / T)``, one share an iteration;
    - eq. 14 reads G_a where it prints G_v; W_hv is (d, d_v);
    - features are L2-normalised first, as in the released code, since with T = 0.1 the gates saturate without it.

    Args:
        audio_channels: d_a, length of an audio feature.
        visual_channels: d_v, length of a visual feature.
        seq_len: L, frames of a window.
        num_iters: M, number of iterations.
        temperature: T of every gate.
        dropout: on what an iteration adds to the features.
        normalize: L2-normalise each frame's features first.
        iteration_gate: mix the features of iteration t-1 and t, eq. 10-13; without it, the features of iteration t are
            taken as if it gave them all the weight. At least one of the two gates is on.
        stage_gate: mix the iterations, eq. 14 and 15; without it, the features of the last one are the output.
        gate_input: what the gates of a modality see: its ``'own'`` features, or, unlike the paper, those of ``'both'``,
            ``[X_a, X_v]``; ``W_gl_m`` is then (d, K).
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: if a size or ``num_iters`` is not an integer of at least 1, ``dropout`` is not in [0, 1),
            ``temperature`` is not positive, both gates are off or ``gate_input`` is another word.

    Examples:
        >>> neck = GRJCA(audio_channels=8, visual_channels=16, seq_len=30)
        >>> neck(torch.randn(2, 30, 8), torch.randn(2, 30, 16)).shape
        torch.Size([2, 30, 24])
    """

    def __init__(
        self,
        audio_channels: int,
        visual_channels: int,
        seq_len: int,
        num_iters: int = 2,
        temperature: float = 0.1,
        dropout: float = 0.5,
        normalize: bool = True,
        iteration_gate: bool = True,
        stage_gate: bool = True,
        gate_input: Literal['own', 'both'] = 'own',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(audio_channels, visual_channels, seq_len, num_iters, dropout, normalize, init_cfg=init_cfg)
        check_temperature('GRJCA', temperature)
        if not (iteration_gate or stage_gate):
            raise ConfigError('GRJCA: iteration_gate=False, stage_gate=False; expected at least one True')
        if gate_input not in ('own', 'both'):
            raise ConfigError(f"GRJCA: gate_input={gate_input!r}; expected 'own' or 'both'")
        self.temperature = temperature
        self.gate_input = gate_input
        seen = (audio_channels, visual_channels) if gate_input == 'own' else (self.out_channels, self.out_channels)
        gated = (num_iters if stage_gate else 1) if iteration_gate else 0
        self.gates = nn.ModuleList(GateWeights(*seen, 2) for _ in range(gated))
        self.stage_gate = GateWeights(*seen, num_iters) if stage_gate else None

    def forward(
        self,
        audio: Tensor,
        visual: Tensor,
        audio_mask: Tensor | None = None,
        visual_mask: Tensor | None = None,
        return_gates: bool = False,
    ) -> Tensor | tuple[Tensor, Gates]:
        """Fuse ``(B, L, d_a)`` and ``(B, L, d_v)`` to ``(B, L, d_a + d_v)``, audio first.

        Args:
            audio: ``(B, L, d_a)``.
            visual: ``(B, L, d_v)``.
            audio_mask: ``(B, L)`` bool, frames that have sound.
            visual_mask: ``(B, L)`` bool, frames that have a picture.
            return_gates: also return the :class:`Gates`.
        """
        audios, visuals = self.recurse(*self.prepare(audio, visual, audio_mask, visual_mask))
        seen = (audios, visuals)
        if self.gate_input == 'both':
            seen = ([torch.cat(pair, dim=-1) for pair in zip(audios, visuals, strict=True)],) * 2
        stage = self.stage_gate
        X_a, G_a, S_a = self._gated(audios, seen[0], [g.W_gl_a for g in self.gates], stage and stage.W_gl_a)
        X_v, G_v, S_v = self._gated(visuals, seen[1], [g.W_gl_v for g in self.gates], stage and stage.W_gl_v)
        fused = torch.cat((X_a, X_v), dim=-1)
        if not return_gates:
            return fused
        return fused, Gates(G_a, G_v, S_a, S_v, first_iteration=len(self.layers) - len(G_a) + 1)

    def _gated(
        self, X: list[Tensor], seen: list[Tensor], W_gl: list[Tensor], W_stage: Tensor | None
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        if W_gl:
            X = X[-1 - len(W_gl) :]
            G = [gate(x, W, self.temperature) for x, W in zip(seen[-len(W_gl) :], W_gl, strict=True)]  # eq. 10, 11
            X_g = [mix([X[t], X[t + 1]], G[t]) for t in range(len(G))]  # eq. 12, 13
        else:
            G, X_g = [], [F.relu(x) for x in X[1:]]
        if W_stage is None:
            return X_g[-1], G, X[-1][..., :0]
        G_f = gate(seen[-1], W_stage, self.temperature)
        return mix(X_g, G_f), G, G_f  # eq. 14, 15
