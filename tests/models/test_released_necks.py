"""The released GRJCA and RJCMA against a NumPy evaluation, window by window, that shares no code with them."""

import numpy as np
import pytest
import torch

from mmaffect.models.necks import ReleasedJointAttention
from mmaffect.models.necks.released_joint_attention import released_joint_attention
from mmaffect.registry import MODELS
from tests.models.neck_reference import (
    D_A,
    D_T,
    D_V,
    L,
    arrays,
    batch,
    build,
    check,
    linear,
    masks,
    prepared,
    relu,
    softmax,
)


def block(streams, weights, prefix, query):
    """One iteration of one window: new features of every stream."""
    J = np.concatenate(streams, axis=1)
    d = J.shape[1]
    if query:
        J = linear(J, weights, f'{prefix}.query')
    out = []
    for m, X in enumerate(streams):
        W_j, b_j = (weights[f'{prefix}.keys.{m}.{kind}'] for kind in ('weight', 'bias'))
        K = np.einsum('tl,lc->ct', W_j, X) + b_j[None, :]
        V = linear(X, weights, f'{prefix}.values.{m}')
        C = np.tanh(np.einsum('cl,le->ce', K, J) / np.sqrt(d))
        H = relu(np.tanh(np.einsum('lc,ce->le', V, C)))
        out.append(X + relu(linear(H, weights, f'{prefix}.updates.{m}')))
    return out


def recursion(streams, weights, num_iters, query):
    X = [streams]
    for t in range(num_iters):
        X.append(block(X[-1], weights, f'attention.layers.{t}', query))
    return X


def mixed(candidates, decider, weights, name, T):
    G = softmax(linear(decider, weights, name) / T)
    return relu(sum(G[:, [k]] * candidate for k, candidate in enumerate(candidates)))


def gated(X, stream, gating, weights, num_iters, T):
    if gating == 'flat':
        return mixed(X, X[-1], weights, f'gate.{stream}', T)
    G = [mixed(X[: t + 1], X[t], weights, f'gates.{t - 1}.{stream}', T) for t in range(1, num_iters + 1)]
    return mixed(G, X[-1], weights, f'stage_gate.{stream}', T)


@pytest.mark.parametrize(('num_iters', 'temperature'), [(1, 0.1), (2, 0.1), (2, 0.5), (3, 2.0)])
@pytest.mark.parametrize('normalize', [True, False])
@pytest.mark.parametrize('gating', ['flat', 'hierarchical'])
def test_grjca_equals_numpy(gating, normalize, num_iters, temperature):
    def reference(X_a, X_v, weights, m_a, m_v):
        X = recursion([X_v, X_a], weights, num_iters, query=True)
        streams = enumerate(('visual', 'audio'))
        return np.concatenate(
            [gated([x[m] for x in X], name, gating, weights, num_iters, temperature) for m, name in streams], axis=1
        )

    neck = build('ReleasedGRJCA', gating=gating, normalize=normalize, num_iters=num_iters, temperature=temperature)
    check(neck, reference, normalize)


@pytest.mark.parametrize('channels', [(D_V,), (D_V, D_A), (D_V, D_A, D_T)])
@pytest.mark.parametrize('num_iters', [1, 2, 3])
@pytest.mark.parametrize('normalize', [True, False])
def test_rjcma_equals_numpy(normalize, num_iters, channels):
    neck = build('ReleasedRJCMA', channels=channels, num_iters=num_iters, normalize=normalize)
    features, weights = batch(*channels), arrays(neck)
    assert not any('query' in key for key in weights)
    assert neck.out_channels == sum(channels)
    audio_mask, visual_mask = masks()
    for given in (None, (visual_mask, audio_mask, None)[: len(channels)]):
        out = neck(*features, masks=given).detach().numpy()
        for b in range(3):
            streams = [
                prepared(x[b], None if mask is None else mask[b], normalize)
                for x, mask in zip(features, given or [None] * len(channels), strict=True)
            ]
            expected = recursion(streams, weights, num_iters, query=False)[-1]
            assert np.abs(out[b] - np.concatenate(expected, axis=1)).max() <= 1e-9


@pytest.mark.parametrize('gating', ['flat', 'hierarchical'])
def test_parameters_of_the_released_code(gating):
    def count(module):
        return sum(parameter.numel() for parameter in module.parameters())

    neck = MODELS.build(dict(type='ReleasedGRJCA', audio_channels=128, visual_channels=256, seq_len=300, gating=gating))
    assert [count(layer) for layer in neck.attention.layers] == [558_584, 558_584]
    assert count(neck) - count(neck.attention) == {'flat': 1_158, 'hierarchical': 2_702}[gating]


def test_names_and_shapes():
    d = D_V + D_A
    expected = {'gate.visual.weight': (3, D_V), 'gate.visual.bias': (3,)}
    expected |= {'gate.audio.weight': (3, D_A), 'gate.audio.bias': (3,)}
    for t in range(2):
        for name, (rows, columns) in {
            'query': (d, d),
            'keys.0': (L, L),
            'keys.1': (L, L),
            'values.0': (D_V, D_V),
            'values.1': (D_A, D_A),
            'updates.0': (D_V, d),
            'updates.1': (D_A, d),
        }.items():
            expected[f'attention.layers.{t}.{name}.weight'] = (rows, columns)
            expected[f'attention.layers.{t}.{name}.bias'] = (rows,)
    assert {key: value.shape for key, value in arrays(build('ReleasedGRJCA')).items()} == expected
    gates = {
        key: value.shape
        for key, value in arrays(build('ReleasedGRJCA', gating='hierarchical')).items()
        if key.endswith('visual.weight') and not key.startswith('attention')
    }
    assert gates == {
        'gates.0.visual.weight': (2, D_V),
        'gates.1.visual.weight': (3, D_V),
        'stage_gate.visual.weight': (2, D_V),
    }


def test_xavier_uniform_and_zero_biases():
    neck = MODELS.build(dict(type='ReleasedGRJCA', audio_channels=128, visual_channels=256, seq_len=60))
    bound = (6 / (384 + 384)) ** 0.5
    W = neck.attention.layers[0].query.weight
    assert W.abs().max() <= bound
    assert W.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert neck.gate['audio'].weight.abs().max() <= (6 / (128 + 3)) ** 0.5
    assert all((value == 0).all() for key, value in neck.state_dict().items() if key.endswith('bias'))


def test_gates_are_shares():
    fused, gates = build('ReleasedGRJCA', gating='hierarchical', num_iters=3)(*batch(), return_gates=True)
    assert fused.shape == (3, L, D_V + D_A)
    assert [g.shape[-1] for g in gates.audio] == [2, 3, 4]
    assert gates.visual_stage.shape == (3, L, 3)
    for shares in (*gates.audio, *gates.visual, gates.audio_stage, gates.visual_stage):
        assert torch.allclose(shares.sum(-1), torch.ones(3, L, dtype=torch.float64))
    _, gates = build('ReleasedGRJCA')(*batch(), return_gates=True)
    assert (gates.audio, gates.visual) == ([], [])
    assert gates.audio_stage.shape == (3, L, 3)


def test_closed_gate_leaves_the_input():
    neck = build('ReleasedGRJCA')
    with torch.no_grad():
        for gate in neck.gate.values():
            gate.weight.zero_()
            gate.bias.copy_(torch.tensor([100.0, 0.0, 0.0]))
    audio, visual = batch()
    X = [torch.nn.functional.normalize(x, dim=-1) for x in (visual, audio)]
    assert torch.allclose(neck(audio, visual), torch.cat(X, -1).relu())


def test_dropout_is_on_the_correlations_and_on_the_update():
    # One channel, one frame, 64 joint channels, every correlation tanh(1 / 8): what is added counts the survivors.
    torch.manual_seed(0)
    X, joint, p = torch.zeros(400, 1, 1), torch.ones(400, 1, 64), 0.5
    ones = torch.ones_like
    added = released_joint_attention(X, joint, ones, ones, lambda H: H.mean(-1, keepdim=True), p).ravel()
    assert (added == 0).float().mean().item() == pytest.approx(p, abs=0.1)
    one = np.tanh(np.tanh(1 / 8) / (1 - p)) / 64 / (1 - p)
    survivors = added[added > 0] / one
    assert torch.allclose(survivors, survivors.round(), atol=1e-3)
    assert survivors.mean().item() == pytest.approx(64 * (1 - p), abs=2)
    assert len(survivors.round().unique()) > 5


def test_features_of_every_iteration():
    attention = ReleasedJointAttention((D_V, D_A, D_T), L, num_iters=3).double()
    features = batch(D_V, D_A, D_T)
    iterations = attention(features)
    assert [[tuple(x.shape[1:]) for x in one] for one in iterations] == [[(L, D_V), (L, D_A), (L, D_T)]] * 4
    assert all(torch.equal(x, y) for x, y in zip(iterations[0], features, strict=True))


def test_wrong_streams():
    audio, visual = batch()
    neck = build('ReleasedRJCMA')
    with pytest.raises(ValueError, match='1 streams, 2 masks; expected 2 of each'):
        neck(visual)
    with pytest.raises(ValueError, match=r'expected \[\(3, 5, 6\), \(3, 5, 4\)\]'):
        neck(audio, visual)
