"""AudioResNet against torchvision's ResNet with one input channel."""

import pytest
import torch
from torchvision import models

from mmaffect.errors import ConfigError
from mmaffect.registry import MODELS


@pytest.mark.parametrize('depth', [18, 34])
def test_is_torchvisions(depth):
    torch.manual_seed(0)
    reference = getattr(models, f'resnet{depth}')()
    reference.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    reference.fc = torch.nn.Identity()
    for module in reference.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.3)
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 1.5)
    net = MODELS.build(dict(type='AudioResNet', depth=depth))
    net.load_state_dict(reference.state_dict(), strict=True)
    assert list(net.state_dict()) == list(reference.state_dict())
    patches = torch.randn(2, 1, 101, 64)
    with torch.no_grad():
        # Kuhnke et al. have bands before times.
        ours, theirs = net.eval()(patches), reference.eval()(patches.permute(0, 1, 3, 2))
        unturned = MODELS.build(dict(type='AudioResNet', depth=depth, bands_first=False)).eval()
        unturned.load_state_dict(net.state_dict())
        as_it_is = reference(patches)
        assert (unturned(patches) - as_it_is).abs().max() <= 1e-5 * as_it_is.abs().max()
    assert ours.shape == (2, net.out_channels) == (2, 512)
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()
    assert not torch.allclose(theirs, as_it_is, rtol=1e-2)


@pytest.mark.parametrize('rows', [1, 104, 1001])
def test_small_network_gives_gradients_to_all(rows):
    torch.manual_seed(1)
    net = MODELS.build(dict(type='AudioResNet', channels=[4, 4, 6, 8], units=[1, 1, 1, 1]))
    y = net(torch.randn(2, 1, rows, 64))
    assert y.shape == (2, 8)
    (y * torch.randn(y.shape)).sum().backward()
    assert [key for key, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_wrong_arguments_and_shapes_are_named():
    with pytest.raises(ConfigError, match='depth=50'):
        MODELS.build(dict(type='AudioResNet', depth=50))
    with pytest.raises(ConfigError, match=r'units \(1, 1\)'):
        MODELS.build(dict(type='AudioResNet', units=[1, 1]))
    net = MODELS.build(dict(type='AudioResNet', channels=[2] * 4, units=[1] * 4))
    for shape in [(2, 3, 96, 64), (2, 96, 64)]:
        with pytest.raises(ConfigError) as caught:
            net(torch.zeros(shape))
        assert str(caught.value) == f'AudioResNet got {shape}; expected log-mel patches (N, 1, P, n_mels)'
