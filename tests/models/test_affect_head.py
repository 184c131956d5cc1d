import numpy as np
import pytest
import torch

from mmaffect.registry import MODELS


def build(**arguments):
    torch.manual_seed(0)
    return MODELS.build(dict(type='AffectHead', in_channels=6, dropout=0.0, **arguments)).eval()


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_released_head_has_the_published_size():
    with torch.device('meta'):
        head = MODELS.build(
            dict(type='AffectHead', in_channels=384, hidden=256, targets=('valence',), dropout=0.0, batch_norm=True)
        )
    assert [count(part) for part in (head.fc1, head.norm, head.fc2)] == [98_560, 512, 257]


@pytest.mark.parametrize('tanh', [True, False])
@pytest.mark.parametrize('hidden', [None, 5])
def test_layers_by_hand(hidden, tanh):
    head = build(hidden=hidden, tanh=tanh)
    x = torch.randn(2, 4, 6)
    w = {key: value.numpy() for key, value in head.state_dict().items()}
    y = x.numpy()
    if hidden:
        y = y @ w['fc1.weight'].T + w['fc1.bias']
        y = np.where(y > 0, y, 0.01 * y)
    y = y @ w['fc2.weight'].T + w['fc2.bias']
    assert np.allclose(head(x).detach().numpy(), np.tanh(y) if tanh else y, atol=1e-6)


def test_batch_norm_without_a_hidden_layer():
    with pytest.raises(ValueError, match='batch_norm=True, hidden=None'):
        build(hidden=None, batch_norm=True)
