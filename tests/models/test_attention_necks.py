"""Cross-attention, low-rank JCA and LFAN against NumPy evaluations that share no code with them."""

import numpy as np
import pytest
import torch

from mmaffect.models.necks.cross_attention import cross_attention
from mmaffect.models.necks.functional import masked_softmax
from mmaffect.registry import MODELS
from tests.models.neck_reference import D_A, D_V, L, arrays, batch, build, check, linear, relu


def attend(scores, allowed, values):
    """Weighted sum of the allowed ``values``, weights the exponentials of ``scores``; zeros if none is allowed."""
    if not allowed.any():
        return np.zeros(values.shape[1])
    e = np.exp(scores[allowed] - scores[allowed].max())
    return (e[:, None] * values[allowed]).sum(0) / e.sum()


def layer_norm(x, weights):
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * weights['norm.weight'] + weights['norm.bias']


@pytest.mark.parametrize('residual', [True, False])
@pytest.mark.parametrize('combine', ['concat', 'sum'])
@pytest.mark.parametrize('normalize', [True, False])
def test_cross_attention_equals_numpy(normalize, combine, residual):
    def reference(X_a, X_v, weights, m_a, m_v):
        C = np.array([[x_a @ weights['W'] @ x_v for x_v in X_v] for x_a in X_a])
        A = np.array([attend(C[:, j], m_a, X_a) for j in range(L)])
        V = np.array([attend(C[i, :], m_v, X_v) for i in range(L)])
        if residual:
            A, V = np.tanh(X_a + A), np.tanh(X_v + V)
        return A + V if combine == 'sum' else np.concatenate([A, V], axis=1)

    width = D_A if combine == 'sum' else D_V
    neck = build('CrossAttention', visual_channels=width, normalize=normalize, combine=combine, residual=residual)
    assert neck.out_channels == (D_A if combine == 'sum' else D_A + D_V)
    check(neck, reference, normalize)


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
            out.append(np.einsum('ek,kt->te', relu(H), w['W_h']) + E[stream])
        return np.concatenate(out, axis=1)

    check(build('LowRankJCA', normalize=normalize), reference, normalize)


def test_low_rank_jca_has_the_released_shapes():
    neck = MODELS.build(dict(type='LowRankJCA', audio_channels=512, visual_channels=512, seq_len=8))
    attention = {key: tuple(p.shape) for key, p in neck.attention['audio'].named_parameters()}
    assert attention == {'W_j': (8, 8), 'W_c': (256, 32), 'W': (8, 32), 'W_h': (32, 8)}
    assert sum(p.numel() for p in neck.encoder.parameters()) == 2 * (512 * 128 + 128)
    assert neck.out_channels == 256


@pytest.mark.parametrize('normalize', [True, False])
@pytest.mark.parametrize('reuse', [False, True])
def test_lfan_equals_numpy(reuse, normalize):
    def reference(X_a, X_v, weights, m_a, m_v):
        rows = []
        for t in range(L):
            key_a = linear(X_a[t], weights, 'encoders.audio.key')
            source = key_a if reuse else X_a[t]
            K = np.stack([linear(X_v[t], weights, 'encoders.visual.key'), key_a])
            Q = np.stack(
                [linear(X_v[t], weights, 'encoders.visual.query'), linear(source, weights, 'encoders.audio.query')]
            )
            V = np.stack(
                [linear(X_v[t], weights, 'encoders.visual.value'), linear(source, weights, 'encoders.audio.value')]
            )
            allowed = np.array([m_v[t], m_a[t]])
            out = np.stack([attend(Q @ K[m] / np.sqrt(8), allowed, V) for m in range(2)])
            rows.append(np.concatenate([X_v[t], layer_norm(out + V, weights).ravel()]))
        return np.array(rows)

    check(build('LFAN', reuse_key_encoding=reuse, normalize=normalize), reference, normalize)


@pytest.mark.parametrize('normalize', [True, False])
@pytest.mark.parametrize('heads', [1, 2, 4])
def test_multihead_lfan_equals_numpy(heads, normalize):
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

    check(build('MultiheadLFAN', heads=heads, normalize=normalize), reference, normalize)


@pytest.mark.parametrize('masked', [False, True])
@pytest.mark.parametrize('name', ['LFAN', 'MultiheadLFAN'])
def test_a_third_stream_equals_numpy(name, masked):
    """The published form: video, log-mel and eGeMAPS or MFCC."""
    options = dict(reuse_key_encoding=True) if name == 'LFAN' else dict(heads=2)
    neck = build(name, further_channels=dict(egemaps=3), **options)
    audio, visual, egemaps = batch(D_A, D_V, 3)
    present = torch.ones(3, L, dtype=torch.bool)
    if masked:
        present[:, 1] = False
        present[1] = False
    weights = arrays(neck)
    out = neck(audio, visual, further={'egemaps': egemaps}, further_masks={'egemaps': present} if masked else None)
    assert out.shape == (3, L, neck.out_channels) == (3, L, D_V + 24)
    for b in range(3):
        for t in range(L):
            allowed = np.array([True, True, bool(present[b, t])])
            third = egemaps[b, t].numpy() * allowed[2]
            frame = {'visual': visual[b, t].numpy(), 'audio': audio[b, t].numpy(), 'egemaps': third}
            if name == 'LFAN':
                keys = {m: linear(x, weights, f'encoders.{m}.key') for m, x in frame.items()}
                source = {m: frame[m] if m == 'visual' else keys[m] for m in frame}
                K = np.stack(list(keys.values()))
                Q, V = (
                    np.stack([linear(source[m], weights, f'encoders.{m}.{p}') for m in frame])
                    for p in ('query', 'value')
                )
                attended = np.stack([attend(Q @ K[m] / np.sqrt(8), allowed, V) for m in range(3)]) + V
                expected = layer_norm(attended, weights).ravel()
            else:
                qkv = [linear(x, weights, f'qkv.{m}') for m, x in frame.items()]
                joined = []
                for head in range(2):
                    Q, K, V = (
                        np.stack([one[12 * head + 4 * p : 12 * head + 4 * (p + 1)] for one in qkv]) for p in range(3)
                    )
                    joined += [attend(K @ Q[m] / 2, allowed, V) + V[m] for m in range(3)]
                expected = layer_norm(linear(np.concatenate(joined), weights, 'out'), weights)
            found = out[b, t].detach().numpy()
            assert np.abs(found - np.concatenate([frame['visual'], expected])).max() <= 1e-9


def test_further_streams_that_are_not_there():
    neck = build('LFAN', further_channels=dict(mfcc=3))
    audio, visual, mfcc = batch(D_A, D_V, 3)
    with pytest.raises(ValueError, match=r"further streams \[\]; expected \['mfcc'\]"):
        neck(audio, visual)
    with pytest.raises(ValueError, match=r'mfcc of shape \(3, 5, 2\); expected \(B, L, 3\)'):
        neck(audio, visual, further={'mfcc': mfcc[..., :2]})


def test_lfan_parameters():
    def count(**config):
        return sum(p.numel() for p in MODELS.build(dict(audio_channels=32, visual_channels=128, **config)).parameters())

    assert count(type='LFAN') == 3 * (128 * 32 + 32) + 3 * (32 * 32 + 32) + 2 * 64
    assert count(type='MultiheadLFAN') == (128 * 96 + 96) + (32 * 96 + 96) + (64 * 64 + 64) + 2 * 64
    assert count(type='LFAN', encoded=16, reuse_key_encoding=True) == (
        3 * (128 * 16 + 16) + (32 * 16 + 16) + 2 * (16 * 16 + 16) + 2 * 32
    )


def test_dropout_leaves_the_leader_alone():
    neck = build('MultiheadLFAN', dropout=1 - 1e-9).train()
    audio, visual = batch()
    out = neck(audio, visual)
    assert torch.equal(out[..., :D_V], visual)
    # Dropped before the layer norm, which leaves its bias.
    assert torch.allclose(out[..., D_V:], neck.norm.bias.expand(3, L, 16))
