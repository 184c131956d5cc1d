import numpy as np
import pytest
import torch

from mmaffect.registry import MODELS


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ('config', 'parameters'),
    [
        (dict(type='IResNet', depth=50), 37_283_520),
        (dict(type='VGGish'), 72_141_184),
        (dict(type='VGGish', patch_rows=96), 72_141_184),
        (dict(type='TemporalConvNet', in_channels=512, channels=[512, 512, 256, 256]), 7_018_752),
        (dict(type='TemporalConvNet', in_channels=128, channels=[128] * 4), 657_408),
    ],
)
def test_parameter_counts_of_the_published_sizes(config, parameters):
    with torch.device('meta'):
        assert count(MODELS.build(config)) == parameters


def test_iresnet_gives_unit_vectors():
    net = MODELS.build(dict(type='IResNet', units=[1, 1, 1, 1], channels=[4, 8, 8, 8], out_channels=16)).eval()
    y = net(torch.randn(3, 3, 40, 40))
    assert y.shape == (3, 16)
    assert torch.allclose(y.norm(dim=1), torch.ones(3), atol=1e-5)


def test_iresnet_feature_map_is_5x5_for_40x40():
    net = MODELS.build(dict(type='IResNet', units=[1, 1, 1, 1], channels=[4, 4, 4, 4]))
    x = net.stem(torch.randn(2, 3, 40, 40))
    sides = []
    for stage in net.stages:
        x = stage(x)
        sides.append(x.shape[-1])
    assert sides == [40, 20, 10, 5]


@pytest.mark.parametrize('rows', [96, 107])
def test_vggish_pools_both_patches_to_6x4(rows):
    net = MODELS.build(dict(type='VGGish', channels=[2, 2, 2, 2, 2, 3], hidden=5, out_channels=4, patch_rows=rows))
    x = torch.randn(2, 1, rows, 64)
    assert net.features(x).shape == (2, 3, 6, 4)
    assert net(x).shape == (2, 4)
    # Channel varies fastest in the flattened map, as in the published weights.
    y = net.features(x).detach().numpy().transpose(0, 2, 3, 1).reshape(2, -1)
    for layer in (0, 2, 4):
        y = y @ net.embeddings[layer].weight.detach().numpy().T + net.embeddings[layer].bias.detach().numpy()
        y = y if layer == 4 else np.maximum(y, 0)
    assert np.allclose(net(x).detach().numpy(), y, atol=1e-5)


def test_wrong_sizes_are_named():
    with pytest.raises(ValueError, match='depth=51'):
        MODELS.build(dict(type='IResNet', depth=51))
    net = MODELS.build(dict(type='VGGish', channels=[1] * 6, hidden=2))
    with pytest.raises(ValueError, match=r'\(96, 64\).*expects \(107, 64\)'):
        net(torch.zeros(1, 1, 96, 64))


def tcn_by_hand(net, x):
    """(L, C) through the levels, tap by tap, in NumPy."""

    def conv(x, module, dilation):
        w, b = module.weight.detach().numpy(), module.bias.detach().numpy()
        taps = w.shape[2]
        y = np.tile(b, (len(x), 1)).astype(float)
        for i in range(len(x)):
            for k in range(taps):
                j = i - (taps - 1 - k) * dilation
                if j >= 0:
                    y[i] += w[:, :, k] @ x[j]
        return y

    def leaky(x):
        return np.where(x > 0, x, 0.01 * x)

    for i, level in enumerate(net.levels):
        y = leaky(conv(leaky(conv(x, level.conv1, 2**i)), level.conv2, 2**i))
        shortcut = x if isinstance(level.downsample, torch.nn.Identity) else conv(x, level.downsample, 1)
        x = leaky(y + shortcut)
    return x


def test_tcn_equals_taps_by_hand_and_is_causal():
    torch.manual_seed(0)
    net = MODELS.build(dict(type='TemporalConvNet', in_channels=3, channels=[4, 4, 2])).double().eval()
    x = torch.randn(2, 40, 3, dtype=torch.float64)
    y = net(x).detach().numpy()
    assert np.abs(y[1] - tcn_by_hand(net, x[1].numpy())).max() < 1e-12
    later = x.clone()
    later[:, 25:] += 1
    assert np.array_equal(net(later).detach().numpy()[:, :25], y[:, :25])


def test_tcn_receptive_field():
    net = MODELS.build(dict(type='TemporalConvNet', in_channels=2, channels=[2] * 4)).double().eval()
    assert net.receptive_field == 121
    x = torch.randn(1, 200, 2, dtype=torch.float64, requires_grad=True)
    net(x)[0, -1].sum().backward()
    assert (x.grad[0].abs().sum(1) > 0).nonzero()[0].item() == 200 - 121
