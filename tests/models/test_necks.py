"""Necks against a NumPy evaluation of the paper's equations that shares no code with them."""

import numpy as np
import pytest
import torch

from mmaffect.registry import MODELS

L, D_A, D_V = 7, 4, 6


def relu(x):
    return np.where(x > 0, x, 0)


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def recursion(X_a, X_v, weights, num_iters, normalize):
    """Eq. 1-9 of one window: lists of X_a^t and X_v^t, t = 0..M."""
    if normalize:
        X_a = X_a / np.sqrt((X_a**2).sum(axis=1))[:, None]
        X_v = X_v / np.sqrt((X_v**2).sum(axis=1))[:, None]
    A, V = [X_a], [X_v]
    for t in range(num_iters):
        w = {name: weights[f'layers.{t}.{name}'] for name in ('W_ja', 'W_jv', 'W_ca', 'W_cv', 'W_ha', 'W_hv')}
        J = np.concatenate([A[t], V[t]], axis=1)
        d = D_A + D_V
        C_a = np.tanh(np.einsum('ld,lm,me->de', A[t], w['W_ja'], J) / np.sqrt(d))
        C_v = np.tanh(np.einsum('ld,lm,me->de', V[t], w['W_jv'], J) / np.sqrt(d))
        H_a = relu(np.einsum('ld,de,ef->lf', A[t], w['W_ca'], C_a))
        H_v = relu(np.einsum('ld,de,ef->lf', V[t], w['W_cv'], C_v))
        A.append(np.einsum('lf,fd->ld', H_a, w['W_ha']) + A[t])
        V.append(np.einsum('lf,fd->ld', H_v, w['W_hv']) + V[t])
    return A, V


def gated(X, m, weights, num_iters, T):
    """Eq. 10-15 of one modality and window."""
    X_g = []
    for t in range(1, num_iters + 1):
        G = softmax(X[t] @ weights[f'gates.{t - 1}.W_gl_{m}'] / T)
        X_g.append(relu(X[t - 1] * G[:, [0]] + X[t] * G[:, [1]]))
    G_f = softmax(X[-1] @ weights[f'stage_gate.W_gl_{m}'] / T)
    return relu(sum(X_g[t] * G_f[:, [t]] for t in range(num_iters)))


def build(name, **arguments):
    torch.manual_seed(3)
    sizes = dict(audio_channels=D_A, visual_channels=D_V, seq_len=L)
    return MODELS.build(dict(type=name, **sizes, **arguments)).double().eval()


def batch(windows=3):
    generator = torch.Generator().manual_seed(5)
    return [torch.randn(windows, L, d, dtype=torch.float64, generator=generator) for d in (D_A, D_V)]


@pytest.mark.parametrize('num_iters', [1, 2, 3])
@pytest.mark.parametrize('normalize', [True, False])
@pytest.mark.parametrize('name', ['GRJCA', 'RJCA'])
def test_equals_the_equations(name, normalize, num_iters):
    temperature = dict(temperature=0.1) if name == 'GRJCA' else {}
    neck = build(name, num_iters=num_iters, normalize=normalize, **temperature)
    audio, visual = batch()
    out = neck(audio, visual).detach().numpy()
    weights = {key: value.numpy() for key, value in neck.state_dict().items()}
    for b in range(len(out)):
        A, V = recursion(audio[b].numpy(), visual[b].numpy(), weights, num_iters, normalize)
        if name == 'GRJCA':
            expected = [gated(X, m, weights, num_iters, 0.1) for X, m in ((A, 'a'), (V, 'v'))]
        else:
            expected = [A[-1], V[-1]]
        assert np.abs(out[b] - np.concatenate(expected, axis=1)).max() <= 1e-9


@pytest.mark.parametrize('name', ['GRJCA', 'RJCA'])
def test_gradcheck(name):
    neck = build(name)
    audio, visual = batch(2)
    inputs = (audio.requires_grad_(), visual.requires_grad_(), *neck.parameters())
    assert torch.autograd.gradcheck(lambda a, v, *_: neck(a, v), inputs, atol=1e-6)


def test_names_and_shapes_of_the_paper():
    M, d = 3, D_A + D_V
    neck = build('GRJCA', num_iters=M)
    shapes = {key: tuple(value.shape) for key, value in neck.state_dict().items()}
    expected = {'stage_gate.W_gl_a': (D_A, M), 'stage_gate.W_gl_v': (D_V, M)}
    for t in range(M):
        expected |= {
            f'layers.{t}.W_ja': (L, L),
            f'layers.{t}.W_jv': (L, L),
            f'layers.{t}.W_ca': (D_A, D_A),
            f'layers.{t}.W_cv': (D_V, D_V),
            f'layers.{t}.W_ha': (d, D_A),
            f'layers.{t}.W_hv': (d, D_V),
            f'gates.{t}.W_gl_a': (D_A, 2),
            f'gates.{t}.W_gl_v': (D_V, 2),
        }
    assert shapes == expected
    assert neck.out_channels == d


def test_xavier_uniform():
    neck = MODELS.build(dict(type='GRJCA', audio_channels=128, visual_channels=256, seq_len=300))
    W = neck.layers[0].W_ha
    bound = (6 / (384 + 128)) ** 0.5
    assert W.abs().max() <= bound
    assert W.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)


def test_gates_are_shares_and_decide():
    neck = build('GRJCA', num_iters=2)
    with torch.no_grad():
        for gate in neck.gates:
            gate.W_gl_a.zero_()
    fused, gates = neck(*batch(), return_gates=True)
    assert torch.allclose(gates.audio[0], torch.full_like(gates.audio[0], 0.5))
    assert torch.allclose(gates.visual_stage.sum(-1), torch.ones(3, L, dtype=torch.float64))
    assert fused.shape == (3, L, D_A + D_V)
    assert [tuple(g.shape) for g in gates.visual] == [(3, L, 2)] * 2


def test_dropout_only_while_training():
    neck = build('RJCA', dropout=0.5)
    audio, visual = batch()
    assert torch.equal(neck(audio, visual), neck(audio, visual))
    neck.train()
    assert not torch.equal(neck(audio, visual), neck(audio, visual))


def test_masked_frames_have_no_influence():
    neck = build('GRJCA')
    audio, visual = batch()
    mask = torch.ones(3, L, dtype=torch.bool)
    assert torch.equal(neck(audio, visual, mask, mask), neck(audio, visual))
    mask[:, 5:] = False
    other_audio, other_visual = audio.clone(), visual.clone()
    other_audio[:, 5:] = 9.0
    other_visual[:, 5:] = -4.0
    assert torch.equal(neck(audio, visual, mask, mask), neck(other_audio, other_visual, mask, mask))
    assert not torch.allclose(neck(audio, visual), neck(other_audio, other_visual))


def test_missing_modality_leaves_zeros_on_its_side():
    neck = build('GRJCA')
    audio, visual = batch()
    nothing = torch.zeros(3, L, dtype=torch.bool)
    out = neck(audio, visual, audio_mask=nothing)
    assert (out[..., :D_A] == 0).all()
    assert (out[..., D_A:] != 0).any()


def test_joint_temporal_module():
    joint = dict(type='ResidualLSTM', in_channels=D_A + D_V, out_channels=8, hidden=4, dropout=0.0)
    neck = build('RJCA', joint=joint)
    audio, visual = batch()
    mask = torch.ones(3, L, dtype=torch.bool)
    mask[:, 5:] = False
    assert neck.out_channels == 8
    plain = build('RJCA')
    plain.load_state_dict({key: value for key, value in neck.state_dict().items() if key.startswith('layers.')})
    expected = neck.joint(plain(audio, visual, mask, mask))
    assert torch.equal(neck(audio, visual, mask, mask), expected)
    assert expected.shape == (3, L, 8)
    neck(audio, visual).sum().backward()
    assert all(parameter.grad is not None for parameter in neck.parameters())
    with pytest.raises(ValueError, match='joint with in_channels=9; expected 10'):
        build('RJCA', joint=dict(joint, in_channels=9))


def test_concatenation():
    neck = MODELS.build(dict(type='ConcatFusion', audio_channels=D_A, visual_channels=D_V))
    audio, visual = batch()
    assert torch.equal(neck(audio, visual), torch.cat([audio, visual], 2))


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (dict(num_iters=0), 'num_iters=0'),
        (dict(temperature=0.0), r'temperature=0\.0'),
        (dict(seq_len=-1), 'seq_len=-1'),
    ],
)
def test_wrong_arguments(arguments, text):
    sizes = dict(audio_channels=D_A, visual_channels=D_V, seq_len=L)
    with pytest.raises(ValueError, match=text):
        MODELS.build(dict(type='GRJCA', **{**sizes, **arguments}))


def test_wrong_window_names_the_expected_shape():
    audio, visual = batch()
    with pytest.raises(ValueError, match=r'audio of shape \(3, 5, 4\); expected \(B, 7, 4\)'):
        build('GRJCA')(audio[:, :5], visual[:, :5])
