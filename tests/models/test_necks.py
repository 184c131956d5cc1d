"""GRJCA, RJCA and concatenation against a NumPy evaluation of the paper's equations, and what holds for every neck."""

from itertools import product

import numpy as np
import pytest
import torch

from mmaffect.errors import ConfigError
from mmaffect.models import RJCA
from mmaffect.registry import MODELS
from tests.models.neck_reference import D_A, D_V, L, batch, build, check, masks, relu, residual_lstm, softmax

NAMES = ['ConcatFusion', 'CrossAttention', 'GRJCA', 'LFAN', 'LowRankJCA', 'MultiheadLFAN', 'RJCA', 'ReleasedGRJCA']


def recursion(X_a, X_v, weights, num_iters):
    """Eq. 1-9 of one window: lists of X_a^t and X_v^t, t = 0..M."""
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


@pytest.mark.parametrize('num_iters', [1, 2, 3])
@pytest.mark.parametrize('temperature', [0.1, 0.5, 2.0])
@pytest.mark.parametrize('normalize', [True, False])
def test_grjca_equals_the_equations(normalize, temperature, num_iters):
    def reference(X_a, X_v, weights, m_a, m_v):
        A, V = recursion(X_a, X_v, weights, num_iters)
        return np.concatenate([gated(X, m, weights, num_iters, temperature) for X, m in ((A, 'a'), (V, 'v'))], axis=1)

    neck = build('GRJCA', num_iters=num_iters, temperature=temperature, normalize=normalize)
    check(neck, reference, normalize)


@pytest.mark.parametrize('joint', [False, True])
@pytest.mark.parametrize('num_iters', [1, 2, 3])
@pytest.mark.parametrize('normalize', [True, False])
def test_rjca_equals_the_equations(normalize, num_iters, joint):
    def reference(X_a, X_v, weights, m_a, m_v):
        A, V = recursion(X_a, X_v, weights, num_iters)
        fused = np.concatenate([A[-1], V[-1]], axis=1)
        inner = {key.removeprefix('joint.'): value for key, value in weights.items() if key.startswith('joint.')}
        return residual_lstm(fused, inner) if joint else fused

    lstm = dict(type='ResidualLSTM', in_channels=D_A + D_V, out_channels=8, hidden=3, dropout=0.0)
    neck = build('RJCA', num_iters=num_iters, normalize=normalize, joint=lstm if joint else None)
    assert neck.out_channels == (8 if joint else D_A + D_V)
    check(neck, reference, normalize)


@pytest.mark.parametrize('normalize', [True, False])
def test_concatenation_equals_numpy(normalize):
    check(build('ConcatFusion', normalize=normalize), lambda X_a, X_v, *_: np.concatenate([X_a, X_v], 1), normalize)


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


@pytest.mark.parametrize('name', ['GRJCA', 'RJCA', 'ReleasedGRJCA', 'MultiheadLFAN'])
def test_dropout_only_while_training(name):
    neck = build(name, dropout=0.5)
    audio, visual = batch()
    assert torch.equal(neck(audio, visual), neck(audio, visual))
    neck.train()
    assert not torch.equal(neck(audio, visual), neck(audio, visual))


@pytest.mark.parametrize('name', ['RJCA', 'ReleasedRJCMA'])
def test_dropout_is_on_what_is_added(name):
    neck = build(name, dropout=1 - 1e-9, normalize=False).train()
    features = batch() if name == 'RJCA' else batch(D_V, D_A)
    assert torch.equal(neck(*features), torch.cat(features, -1))


@pytest.mark.parametrize(
    ('name', 'masked', 'arguments'),
    [
        *((name, masked, {}) for name, masked in product(NAMES, (False, True))),
        ('ReleasedGRJCA', True, dict(gating='hierarchical')),
    ],
)
def test_gradcheck(name, masked, arguments):
    neck = build(name, **arguments)
    given = [m[:1] for m in masks()] if masked else [None, None]
    inputs = (*(x.requires_grad_() for x in batch(windows=1)), *neck.parameters())
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


def test_missing_modality_leaves_zeros_on_its_side():
    out = build('GRJCA')(*batch(), audio_mask=torch.zeros(3, L, dtype=torch.bool))
    assert (out[..., :D_A] == 0).all()
    assert (out[..., D_A:] != 0).any()


@pytest.mark.parametrize('name', NAMES)
def test_length_of_a_window(name):
    audio, visual = (x[:, :2] for x in batch())
    neck = build(name)
    if neck.seq_len is None:
        assert neck(audio, visual).shape == (3, 2, neck.out_channels)
    else:
        with pytest.raises(ConfigError, match=rf'{name}: audio of shape \(3, 2, 4\); expected \(B, 5, 4\)'):
            neck(audio, visual)


INTEGER = 'expected an integer of at least 1'
RANGE = 'expected 0 <= dropout < 1'


@pytest.mark.parametrize(
    ('name', 'arguments', 'text'),
    [
        *((name, dict(audio_channels=4.5), f'{name}: audio_channels=4.5; {INTEGER}') for name in NAMES),
        *((name, dict(visual_channels=0), f'{name}: visual_channels=0; {INTEGER}') for name in NAMES),
        *((name, dict(seq_len='abc'), f"{name}: seq_len='abc'; {INTEGER}") for name in ('GRJCA', 'LowRankJCA')),
        *((name, dict(seq_len=None), f'seq_len=None; {INTEGER}') for name in ('RJCA', 'LowRankJCA', 'ReleasedGRJCA')),
        *((name, dict(num_iters=0), f'num_iters=0; {INTEGER}') for name in ('GRJCA', 'ReleasedGRJCA')),
        *((name, dict(num_iters=1.5), f'num_iters=1.5; {INTEGER}') for name in ('RJCA', 'ReleasedRJCMA')),
        *((name, dict(temperature=0.0), f'{name}: temperature=0.0') for name in ('GRJCA', 'ReleasedGRJCA')),
        *((name, dict(dropout=1.5), f'{name}: dropout=1.5; {RANGE}') for name in ('RJCA', 'GRJCA', 'MultiheadLFAN')),
        ('RJCA', dict(dropout=float('nan')), f'dropout=nan; {RANGE}'),
        ('RJCA', dict(dropout=-0.1), f'dropout=-0.1; {RANGE}'),
        ('GRJCA', dict(temperature='low'), "temperature='low'; expected more than 0"),
        ('ReleasedGRJCA', dict(dropout=1.0), f'dropout=1.0; {RANGE}'),
        ('ReleasedGRJCA', dict(gating='open'), "gating='open'; expected 'flat' or 'hierarchical'"),
        ('ReleasedRJCMA', dict(channels=()), 'channels=(); expected a width for each stream'),
        ('ReleasedRJCMA', dict(channels=4), 'channels=4; expected a width for each stream'),
        ('ReleasedRJCMA', dict(channels=(4, 0)), f'channels[1]=0; {INTEGER}'),
        ('CrossAttention', dict(combine='mean'), "combine='mean'; expected 'concat' or 'sum'"),
        ('CrossAttention', dict(combine='sum'), 'audio_channels=4, visual_channels=6; expected equal widths'),
        ('LowRankJCA', dict(rank=0), f'LowRankJCA: rank=0; {INTEGER}'),
        ('LowRankJCA', dict(encoded=0), f'LowRankJCA: encoded=0; {INTEGER}'),
        ('LFAN', dict(encoded=0), f'LFAN: encoded=0; {INTEGER}'),
        ('MultiheadLFAN', dict(heads=3), 'heads=3; expected a divisor of encoded=8'),
        ('MultiheadLFAN', dict(heads=0), f'heads=0; {INTEGER}'),
    ],
)
def test_wrong_arguments(name, arguments, text):
    with pytest.raises(ConfigError) as error:
        build(name, **arguments)
    assert text in str(error.value)


def test_wrong_joint_names_the_class():
    class Derived(RJCA):
        pass

    joint = dict(type='ResidualLSTM', in_channels=9, out_channels=8, hidden=4)
    with pytest.raises(ConfigError, match='Derived: joint with in_channels=9; expected 10'):
        Derived(D_A, D_V, L, joint=joint)
