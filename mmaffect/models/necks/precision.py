"""Fusion by precision: each modality says what it sees, both say how far each can be trusted, and time fills the gaps.

Our own, under no paper's name. Its parts are old: weights inverse to the variance; a variance that is learned with the
mean (Nix, Weigend, "Estimating the mean and variance of the target probability distribution", ICNN 1994); a Gaussian
kernel over time (Nadaraya 1964, Watson 1964).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import ConfigError
from ...registry import MODELS
from ...structures import AFFECT
from ...utils.checks import check_dropout, check_size
from .base import FusionNeck
from .concat import ConcatFusion
from .rehearsal import rehearse

MODALITIES = ('audio', 'visual')
# Of the convolutions that read reliability, frames.
TAPS = 9
# Frames over which the spread of features is taken.
SPREAD = 11
# Logarithms of variances of affect in [-1, 1]: deviations from 0.02 to 2.7, and where training starts.
LOG_VARIANCE = (-8.0, 2.0)
LOG_VARIANCE_START = -2.0


@dataclass(frozen=True)
class Evidence:
    """What each modality says of affect, and how far it can be trusted; modalities audio, visual.

    Attributes:
        mean: ``(B, L, 2, K)``, by modality and target.
        log_variance: ``(B, L, 2, K)``, logarithm of the expected squared error of ``mean``.
        present: ``(B, L, 2)`` bool.
        targets: names of the K targets.
        doubt: ``(B, L, 2)``, log-odds that a modality does not belong to the person's affect; ``None``: not judged.
        rehearsed: ``(B, L, 2)`` bool, where training replaced a modality; ``None`` in evaluation.
    """

    mean: Tensor
    log_variance: Tensor
    present: Tensor
    targets: tuple[str, ...]
    doubt: Tensor | None = None
    rehearsed: Tensor | None = None

    @property
    def trust(self) -> Tensor:
        """``(B, L, 2)``, probability that the modality is there and belongs to the person's affect."""
        present = self.present.to(self.log_variance.dtype)
        return present if self.doubt is None else present * torch.sigmoid(-self.doubt)

    @property
    def precision(self) -> Tensor:
        """``(B, L, 2, K)``, inverse variance times trust; 0 where the modality is absent."""
        return torch.exp(-self.log_variance) * self.trust.unsqueeze(-1)

    def shares(self) -> dict[str, Tensor]:
        """What ``(B, L)`` a trace shows: of each modality its share in the precision, and the trust in it.

        By ``<modality>/weight_<target>``, 0 without either modality, and, if doubt is judged, ``<modality>/trust``.
        """
        precision = self.precision
        weights = precision / precision.sum(2, keepdim=True).clamp(min=torch.finfo(precision.dtype).tiny)
        shares = {
            f'{modality}/weight_{target}': weights[:, :, m, k]
            for m, modality in enumerate(MODALITIES)
            for k, target in enumerate(self.targets)
        }
        if self.doubt is not None:
            shares |= {f'{modality}/trust': self.trust[:, :, m] for m, modality in enumerate(MODALITIES)}
        return shares


def local_deviation(x: Tensor, width: int) -> Tensor:
    """Standard deviation of each feature over the ``width`` frames around a frame; fewer at the ends.

    Args:
        x: ``(B, L, d)``.
        width: odd number of frames.

    Returns:
        ``(B, L, d)``, at least 1e-3.
    """

    x = _wide(x)

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool1d(values.mT, width, 1, width // 2, count_include_pad=False).mT

    return (mean(x * x) - mean(x).square()).clamp(min=1e-6).sqrt()


def time_kernels(length: int, widths: Tensor) -> Tensor:
    """Gaussian kernels ``(H, L, L)`` of the distance of two frames.

    Args:
        length: frames, L.
        widths: ``(H,)``, standard deviations, frames.
    """
    frames = torch.arange(length, device=widths.device, dtype=widths.dtype)
    return torch.exp(-0.5 * ((frames[:, None] - frames) / widths[:, None, None]).square())


def pool(values: Tensor, precision: Tensor, kernels: Tensor) -> Tensor:
    """Mean over modalities and frames, weighted by precision and nearness; in at least float32, in autocast too.

    Args:
        values: ``(B, L, M, K, H, C)``, of M modalities, for K targets and H kernels.
        precision: ``(B, L, M, K)``.
        kernels: ``(H, L, L)``.

    Returns:
        ``(B, L, K, H, C)``; about 0 where nothing near has any precision.
    """
    # Sums of precisions leave the range of float16, and bfloat16 has three digits.
    with torch.autocast(values.device.type, enabled=False):
        weighted = (precision[..., None, None] * _wide(values)).sum(2)
        total = torch.einsum('hts,bskhc->btkhc', kernels, weighted)
        weight = torch.einsum('hts,bsk->btkh', kernels, precision.sum(2))
    return total / (weight.unsqueeze(-1) + 1e-4)


class Reliability(nn.Module):
    """Log-variance of every modality and target, and doubt, from features and how much they move.

    Args:
        channels: features of a frame.
        hidden: width.
        outputs: numbers of a frame.
        dropout: before its linear maps.
    """

    def __init__(self, channels: int, hidden: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.project = nn.Linear(2 * channels, hidden)
        # Not causal: whether a face is frozen shows after its first frame.
        self.convs = nn.ModuleList(
            nn.Conv1d(hidden, hidden, TAPS, padding=TAPS // 2 * dilation, dilation=dilation) for dilation in (1, 2)
        )
        self.out = nn.Linear(hidden, outputs)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.out.weight)
        nn.init.constant_(self.out.bias, LOG_VARIANCE_START)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, L, channels)`` to ``(B, L, outputs)``."""
        x = torch.cat((x, local_deviation(x, SPREAD).log()), dim=-1)
        x = F.gelu(self.project(self.dropout(x))).mT
        for conv in self.convs:
            x = x + F.gelu(conv(x))
        return self.out(self.dropout(x.mT))


@MODELS.register_module()
class PrecisionFusion(FusionNeck):
    """Precision-weighted fusion over modalities and time, beside another fusion.

    Unlike the gates of :class:`GRJCA`, each of which sees its own modality, what is read of reliability sees both, so
    that it can say "trust the other one"; and a stretch in which neither can be trusted is filled from the frames
    around it. For every frame s and modality m:

    - ``mu_m(s) = f_m(X_m(s))``: valence and arousal as this modality alone sees them;
    - ``log var_m(s) = g(X_a, X_v)(s)``: how far that is expected to be off, from the features of both modalities
      around s and their standard deviation over 11 frames; likewise ``q_m(s)``, the probability that this modality
      belongs to the person's affect; precision ``r_m = presence q_m / var_m``;
    - ``z_h(t) = sum_m sum_s k_h(t - s) r_m(s) [X_m(s) W_mh, mu_m(s)] / sum_m sum_s k_h(t - s) r_m(s)`` for each
      target and each of H Gaussian kernels ``k_h`` of learned width.

    Memory grows with H L²: 1.7 GiB in inference and 4.5 GiB in training at H = 4, L = 7500.

    The output is ``[z, Y]``, with ``Y = [q_a X_a, q_v X_v]`` or what another fusion makes of them. :meth:`loss` adds
    the Gaussian negative log-likelihood of every modality, by which ``var_m`` learns where ``mu_m`` is wrong, and the
    cross-entropy of ``q_m`` on decoupling that is rehearsed: in training, :func:`~.rehearsal.rehearse` replaces spans
    of one modality, and so knows them. No label of a corpus is needed.

    Args:
        audio_channels: d_a, length of an audio feature.
        visual_channels: d_v, length of a visual feature.
        widths: standard deviations that the kernels start with, frames.
        head_channels: length of the features that a kernel pools, for each target.
        hidden: width of the networks that read affect and reliability.
        dropout: in these networks, and on Y.
        loss_weight: of the negative log-likelihood; 0 for none.
        rehearsal: share of the windows of a training step with a rehearsed span; 0 for none, and no ``q_m``.
        doubt_weight: of the cross-entropy of ``q_m``.
        cross: whether reliability is read off both modalities, or off each one alone.
        beside: config of the neck that makes Y, and decides what lengths of windows fit; ``None``: concatenation.
        targets: ``('valence', 'arousal')`` in any order, or one of them: those of the head.
        normalize: L2-normalise each frame's features first.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: if a size is not an integer of at least 1, a width is not positive, a weight is negative,
            ``rehearsal`` is not in [0, 1], ``dropout`` is not in [0, 1), a target is unknown or given twice, or
            ``beside`` is no fusion neck or takes features of other lengths.

    Examples:
        >>> neck = PrecisionFusion(audio_channels=8, visual_channels=16)
        >>> neck(torch.randn(2, 30, 8), torch.randn(2, 30, 16)).shape[:2]
        torch.Size([2, 30])
    """

    def __init__(
        self,
        audio_channels: int,
        visual_channels: int,
        widths: Sequence[float] = (1.0, 4.0, 10.0, 25.0),
        head_channels: int = 16,
        hidden: int = 32,
        dropout: float = 0.3,
        loss_weight: float = 0.3,
        rehearsal: float = 0.5,
        doubt_weight: float = 0.3,
        cross: bool = True,
        beside: dict | None = None,
        targets: Sequence[str] = AFFECT,
        normalize: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        owner = type(self).__name__
        neck = MODELS.build(beside) if beside else ConcatFusion(audio_channels, visual_channels)
        if not isinstance(neck, FusionNeck):
            raise ConfigError(f'{owner}: beside is of type {type(neck).__name__!r}; expected a fusion neck')
        super().__init__(audio_channels, visual_channels, neck.seq_len, normalize, init_cfg)
        if (neck.audio_channels, neck.visual_channels) != (audio_channels, visual_channels):
            raise ConfigError(
                f'{owner}: beside takes {neck.audio_channels} audio and {neck.visual_channels} visual channels; '
                f'expected {audio_channels} and {visual_channels}'
            )
        check_size(owner, 'head_channels', head_channels)
        check_size(owner, 'hidden', hidden)
        check_dropout(owner, dropout)
        if not isinstance(widths, Sequence) or not widths or not all(_number(w) and w > 0 for w in widths):
            raise ConfigError(f'{owner}: widths={widths!r}; expected at least one, all of them more than 0 frames')
        for name, weight in (('loss_weight', loss_weight), ('doubt_weight', doubt_weight)):
            if not _number(weight) or weight < 0:
                raise ConfigError(f'{owner}: {name}={weight!r}; expected 0 or more')
        if not _number(rehearsal) or not 0 <= rehearsal <= 1:
            raise ConfigError(f'{owner}: rehearsal={rehearsal!r}; expected a share of windows, 0 to 1')
        if not targets or any(target not in AFFECT for target in targets) or len(set(targets)) < len(targets):
            raise ConfigError(f'{owner}: targets={tuple(targets)}; expected one or both of {AFFECT}')
        self.head_channels = head_channels
        self.loss_weight = loss_weight
        self.rehearsal = rehearsal
        self.doubt_weight = doubt_weight
        self.cross = cross
        self.targets = tuple(targets)
        self.beside = neck
        self.dropout = nn.Dropout(dropout)
        channels = (audio_channels, visual_channels)
        count, kernels = len(self.targets), len(widths)
        judged = count + bool(rehearsal)
        self.read = nn.ModuleList(_reader(width, hidden, count, dropout) for width in channels)
        self.reliability = nn.ModuleList(
            [Reliability(sum(channels), hidden, 2 * judged, dropout)]
            if cross
            else [Reliability(width, hidden, judged, dropout) for width in channels]
        )
        self.values = nn.ModuleList(nn.Linear(width, count * kernels * head_channels) for width in channels)
        # Logarithms, so that a width stays positive.
        self.log_widths = nn.Parameter(torch.tensor(list(widths), dtype=torch.float32).log())
        self.out_channels = count * kernels * (head_channels + 1) + neck.out_channels
        self.register_buffer('columns', torch.tensor([AFFECT.index(one) for one in self.targets]), persistent=False)

    def evidence(self, streams: Sequence[Tensor], present: Tensor, rehearsed: Tensor | None = None) -> Evidence:
        """What each modality says.

        Args:
            streams: audio ``(B, L, d_a)`` and visual ``(B, L, d_v)``.
            present: ``(B, L, 2)`` bool.
            rehearsed: ``(B, L, 2)`` bool, where training replaced a modality.
        """
        mean = _wide(torch.stack([read(x) for read, x in zip(self.read, streams, strict=True)], dim=2))
        inputs = [torch.cat(tuple(streams), dim=-1)] if self.cross else streams
        found = torch.cat([network(x) for network, x in zip(self.reliability, inputs, strict=True)], dim=-1)
        found = _wide(found).unflatten(-1, (2, -1))
        count = len(self.targets)
        doubt = found[..., count] if self.rehearsal else None
        return Evidence(mean, found[..., :count].clamp(*LOG_VARIANCE), present, self.targets, doubt, rehearsed)

    def forward(
        self,
        audio: Tensor,
        visual: Tensor,
        audio_mask: Tensor | None = None,
        visual_mask: Tensor | None = None,
        return_gates: bool = False,
    ) -> Tensor | tuple[Tensor, Evidence]:
        """Fuse ``(B, L, d_a)`` and ``(B, L, d_v)`` to ``(B, L, out_channels)``.

        Args:
            audio: ``(B, L, d_a)``.
            visual: ``(B, L, d_v)``.
            audio_mask: ``(B, L)`` bool, frames that have sound; the others have no weight.
            visual_mask: ``(B, L)`` bool, frames that have a picture; the others have no weight.
            return_gates: also return the :class:`Evidence`.
        """
        streams: Sequence[Tensor] = self.prepare(audio, visual, audio_mask, visual_mask)
        everywhere = torch.ones(audio.shape[:2], dtype=torch.bool, device=audio.device)
        present = torch.stack([everywhere if mask is None else mask for mask in (audio_mask, visual_mask)], dim=-1)
        rehearsed = None
        if self.training and self.rehearsal:
            changed = rehearse(streams, present, self.rehearsal)
            streams, present, rehearsed = changed.streams, changed.present, changed.decoupled
        evidence = self.evidence(streams, present, rehearsed)
        kernels = time_kernels(audio.shape[1], self.log_widths.exp())
        shape = (*audio.shape[:2], len(self.targets), len(kernels), self.head_channels)
        values = [value(x).view(shape) for value, x in zip(self.values, streams, strict=True)]
        means = evidence.mean[..., None, None].expand(-1, -1, -1, -1, len(kernels), 1)
        pooled = pool(torch.cat((torch.stack(values, dim=2), means), dim=-1), evidence.precision, kernels)
        trusted = [x * evidence.trust[..., m, None].to(x.dtype) for m, x in enumerate(streams)]
        other = self.dropout(self.beside(*trusted, *present.unbind(-1)))
        fused = torch.cat((pooled.flatten(2), other), dim=-1)
        return (fused, evidence) if return_gates else fused

    def loss(self, evidence: Evidence, target: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Likelihood of what each modality says, and of what is doubted; over what is present.

        Args:
            evidence: of a forward pass.
            target: ``(B, L, 2)``, valence and arousal.
            mask: ``(B, L)`` bool, frames that count.

        Returns:
            ``loss_evidence``, Gaussian negative log-likelihood where annotated and not rehearsed; ``loss_doubt``,
            binary cross-entropy with what is rehearsed. Each is left out if its weight is 0 or there is nothing to
            learn it from.
        """
        losses = {}
        if self.loss_weight:
            real = evidence.present if evidence.rehearsed is None else evidence.present & ~evidence.rehearsed
            target = target.index_select(-1, self.columns).unsqueeze(2).expand_as(evidence.mean)
            counted = (mask.unsqueeze(-1) & real).unsqueeze(-1).expand_as(evidence.mean)
            likelihood = F.gaussian_nll_loss(
                evidence.mean, torch.where(counted, target, 0), evidence.log_variance.exp(), reduction='none'
            )
            losses['loss_evidence'] = self.loss_weight * _mean(likelihood, counted)
        if self.doubt_weight and evidence.doubt is not None and evidence.rehearsed is not None:
            entropy = F.binary_cross_entropy_with_logits(
                evidence.doubt, evidence.rehearsed.to(evidence.doubt.dtype), reduction='none'
            )
            losses['loss_doubt'] = self.doubt_weight * _mean(entropy, evidence.present)
        return losses


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    return (values * counted).sum() / counted.sum().clamp(min=1)


def _reader(channels: int, hidden: int, targets: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Dropout(dropout), nn.Linear(channels, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, targets)
    )


def _wide(x: Tensor) -> Tensor:
    """In at least float32: autocast brings 16 bits."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
