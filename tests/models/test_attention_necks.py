"""Cross-attention, low-rank JCA and LFAN against NumPy evaluations that share no code with them."""

import numpy as np
import pytest
import torch

from mmaffect.models.necks.cross_attention import cross_attention, masked_softmax
from mmaffect.registry import MODELS

L, D_A, D_V = 5, 4, 6
NAMES = ['CrossAttention', 'LowRankJCA', 'LFAN', 'MultiheadLFAN']


def build(name, **arguments):
    torch.manual_seed(3)
    sizes = dict(audio_channels=D_A, visual_channels=D_V)
    if name == 'LowRankJCA':
        sizes |= dict(seq_len=L, encoded=6, rank=3)
    if 'LFAN' in name:
        sizes |= dict(encoded=8)
    neck = MODELS.build(dict(type=name, **{**sizes, **arguments})).double().eval()
    for parameter in neck.parameters():
        if parameter.ndim == 1 or 'LFAN' in name:
            torch.nn.init.normal_(parameter, std=0.7)
    return neck


def batch(windows=3, widths=(D_A, D_V)):
    generator = torch.Generator().manual_seed(5)
    return [torch.randn(windows, L, d, dtype=torch.float64, generator=generator) for d in widths]


def masks():
    """Frame 0: neither; 1: sound only; 2: picture only; others: both. The second window has no sound at all."""
    audio, visual = torch.ones(3, L, dtype=torch.bool), torch.ones(3, L, dtype=torch.bool)
    audio[:, [0, 2]] = False
    visual[:, [0, 1]] = False
    audio[1] = False
    return audio, visual


def arrays(neck):
    return {key: value.numpy() for key, value in neck.state_dict().items()}


def linear(x, weights, name):
    return np.einsum('...c,ec->...e', x, weights[f'{name}.weight']) + weights[f'{name}.bias']


def check(neck, reference, with_masks=(False, True)):
    """Compare a neck with ``reference(X_a, X_v, weights, mask_a, mask_v)`` of one window."""
    audio, visual = batch(widths=(neck.audio_channels, neck.visual_channels))
    for masked in with_masks:
        given = masks() if masked else (None, None)
        out = neck(audio, visual, *given).detach().numpy()
        assert out.shape == (3, L, neck.out_channels)
        for b in range(3):
            m_a, m_v = (np.ones(L, bool) if m is None else m[b].numpy() for m in given)
            X_a, X_v = (x[b].numpy() for x in (audio, visual))
            if neck.normalize:
                X_a, X_v = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (X_a, X_v))
            expected = reference(X_a * m_a[:, None], X_v * m_v[:, None], arrays(neck), m_a, m_v)
            assert np.abs(out[b] - expected).max() <= 1e-9


def attend(scores, allowed, values):
    """Weighted sum of the allowed ``values``, weights the exponentials of ``scores``; zeros if none is allowed."""
    if not allowed.any():
        return np.zeros(values.shape[1])
    e = np.exp(scores[allowed] - scores[allowed].max())
    return (e[:, None] * values[allowed]).sum(0) / e.sum()


def attended(X_a, X_v, W, m_a, m_v):
    C = np.array([[x_a @ W @ x_v for x_v in X_v] for x_a in X_a])
    return (
        np.array([attend(C[:, j], m_a, X_a) for j in range(L)]),
        np.array([attend(C[i, :], m_v, X_v) for i in range(L)]),
    )


@pytest.mark.parametrize('normalize', [True, False])
def test_cross_attention_equals_numpy(normalize):
    def reference(X_a, X_v, weights, m_a, m_v):
        A, V = attended(X_a, X_v, weights['W'], m_a, m_v)
        return np.concatenate([np.tanh(X_a + A), np.tanh(X_v + V)], axis=1)

    check(build('CrossAttention', normalize=normalize), reference)


def test_cross_attention_as_released_equals_numpy():
    def reference(X_a, X_v, weights, m_a, m_v):
        return sum(attended(X_a, X_v, weights['W'], m_a, m_v))

    neck = build('CrossAttention', visual_channels=D_A, combine='sum', residual=False)
    assert neck.out_channels == D_A
    check(neck, reference)


def test_the_softmax_runs_over_the_frames_that_are_attended():
    # Audio frame 1 correlates with visual frame 0 and with no other; nothing else correlates.
    X_a, X_v = torch.zeros(1, 3, 1), torch.zeros(1, 3, 1)
    X_a[0, 1], X_v[0, 0] = 1.0, 1.0
    A_a, A_v = cross_attention(X_a, X_v, torch.full((1, 1), 50.0))
    assert torch.allclose(A_a[0, :, 0], torch.tensor([1.0, 1 / 3, 1 / 3]))
    assert torch.allclose(A_v[0, :, 0], torch.tensor([1 / 3, 1.0, 1 / 3]))


@pytest.mark.parametrize('dim', [1, 2])
def test_masked_softmax(dim):
    scores = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    mask = torch.ones(2, 3, 4, dtype=torch.bool)
    mask[0, 1, 2] = False
    mask[1] = False
    weights = masked_softmax(scores, dim, mask)
    assert weights[0, 1, 2] == 0
    assert (weights[1] == 0).all()
    assert torch.allclose(weights[0].sum(dim - 1), torch.ones(12 // scores.shape[dim], dtype=torch.float64))
    (weights * torch.arange(4)).sum().backward()
    assert torch.isfinite(scores.grad).all()
    assert torch.equal(masked_softmax(scores, dim), torch.softmax(scores, dim))


@pytest.mark.parametrize('normalize', [True, False])
def test_low_rank_jca_equals_numpy(normalize):
    def reference(X_a, X_v, weights, m_a, m_v):
        E = {'audio': linear(X_a, weights, 'encoder.audio'), 'visual': linear(X_v, weights, 'encoder.visual')}
        J = np.concatenate([E['audio'], E['visual']], axis=1)
        out = []
        for stream in ('audio', 'visual'):
            w = {name: weights[f'attention.{stream}.{name}'] for name in ('W_j', 'W_c', 'W', 'W_h')}
            C = np.tanh(np.einsum('te,ts,sd->ed', E[stream], w['W_j'], J) / np.sqrt(J.shape[1]))
            H = np.einsum('ed,dk->ek', C, w['W_c']) + np.einsum('te,tk->ek', E[stream], w['W'])
            out.append(np.einsum('ek,kt->te', np.where(H > 0, H, 0), w['W_h']) + E[stream])
        return np.concatenate(out, axis=1)

    check(build('LowRankJCA', normalize=normalize), reference)


def test_low_rank_jca_has_the_released_shapes():
    neck = MODELS.build(dict(type='LowRankJCA', audio_channels=512, visual_channels=512, seq_len=8))
    attention = {key: tuple(p.shape) for key, p in neck.attention['audio'].named_parameters()}
    assert attention == {'W_j': (8, 8), 'W_c': (256, 32), 'W': (8, 32), 'W_h': (32, 8)}
    assert sum(p.numel() for p in neck.encoder.parameters()) == 2 * (512 * 128 + 128)
    assert neck.out_channels == 256


def layer_norm(x, weights):
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * weights['norm.weight'] + weights['norm.bias']


@pytest.mark.parametrize('reuse', [False, True])
def test_lfan_equals_numpy(reuse):
    def reference(X_a, X_v, weights, m_a, m_v):
        rows = []
        for t in range(L):
            key_a = linear(X_a[t], weights, 'audio.key')
            source = key_a if reuse else X_a[t]
            K = np.stack([linear(X_v[t], weights, 'visual.key'), key_a])
            Q = np.stack([linear(X_v[t], weights, 'visual.query'), linear(source, weights, 'audio.query')])
            V = np.stack([linear(X_v[t], weights, 'visual.value'), linear(source, weights, 'audio.value')])
            allowed = np.array([m_v[t], m_a[t]])
            out = np.stack([attend(Q @ K[m] / np.sqrt(8), allowed, V) for m in range(2)])
            rows.append(np.concatenate([X_v[t], layer_norm(out + V, weights).ravel()]))
        return np.array(rows)

    check(build('LFAN', reuse_key_encoding=reuse), reference)


@pytest.mark.parametrize('heads', [1, 2, 4])
def test_multihead_lfan_equals_numpy(heads):
    def reference(X_a, X_v, weights, m_a, m_v):
        rows, h = [], 8 // heads
        for t in range(L):
            qkv = [linear(X_v[t], weights, 'qkv.visual'), linear(X_a[t], weights, 'qkv.audio')]
            allowed = np.array([m_v[t], m_a[t]])
            joined = []
            for head in range(heads):
                Q, K, V = (
                    np.stack([one[3 * h * head + h * part : 3 * h * head + h * (part + 1)] for one in qkv])
                    for part in range(3)
                )
                for m in range(2):
                    joined.append(attend(K @ Q[m] / np.sqrt(h), allowed, V) + V[m])
            out = linear(np.concatenate(joined), weights, 'out')
            rows.append(np.concatenate([X_v[t], layer_norm(out, weights)]))
        return np.array(rows)

    check(build('MultiheadLFAN', heads=heads), reference)


def test_lfan_parameters():
    def count(**config):
        return sum(p.numel() for p in MODELS.build(dict(audio_channels=32, visual_channels=128, **config)).parameters())

    assert count(type='LFAN') == 3 * (128 * 32 + 32) + 3 * (32 * 32 + 32) + 2 * 64
    assert count(type='MultiheadLFAN') == (128 * 96 + 96) + (32 * 96 + 96) + (64 * 64 + 64) + 2 * 64
    assert count(type='LFAN', encoded=16, reuse_key_encoding=True) == (
        3 * (128 * 16 + 16) + (32 * 16 + 16) + 2 * (16 * 16 + 16) + 2 * 32
    )


def test_dropout_only_while_training():
    neck = build('MultiheadLFAN', dropout=0.5)
    audio, visual = batch()
    assert torch.equal(neck(audio, visual), neck(audio, visual))
    neck.train()
    first, second = neck(audio, visual), neck(audio, visual)
    assert not torch.equal(first, second)
    assert torch.equal(first[..., :D_V], visual)


@pytest.mark.parametrize('masked', [False, True])
@pytest.mark.parametrize('name', NAMES)
def test_gradcheck(name, masked):
    neck = build(name)
    given = [m[:2] for m in masks()] if masked else [None, None]
    inputs = (*(x.requires_grad_() for x in batch(2)), *neck.parameters())
    assert torch.autograd.gradcheck(lambda a, v, *_: neck(a, v, *given), inputs, atol=1e-6)


@pytest.mark.parametrize('name', NAMES)
def test_masked_frames_have_no_influence(name):
    neck = build(name)
    audio, visual = batch()
    whole = torch.ones(3, L, dtype=torch.bool)
    assert torch.allclose(neck(audio, visual, whole, whole), neck(audio, visual))
    audio_mask, visual_mask = masks()
    other_audio = audio.masked_fill(~audio_mask.unsqueeze(-1), 9.0)
    other_visual = visual.masked_fill(~visual_mask.unsqueeze(-1), -4.0)
    out = neck(audio, visual, audio_mask, visual_mask)
    assert torch.isfinite(out).all()
    assert torch.equal(out, neck(other_audio, other_visual, audio_mask, visual_mask))
    assert not torch.allclose(neck(audio, visual), neck(other_audio, other_visual))


@pytest.mark.parametrize('name', NAMES)
def test_nothing_there_gives_no_nan(name):
    neck = build(name)
    nothing = torch.zeros(3, L, dtype=torch.bool)
    inputs = [x.requires_grad_() for x in batch()]
    out = neck(*inputs, nothing, nothing)
    out.sum().backward()
    assert torch.isfinite(out).all()
    assert all(torch.isfinite(p.grad).all() for p in (*neck.parameters(), *inputs) if p.grad is not None)


@pytest.mark.parametrize('name', ['CrossAttention', 'LFAN', 'MultiheadLFAN'])
def test_any_length_of_window(name):
    audio, visual = batch()
    assert build(name)(audio[:, :2], visual[:, :2]).shape[:2] == (3, 2)


@pytest.mark.parametrize(
    ('name', 'arguments', 'text'),
    [
        ('CrossAttention', dict(combine='mean'), "combine='mean'; expected 'concat' or 'sum'"),
        ('CrossAttention', dict(combine='sum'), 'audio_channels=4, visual_channels=6; expected equal widths'),
        ('LowRankJCA', dict(rank=0), 'rank=0'),
        ('LowRankJCA', dict(encoded=0), 'encoded=0'),
        ('LFAN', dict(encoded=0), 'LFAN: encoded=0'),
        ('MultiheadLFAN', dict(heads=3), 'heads=3; expected a divisor of encoded=8'),
        ('MultiheadLFAN', dict(heads=0), 'heads=0'),
        ('MultiheadLFAN', dict(dropout=-0.1), r'dropout=-0\.1'),
    ],
)
def test_wrong_arguments(name, arguments, text):
    with pytest.raises(ValueError, match=text):
        build(name, **arguments)
