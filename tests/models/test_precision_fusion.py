"""Precision-weighted fusion against NumPy and SciPy, frame by frame."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from mmaffect.errors import ConfigError
from mmaffect.models.necks.precision import local_deviation
from mmaffect.registry import MODELS
from tests.models.neck_reference import D_A, D_V, L, arrays, batch, build, masks

WIDTHS = [0.7, 3.0]
SMALL = dict(widths=WIDTHS, head_channels=2, hidden=3)


def built(**arguments):
    neck = build('PrecisionFusion', **{**SMALL, **arguments})
    # Its last map starts at zero, which would hide everything before it.
    for network in neck.reliability:
        torch.nn.init.normal_(network.out.weight)
    return neck


def gelu(x):
    return x * norm.cdf(x)


def deviation(x, width):
    """Population standard deviation around every frame, by slices."""
    around = [x[max(0, t - width // 2) : t + width // 2 + 1] for t in range(len(x))]
    return np.sqrt(np.maximum([part.var(axis=0) for part in around], 1e-6))


def convolved(x, weight, bias, dilation):
    """Cross-correlation over frames, zeros outside."""
    taps = weight.shape[2]
    out = np.tile(bias, (len(x), 1))
    for t in range(len(x)):
        for k in range(taps):
            s = t + (k - taps // 2) * dilation
            if 0 <= s < len(x):
                out[t] += weight[:, :, k] @ x[s]
    return out


def judged(x, weights, prefix):
    """Log-variances before they are limited, and doubt."""
    h = np.concatenate([x, np.log(deviation(x, 11))], axis=1)
    h = gelu(h @ weights[f'{prefix}.project.weight'].T + weights[f'{prefix}.project.bias'])
    for i, dilation in enumerate((1, 2)):
        h = h + gelu(convolved(h, weights[f'{prefix}.convs.{i}.weight'], weights[f'{prefix}.convs.{i}.bias'], dilation))
    return h @ weights[f'{prefix}.out.weight'].T + weights[f'{prefix}.out.bias']


def reference(neck, streams, present, cross):
    """Means, log-variances ``(L, 2, K)``, trust ``(L, 2)`` and pooled features of one window."""
    w, frames = arrays(neck), len(streams[0])
    means, values = [], []
    for m, x in enumerate(streams):
        hidden = gelu(x @ w[f'read.{m}.1.weight'].T + w[f'read.{m}.1.bias'])
        means.append(hidden @ w[f'read.{m}.4.weight'].T + w[f'read.{m}.4.bias'])
        values.append((x @ w[f'values.{m}.weight'].T + w[f'values.{m}.bias']).reshape(frames, -1, len(WIDTHS), 2))
    targets = means[0].shape[1]
    if cross:
        found = np.split(judged(np.concatenate(streams, axis=1), w, 'reliability.0'), 2, axis=1)
    else:
        found = [judged(x, w, f'reliability.{m}') for m, x in enumerate(streams)]
    variances = [np.clip(one[:, :targets], -8, 2) for one in found]
    trust = [
        here / (1 + np.exp(one[:, targets])) if one.shape[1] > targets else here * 1.0
        for one, here in zip(found, present, strict=True)
    ]
    pooled = np.zeros((frames, targets, len(WIDTHS), 3))
    for t in range(frames):
        for k in range(targets):
            for h, width in enumerate(np.exp(w['log_widths'])):
                total, weight = np.zeros(3), 1e-4
                for m in range(2):
                    for s in range(frames):
                        share = np.exp(-(((t - s) / width) ** 2) / 2) * trust[m][s] / np.exp(variances[m][s, k])
                        total += share * np.append(values[m][s, k, h], means[m][s, k])
                        weight += share
                pooled[t, k, h] = total / weight
    return np.stack(means, 1), np.stack(variances, 1), np.stack(trust, 1), pooled.reshape(frames, -1)


@pytest.mark.parametrize('rehearsal', [0.5, 0])
@pytest.mark.parametrize('cross', [True, False])
@pytest.mark.parametrize('targets', [['valence', 'arousal'], ['arousal']])
def test_equals_numpy(cross, targets, rehearsal):
    neck = built(cross=cross, targets=targets, rehearsal=rehearsal)
    audio, visual = batch()
    for given in ((None, None), masks()):
        fused, evidence = neck(audio, visual, *given, return_gates=True)
        for b in range(3):
            present = [np.ones(L) if mask is None else mask[b].numpy() for mask in given]
            streams = [x[b].numpy() * here[:, None] for x, here in zip((audio, visual), present, strict=True)]
            mean, variance, trust, pooled = reference(neck, streams, present, cross)
            np.testing.assert_allclose(evidence.mean[b].detach(), mean, rtol=0, atol=1e-12)
            np.testing.assert_allclose(evidence.log_variance[b].detach(), variance, rtol=0, atol=1e-7)
            np.testing.assert_allclose(evidence.trust[b].detach(), trust, rtol=0, atol=1e-7)
            beside = [x * trust[:, m, None] for m, x in enumerate(streams)]
            np.testing.assert_allclose(fused[b].detach(), np.hstack([pooled, *beside]), rtol=0, atol=1e-6)


def test_shares_of_the_precision():
    audio, visual = batch()
    audio_mask, visual_mask = masks()
    _, evidence = built()(audio, visual, audio_mask, visual_mask, return_gates=True)
    shares = evidence.shares()
    weights = [f'{m}/weight_{target}' for m in ('audio', 'visual') for target in ('valence', 'arousal')]
    assert list(shares) == [*weights, 'audio/trust', 'visual/trust']
    assert torch.equal(shares['audio/trust'] > 0, audio_mask)
    assert list(built(rehearsal=0)(audio, visual, return_gates=True)[1].shares()) == weights
    assert torch.equal(shares['audio/weight_valence'] > 0, audio_mask)
    assert torch.equal(shares['visual/weight_arousal'] > 0, visual_mask)
    both = shares['audio/weight_arousal'] + shares['visual/weight_arousal']
    torch.testing.assert_close(both, (audio_mask | visual_mask).double())


def test_loss_is_the_likelihood_of_what_is_there():
    neck = built(loss_weight=0.5)
    audio, visual = batch()
    present = masks()
    _, evidence = neck(audio, visual, *present, return_gates=True)
    target = torch.rand(3, L, 2, generator=torch.Generator().manual_seed(1)).double()
    valid = torch.ones(3, L, dtype=torch.bool)
    valid[:, 3] = False
    target[:, 3] = float('nan')
    losses = [
        -norm.logpdf(
            target[b, t, k], evidence.mean[b, t, m, k].item(), np.exp(evidence.log_variance[b, t, m, k].item() / 2)
        )
        for b in range(3)
        for t in range(L)
        for m in range(2)
        for k in range(2)
        if valid[b, t] and present[m][b, t]
    ]
    found = neck.loss(evidence, target, valid)['loss_evidence']
    # The constant of the density is left out.
    assert found.item() == pytest.approx(0.5 * (np.mean(losses) - np.log(2 * np.pi) / 2), abs=1e-9)
    found.backward()
    assert all(torch.isfinite(p.grad).all() for p in neck.read.parameters())
    assert built(loss_weight=0).loss(evidence, target, valid) == {}


def test_loss_of_doubt_is_the_cross_entropy_of_what_was_rehearsed():
    neck = built(rehearsal=1.0, doubt_weight=0.5, loss_weight=0.25).train()
    audio, visual = batch(windows=40)
    present = [torch.ones(40, L, dtype=torch.bool), torch.rand(40, L) > 0.2]
    torch.manual_seed(4)
    _, evidence = neck(audio, visual, *present, return_gates=True)
    assert 0.1 < evidence.rehearsed.float().mean() < 0.5
    target = torch.rand(40, L, 2).double()
    losses = neck.loss(evidence, target, torch.ones(40, L, dtype=torch.bool))
    there, which = evidence.present.numpy(), evidence.rehearsed.numpy()
    probability = 1 / (1 + np.exp(-evidence.doubt.detach().numpy()))
    assert losses['loss_doubt'].item() == pytest.approx(
        -0.5 * np.mean(np.log(np.where(which, probability, 1 - probability))[there]), abs=1e-9
    )
    deviation = np.exp(evidence.log_variance.detach().numpy() / 2)
    likelihood = norm.logpdf(target.numpy()[:, :, None], evidence.mean.detach().numpy(), deviation)
    # What was rehearsed says nothing of how well a modality tells the affect of its own window.
    expected = -0.25 * (likelihood[there & ~which].mean() + np.log(2 * np.pi) / 2)
    assert losses['loss_evidence'].item() == pytest.approx(expected, abs=1e-9)
    assert 'loss_doubt' not in neck.eval().loss(neck(audio, visual, return_gates=True)[1], target, present[0])
    assert set(built(doubt_weight=0).loss(evidence, target, present[0])) == {'loss_evidence'}


def test_nothing_there_gives_no_loss():
    neck = built()
    audio, visual = batch()
    nowhere = torch.zeros(3, L, dtype=torch.bool)
    fused, evidence = neck(audio, visual, nowhere, nowhere, return_gates=True)
    assert torch.isfinite(fused).all()
    assert neck.loss(evidence, torch.zeros(3, L, 2).double(), nowhere)['loss_evidence'] == 0


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast_keeps_variances_and_sums(dtype):
    """Streams of 16 bits, far from 0, and precisions whose sum over a window is beyond the range of float16."""
    neck = built().float()
    torch.nn.init.constant_(neck.reliability[0].out.bias, -7.5)
    generator = torch.Generator().manual_seed(2)
    audio, visual = (2 + 0.1 * torch.randn(1, 300, d, generator=generator).to(dtype) for d in (D_A, D_V))
    expected, evidence = neck(audio.float(), visual.float(), return_gates=True)
    with torch.autocast('cpu', dtype):
        fused, found = neck(audio, visual, return_gates=True)
    for one in (fused, found.mean, found.log_variance, *found.shares().values()):
        assert one.dtype == torch.float32
    assert evidence.precision.sum() > torch.finfo(torch.float16).max
    digits = torch.finfo(dtype).eps
    torch.testing.assert_close(found.log_variance, evidence.log_variance, rtol=0, atol=20 * digits)
    torch.testing.assert_close(fused, expected, rtol=0, atol=20 * digits)


@pytest.mark.parametrize('frames', [1, 2, 40])
def test_windows_of_any_length(frames):
    neck = built()
    audio, visual = (torch.randn(2, frames, d, dtype=torch.float64) for d in (D_A, D_V))
    fused = neck(audio, visual)
    assert fused.shape == (2, frames, neck.out_channels)
    *_, pooled = reference(neck, (audio[0].numpy(), visual[0].numpy()), np.ones((2, frames)), True)
    np.testing.assert_allclose(fused[0, :, : pooled.shape[1]].detach(), pooled, rtol=0, atol=1e-6)


@pytest.mark.parametrize('loss_weight', [0.0, 0.3])
def test_every_weight_has_a_gradient_where_a_modality_is_absent(loss_weight):
    """As DistributedDataParallel wants it."""
    neck = built(loss_weight=loss_weight, targets=['valence'])
    audio, visual = batch()
    nowhere, everywhere = torch.zeros(3, L, dtype=torch.bool), torch.ones(3, L, dtype=torch.bool)
    fused, evidence = neck(audio, visual, nowhere, everywhere, return_gates=True)
    losses = neck.loss(evidence, torch.zeros(3, L, 2).double(), everywhere)
    (fused.square().mean() + sum(losses.values())).backward()
    gradients = {name: parameter.grad for name, parameter in neck.named_parameters()}
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients.values())
    assert gradients['read.1.4.weight'].any()
    assert not gradients['read.0.4.weight'].any()


def test_stands_beside_another_fusion():
    beside = dict(type='LowRankJCA', audio_channels=D_A, visual_channels=D_V, seq_len=L, encoded=7, rank=3)
    neck = built(beside=beside)
    audio, visual = batch()
    fused, evidence = neck(audio, visual, return_gates=True)
    trust = evidence.trust
    other = neck.beside(audio * trust[..., :1], visual * trust[..., 1:])
    torch.testing.assert_close(fused[..., -14:], other)
    assert neck.seq_len == L
    assert built().seq_len is None
    with pytest.raises(ConfigError, match=r'beside takes 9 audio and 6 visual channels; expected 4 and 6'):
        built(beside={**beside, 'audio_channels': 9})


def test_an_estimator_learns_by_it():
    torch.manual_seed(0)
    neck = dict(type='PrecisionFusion', audio_channels=D_A, visual_channels=D_V, **SMALL)
    streams = {name: dict(type='Stream', in_channels=d) for name, d in (('audio', D_A), ('visual', D_V))}
    head = dict(type='AffectHead', in_channels=22, hidden=None)
    model = MODELS.build(dict(type='AffectEstimator', neck=neck, head=head, **streams))
    inputs = {name: x.float() for name, x in zip(('audio', 'visual'), batch(), strict=True)}
    inputs |= {f'{name}_mask': torch.ones(3, L, dtype=torch.bool) for name in streams}
    losses = model.loss(inputs, [_sample() for _ in range(3)])
    assert set(losses) == {'loss_ccc', 'loss_evidence', 'loss_doubt'}
    model.parse_losses(losses)[0].backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def _sample():
    from mmaffect.structures import AffectDataSample

    sample = AffectDataSample()
    sample.gt_affect = torch.linspace(-0.5, 0.5, 2 * L).reshape(L, 2)
    sample.valid = torch.ones(L, dtype=torch.bool)
    return sample


@pytest.mark.parametrize('width', [3, 11])
def test_local_deviation(width):
    x = batch()[0]
    np.testing.assert_allclose(local_deviation(x, width)[1], deviation(x[1].numpy(), width), rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(widths=[]), r'widths=\[\]; expected at least one'),
        (dict(widths=[0.0]), r'widths=\[0.0\]; expected at least one, all of them more than 0 frames'),
        (dict(widths=[float('nan')]), r'widths=\[nan\]; expected at least one'),
        (dict(widths=['4']), r"widths=\['4'\]; expected at least one"),
        (dict(widths=4), 'widths=4; expected at least one'),
        (dict(loss_weight=-1), 'loss_weight=-1; expected 0 or more'),
        (dict(doubt_weight=-1), 'doubt_weight=-1; expected 0 or more'),
        (dict(rehearsal=1.5), 'rehearsal=1.5; expected a share of windows, 0 to 1'),
        (dict(rehearsal='0.5'), "rehearsal='0.5'; expected a share"),
        (dict(loss_weight=float('nan')), 'loss_weight=nan; expected 0 or more'),
        (dict(targets=['joy']), r"targets=\('joy',\); expected one or both of"),
        (dict(targets=['valence'] * 2), r"targets=\('valence', 'valence'\); expected one or both of"),
        (dict(beside=dict(type='AffectHead', in_channels=10)), "beside is of type 'AffectHead'; expected a fusion"),
        (dict(hidden=0), 'hidden'),
        (dict(dropout=1), 'dropout'),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ConfigError, match=message):
        built(**arguments)
