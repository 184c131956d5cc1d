"""ResidualLSTM against an LSTM written in NumPy from its definition."""

import numpy as np
import pytest
import torch

from mmaffect.registry import MODELS

L, C, HIDDEN, OUT = 5, 4, 3, 6


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def direction(x, h, c, weights, suffix):
    """Outputs of one layer in one direction over ``x`` in its order."""
    out = []
    for frame in x:
        gates = (
            weights[f'lstm.weight_ih_{suffix}'] @ frame
            + weights[f'lstm.bias_ih_{suffix}']
            + weights[f'lstm.weight_hh_{suffix}'] @ h
            + weights[f'lstm.bias_hh_{suffix}']
        )
        i, f, g, o = np.split(gates, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.array(out)


def reference(x, weights, num_layers, bidirectional, normalize):
    directions = 2 if bidirectional else 1
    hidden, cell = np.split(weights['initial'], 2)
    y = x
    for layer in range(num_layers):
        n = layer * directions
        parts = [direction(y, hidden[n], cell[n], weights, f'l{layer}')]
        if bidirectional:
            backwards = direction(y[::-1], hidden[n + 1], cell[n + 1], weights, f'l{layer}_reverse')
            parts.append(backwards[::-1])
        y = np.concatenate(parts, axis=1)
    y = np.concatenate([x, y], axis=1) @ weights['embedding.weight'].T + weights['embedding.bias']
    return y / np.linalg.norm(y, axis=1, keepdims=True) if normalize else y


def build(**arguments):
    torch.manual_seed(3)
    sizes = dict(in_channels=C, out_channels=OUT, hidden=HIDDEN)
    return MODELS.build(dict(type='ResidualLSTM', **{**sizes, **arguments})).double().eval()


def batch(windows=3):
    return torch.randn(windows, L, C, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize('num_layers', [1, 2])
@pytest.mark.parametrize('bidirectional', [True, False])
@pytest.mark.parametrize('normalize', [True, False])
def test_equals_numpy(num_layers, bidirectional, normalize):
    module = build(num_layers=num_layers, bidirectional=bidirectional, normalize=normalize)
    x = batch()
    y = module(x).detach().numpy()
    weights = {key: value.numpy() for key, value in module.state_dict().items()}
    assert module.out_channels == OUT
    for b in range(3):
        assert np.abs(y[b] - reference(x[b].numpy(), weights, num_layers, bidirectional, normalize)).max() <= 1e-9


def test_parameters_of_the_released_code():
    def count(**sizes):
        return sum(p.numel() for p in MODELS.build(dict(type='ResidualLSTM', **sizes)).parameters())

    def lstm(width):
        return 2 * 4 * 256 * (width + 256 + 2)

    stream = lstm(512) + lstm(512) + 8 * 256 + 1024 * 512 + 512
    joint = lstm(1024) + lstm(512) + 8 * 256 + 1536 * 512 + 512
    assert count(in_channels=512, out_channels=512, hidden=256) == stream
    assert count(in_channels=1024, out_channels=512, hidden=256, dropout=0.0) == joint


def test_initial_states_are_learned_and_xavier():
    module = build()
    bound = (6 / (8 + HIDDEN)) ** 0.5
    assert module.initial.shape == (8, HIDDEN)
    assert 0 < module.initial.abs().max() <= bound
    module(batch()).sum().backward()
    assert (module.initial.grad != 0).all()


def test_gradcheck():
    module = build(num_layers=1)
    inputs = (batch(2).requires_grad_(), *module.parameters())
    assert torch.autograd.gradcheck(lambda x, *_: module(x), inputs, atol=1e-6)


def test_dropout_only_while_training():
    module, x = build(dropout=0.5), batch()
    assert torch.equal(module(x), module(x))
    module.train()
    assert not torch.equal(module(x), module(x))
    # Input and output dropped before they are mapped: the bias is left.
    module = build(dropout=1.0, normalize=False, num_layers=1).train()
    assert torch.allclose(module(x), module.embedding.bias.expand(3, L, OUT))


def test_one_direction_sees_no_later_frame():
    x = batch()
    later = x.clone()
    later[:, 3:] += 1
    module = build(bidirectional=False)
    assert torch.allclose(module(x)[:, :3], module(later)[:, :3])
    module = build()
    assert not torch.allclose(module(x)[:, :3], module(later)[:, :3])


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [(dict(hidden=0), 'hidden=0'), (dict(num_layers=0), 'num_layers=0'), (dict(dropout=2.0), r'dropout=2\.0')],
)
def test_wrong_arguments(arguments, text):
    with pytest.raises(ValueError, match=text):
        build(**arguments)
