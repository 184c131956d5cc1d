"""ResidualLSTM against an LSTM written in NumPy from its definition."""

import numpy as np
import pytest
import torch

from mmaffect.errors import ConfigError
from mmaffect.registry import MODELS
from tests.models.neck_reference import arrays, residual_lstm

L, C, HIDDEN, OUT = 5, 4, 3, 6


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
    weights = arrays(module)
    assert module.out_channels == OUT
    for b in range(3):
        assert np.abs(y[b] - residual_lstm(x[b].numpy(), weights, num_layers, bidirectional, normalize)).max() <= 1e-9


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
    module = build(dropout=1 - 1e-9, normalize=False, num_layers=1).train()
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
    [
        (dict(hidden=0), 'hidden=0; expected an integer of at least 1'),
        (dict(num_layers=1.5), r'num_layers=1\.5'),
        (dict(in_channels='512'), "in_channels='512'"),
        (dict(dropout=1.0), r'dropout=1\.0; expected 0 <= dropout < 1'),
    ],
)
def test_wrong_arguments(arguments, text):
    with pytest.raises(ConfigError, match=text):
        build(**arguments)
