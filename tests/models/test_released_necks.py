"""The released GRJCA and RJCMA against a NumPy evaluation, window by window, that shares no code with them."""

import numpy as np
import pytest
import torch

from mmaffect.models.necks import ReleasedJointAttention
from mmaffect.models.necks.released_joint_attention import released_joint_attention
from mmaffect.registry import MODELS

L, D_A, D_V, D_T = 7, 4, 6, 3


def relu(x):
    return np.where(x > 0, x, 0)


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def unit(x):
    return x / np.sqrt((x**2).sum(axis=1))[:, None]


def block(streams, weights, prefix, query):
    """One iteration of one window: new features of every stream."""
    J = np.concatenate(streams, axis=1)
    d = J.shape[1]
    if query:
        J = np.einsum('lc,ec->le', J, weights[f'{prefix}.query.weight']) + weights[f'{prefix}.query.bias']
    out = []
    for m, X in enumerate(streams):
        w = {
            (part, kind): weights[f'{prefix}.{part}.{m}.{kind}']
            for part in ('keys', 'values', 'updates')
            for kind in ('weight', 'bias')
        }
        K = np.einsum('tl,lc->ct', w['keys', 'weight'], X) + w['keys', 'bias'][None, :]
        V = np.einsum('lc,ec->le', X, w['values', 'weight']) + w['values', 'bias']
        C = np.tanh(np.einsum('cl,le->ce', K, J) / np.sqrt(d))
        H = relu(np.tanh(np.einsum('lc,ce->le', V, C)))
        out.append(X + relu(np.einsum('le,ce->lc', H, w['updates', 'weight']) + w['updates', 'bias']))
    return out


def recursion(streams, weights, num_iters, query):
    X = [streams]
    for t in range(num_iters):
        X.append(block(X[-1], weights, f'attention.layers.{t}', query))
    return X


def mixed(candidates, decider, weights, name, T):
    G = softmax((np.einsum('lc,kc->lk', decider, weights[f'{name}.weight']) + weights[f'{name}.bias']) / T)
    return relu(sum(G[:, [k]] * candidate for k, candidate in enumerate(candidates)))


def gated(X, stream, gating, weights, num_iters, T):
    if gating == 'flat':
        return mixed(X, X[-1], weights, f'gate.{stream}', T)
    G = [mixed(X[: t + 1], X[t], weights, f'gates.{t - 1}.{stream}', T) for t in range(1, num_iters + 1)]
    return mixed(G, X[-1], weights, f'stage_gate.{stream}', T)


def build(name='ReleasedGRJCA', random_biases=True, **arguments):
    torch.manual_seed(3)
    if name == 'ReleasedGRJCA':
        arguments = dict(audio_channels=D_A, visual_channels=D_V, seq_len=L) | arguments
    neck = MODELS.build(dict(type=name, **arguments)).double().eval()
    if random_biases:
        for key, parameter in neck.named_parameters():
            if key.endswith('bias'):
                torch.nn.init.normal_(parameter, std=0.3)
    return neck


def batch(*widths, windows=3):
    generator = torch.Generator().manual_seed(5)
    return [torch.randn(windows, L, d, dtype=torch.float64, generator=generator) for d in widths or (D_A, D_V)]


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize('num_iters', [1, 2, 3])
@pytest.mark.parametrize('normalize', [True, False])
@pytest.mark.parametrize('gating', ['flat', 'hierarchical'])
def test_grjca_equals_numpy(gating, normalize, num_iters):
    neck = build(gating=gating, normalize=normalize, num_iters=num_iters, temperature=0.2)
    audio, visual = batch()
    out = neck(audio, visual).detach().numpy()
    weights = {key: value.numpy() for key, value in neck.state_dict().items()}
    assert neck.out_channels == D_V + D_A
    for b in range(len(out)):
        streams = [visual[b].numpy(), audio[b].numpy()]
        if normalize:
            streams = [unit(x) for x in streams]
        X = recursion(streams, weights, num_iters, query=True)
        expected = [
            gated([x[m] for x in X], name, gating, weights, num_iters, 0.2)
            for m, name in enumerate(('visual', 'audio'))
        ]
        assert np.abs(out[b] - np.concatenate(expected, axis=1)).max() <= 1e-9


@pytest.mark.parametrize('channels', [(D_V,), (D_V, D_A), (D_V, D_A, D_T)])
@pytest.mark.parametrize('normalize', [True, False])
def test_rjcma_equals_numpy(channels, normalize):
    neck = build('ReleasedRJCMA', channels=channels, seq_len=L, normalize=normalize)
    features = batch(*channels)
    out = neck(*features).detach().numpy()
    weights = {key: value.numpy() for key, value in neck.state_dict().items()}
    assert not any('query' in key for key in weights)
    assert neck.out_channels == sum(channels)
    for b in range(len(out)):
        streams = [x[b].numpy() for x in features]
        if normalize:
            streams = [unit(x) for x in streams]
        expected = recursion(streams, weights, 2, query=False)[-1]
        assert np.abs(out[b] - np.concatenate(expected, axis=1)).max() <= 1e-9


@pytest.mark.parametrize('gating', ['flat', 'hierarchical'])
def test_parameters_of_the_released_code(gating):
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
    assert {key: tuple(value.shape) for key, value in build().state_dict().items()} == expected
    hierarchical = build(gating='hierarchical').state_dict()
    gates = {
        key: tuple(value.shape)
        for key, value in hierarchical.items()
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


@pytest.mark.parametrize('gating', ['flat', 'hierarchical'])
def test_gradcheck(gating):
    neck = build(gating=gating)
    inputs = (*(x.requires_grad_() for x in batch(windows=1)), *neck.parameters())
    assert torch.autograd.gradcheck(lambda a, v, *_: neck(a, v), inputs, atol=1e-6)


def test_gates_are_shares():
    fused, gates = build(gating='hierarchical', num_iters=3)(*batch(), return_gates=True)
    assert fused.shape == (3, L, D_V + D_A)
    assert [g.shape[-1] for g in gates.audio] == [2, 3, 4]
    assert gates.visual_stage.shape == (3, L, 3)
    for shares in (*gates.audio, *gates.visual, gates.audio_stage, gates.visual_stage):
        assert torch.allclose(shares.sum(-1), torch.ones(3, L, dtype=torch.float64))
    _, gates = build()(*batch(), return_gates=True)
    assert (gates.audio, gates.visual) == ([], [])
    assert gates.audio_stage.shape == (3, L, 3)


def test_closed_gate_leaves_the_input():
    neck = build()
    with torch.no_grad():
        for gate in neck.gate.values():
            gate.weight.zero_()
            gate.bias.copy_(torch.tensor([100.0, 0.0, 0.0]))
    audio, visual = batch()
    X = [torch.nn.functional.normalize(x, dim=-1) for x in (visual, audio)]
    assert torch.allclose(neck(audio, visual), torch.cat(X, -1).relu())


def test_dropout_only_while_training():
    neck = build(dropout=0.6)
    audio, visual = batch()
    assert torch.equal(neck(audio, visual), neck(audio, visual))
    neck.train()
    assert not torch.equal(neck(audio, visual), neck(audio, visual))


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


def test_masked_frames_have_no_influence():
    audio, visual = batch()
    mask = torch.ones(3, L, dtype=torch.bool)
    mask[:, 5:] = False
    other_audio, other_visual = audio.clone(), visual.clone()
    other_audio[:, 5:], other_visual[:, 5:] = 9.0, -4.0
    neck = build()
    assert torch.equal(neck(audio, visual, mask, mask), neck(other_audio, other_visual, mask, mask))
    assert not torch.allclose(neck(audio, visual), neck(other_audio, other_visual))
    neck = build('ReleasedRJCMA', channels=(D_V, D_A), seq_len=L)
    masks = (None, mask)
    assert torch.equal(neck(visual, audio, masks=masks), neck(visual, other_audio, masks=masks))
    assert not torch.allclose(neck(visual, audio), neck(visual, other_audio))


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (dict(gating='open'), "gating='open'; expected 'flat' or 'hierarchical'"),
        (dict(temperature=0.0), r'temperature=0\.0'),
        (dict(num_iters=0), 'num_iters=0'),
        (dict(dropout=1.5), r'dropout=1\.5'),
        (dict(seq_len=0), 'seq_len=0'),
    ],
)
def test_wrong_arguments(arguments, text):
    with pytest.raises(ValueError, match=text):
        build(**arguments)


def test_features_of_every_iteration():
    attention = ReleasedJointAttention((D_V, D_A, D_T), L, num_iters=3).double()
    features = batch(D_V, D_A, D_T)
    iterations = attention(features)
    assert [[tuple(x.shape[1:]) for x in one] for one in iterations] == [[(L, D_V), (L, D_A), (L, D_T)]] * 4
    assert all(torch.equal(x, y) for x, y in zip(iterations[0], features, strict=True))


def test_wrong_streams():
    audio, visual = batch()
    neck = build('ReleasedRJCMA', channels=(D_V, D_A), seq_len=L)
    with pytest.raises(ValueError, match='1 streams, 2 masks; expected 2 of each'):
        neck(visual)
    with pytest.raises(ValueError, match=r'expected \[\(3, 7, 6\), \(3, 7, 4\)\]'):
        neck(audio, visual)
    for channels in ((), (4, 0)):
        with pytest.raises(ValueError, match='expected one positive width a stream'):
            build('ReleasedRJCMA', channels=channels, seq_len=L)
    with pytest.raises(ValueError, match=r'audio of shape \(3, 5, 4\); expected \(B, 7, 4\)'):
        build()(audio[:, :5], visual[:, :5])
