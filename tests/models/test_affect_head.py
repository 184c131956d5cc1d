"""AffectHead against a NumPy evaluation of its layers."""

import numpy as np
import pytest
import torch

from mmaffect.errors import ConfigError
from mmaffect.registry import MODELS


def build(**arguments):
    torch.manual_seed(0)
    return MODELS.build(dict(type='AffectHead', **{**dict(in_channels=6, dropout=0.0), **arguments})).eval()


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_released_head_has_the_published_size():
    with torch.device('meta'):
        head = MODELS.build(
            dict(type='AffectHead', in_channels=384, hidden=256, targets=('valence',), dropout=0.0, batch_norm=True)
        )
    assert [count(part) for part in (head.fc1, head.norm, head.fc2)] == [98_560, 512, 257]


@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('tanh', [True, False])
@pytest.mark.parametrize(('hidden', 'batch_norm'), [(None, False), (5, False), (5, True)])
def test_equals_numpy(hidden, batch_norm, tanh, training):
    head = build(hidden=hidden, batch_norm=batch_norm, tanh=tanh).double().train(training)
    if batch_norm:
        for value in (head.norm.weight, head.norm.bias, head.norm.running_mean):
            torch.nn.init.normal_(value)
        torch.nn.init.uniform_(head.norm.running_var, 0.5, 3.0)
    w = {key: value.clone().numpy() for key, value in head.state_dict().items()}
    x = torch.randn(2, 4, 6, dtype=torch.float64)
    y = x.numpy()
    if hidden:
        y = y @ w['fc1.weight'].T + w['fc1.bias']
        if batch_norm:
            # While training, over all frames of all windows.
            mean = y.mean(axis=(0, 1)) if training else w['norm.running_mean']
            variance = y.var(axis=(0, 1)) if training else w['norm.running_var']
            y = (y - mean) / np.sqrt(variance + 1e-5) * w['norm.weight'] + w['norm.bias']
        y = np.where(y > 0, y, 0.01 * y)
    y = y @ w['fc2.weight'].T + w['fc2.bias']
    assert np.abs(head(x).detach().numpy() - (np.tanh(y) if tanh else y)).max() <= 1e-9


def test_dropout_is_before_each_linear_layer():
    # Four hidden units that all count the surviving inputs, of which the two outputs show one each.
    head = build(in_channels=8, hidden=4, dropout=0.5, tanh=False)
    with torch.no_grad():
        head.fc1.weight.fill_(1.0)
        head.fc2.weight.copy_(torch.eye(2, 4))
        head.fc1.bias.zero_()
        head.fc2.bias.zero_()
    x = torch.ones(20, 20, 8)
    assert torch.equal(head(x), torch.full((20, 20, 2), 8.0))
    survivors = head.train()(x).flatten(0, 1) / 4
    first, second = survivors.unbind(-1)
    kept = first > 0
    assert kept.float().mean().item() == pytest.approx(0.5, abs=0.1)
    assert first[kept].mean().item() == pytest.approx(4, abs=0.3)
    assert len(first[kept].unique()) > 4
    # A unit is dropped on its own, an input for all units.
    assert (kept & (second == 0)).any()
    both = kept & (second > 0)
    assert torch.equal(first[both], second[both])


def test_dropout_without_a_hidden_layer():
    head = build(in_channels=2, hidden=None, dropout=0.5, tanh=False).train()
    with torch.no_grad():
        head.fc2.weight.copy_(torch.eye(2))
        head.fc2.bias.zero_()
    assert sorted(head(torch.ones(5, 20, 2)).unique().tolist()) == [0, 2]


def test_batch_norm_without_a_hidden_layer():
    with pytest.raises(ValueError, match='batch_norm=True, hidden=None'):
        build(hidden=None, batch_norm=True)


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [({'in_channels': 0}, 'in_channels=0'), ({'hidden': -1}, 'hidden=-1'), ({'dropout': 1.0}, 'dropout=1.0')],
)
def test_sizes_and_dropout_are_checked(arguments, text):
    with pytest.raises(ConfigError, match=f'^AffectHead: {text}'):
        build(**arguments)
