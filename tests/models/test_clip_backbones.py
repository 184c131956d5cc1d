"""Clip backbones against torchvision and against a NumPy evaluation of the published architecture."""

import numpy as np
import pytest
import torch
from torchvision.models import video

from mmaffect.errors import ConfigError
from mmaffect.registry import MODELS

SMALL = {
    'R2Plus1D': dict(type='R2Plus1D', channels=[8, 8, 12, 12], units=[1, 1, 1, 2]),
    'I3D': dict(type='I3D', width=1 / 16),
    'ClipTCN': dict(
        type='ClipTCN',
        backbone=dict(type='I3D', width=1 / 16, time_stride=1, time_window=2, pool_time=False),
        temporal=dict(type='TemporalConvNet', in_channels=64, channels=[6, 5], dropout=0.0),
    ),
}

# Inception-v1 of Szegedy et al., 2015, table 1: name, input, 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool proj.
INCEPTION = [
    ('Mixed_3b', 192, 64, 96, 128, 16, 32, 32),
    ('Mixed_3c', 256, 128, 128, 192, 32, 96, 64),
    ('Mixed_4b', 480, 192, 96, 208, 16, 48, 64),
    ('Mixed_4c', 512, 160, 112, 224, 24, 64, 64),
    ('Mixed_4d', 512, 128, 128, 256, 24, 64, 64),
    ('Mixed_4e', 512, 112, 144, 288, 32, 64, 64),
    ('Mixed_4f', 528, 256, 160, 320, 32, 128, 128),
    ('Mixed_5b', 832, 256, 160, 320, 32, 128, 128),
    ('Mixed_5c', 832, 384, 192, 384, 48, 128, 128),
]


def build(name, **arguments):
    torch.manual_seed(7)
    return MODELS.build({**SMALL[name], **arguments})


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def randomize_norms(net):
    """Statistics and scales unlike those of a fresh BatchNorm, which eval would hardly show."""
    generator = torch.Generator().manual_seed(1)
    for module in net.modules():
        if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)):
            for tensor in (module.weight, module.running_var):
                tensor.data = 0.5 + torch.rand(tensor.shape, generator=generator)
            for tensor in (module.bias, module.running_mean):
                tensor.data = 0.3 * torch.randn(tensor.shape, generator=generator)


@pytest.mark.parametrize('in_channels', [3, 4])
def test_r2plus1d_is_torchvisions(in_channels):
    reference = video.r2plus1d_18()
    if in_channels == 4:
        reference.stem[0] = torch.nn.Conv3d(4, 45, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False)
    randomize_norms(reference)
    reference.fc = torch.nn.Identity()
    net = MODELS.build(dict(type='R2Plus1D', in_channels=in_channels))
    net.load_state_dict(reference.state_dict(), strict=True)
    assert list(net.state_dict()) == list(reference.state_dict())
    clips = torch.randn(2, in_channels, 8, 32, 32, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        ours, theirs = net.eval()(clips), reference.eval()(clips)
    assert ours.shape == (2, net.out_channels) == (2, 512)
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def test_r2plus1d_34_has_the_parameters_of_3d_convolutions():
    """(2+1)D blocks were sized to have as many parameters as the 3x3x3 convolutions that they replace (section 3.5)."""
    with torch.device('meta'):
        net = MODELS.build(dict(type='R2Plus1D', depth=34))
    stages = [(64, 64, 3), (64, 128, 4), (128, 256, 6), (256, 512, 3)]
    full = sum(27 * (before * after + (2 * units - 1) * after**2) for before, after, units in stages)
    pairs = [m for name, m in net.named_modules() if type(m).__name__ == 'Conv2Plus1D']
    convolutions = sum(p.numel() for pair in pairs for p in pair.parameters() if p.ndim == 5)
    assert len(pairs) == 2 * (3 + 4 + 6 + 3)
    assert convolutions == pytest.approx(full, rel=0.03)


def test_i3d_parameters_of_the_published_table():
    def unit(before, after, taps):
        return before * after * taps + 2 * after

    total = unit(3, 64, 7**3) + unit(64, 64, 1) + unit(64, 192, 27)
    for _, before, b0, b1a, b1b, b2a, b2b, b3b in INCEPTION:
        total += sum(unit(before, after, 1) for after in (b0, b1a, b2a, b3b))
        total += unit(b1a, b1b, 27) + unit(b2a, b2b, 27)
    with torch.device('meta'):
        net = MODELS.build(dict(type='I3D'))
    # With the 400 classes of Kinetics: 12,697,264.
    assert total == 12_697_264 - (1024 * 400 + 400)
    assert count(net) == total
    assert net.out_channels == 1024
    shapes = {key: tuple(value.shape) for key, value in net.state_dict().items()}
    assert shapes['Conv3d_1a_7x7.conv3d.weight'] == (64, 3, 7, 7, 7)
    assert shapes['Conv3d_2c_3x3.bn.running_var'] == (192,)
    for name, before, b0, b1a, b1b, b2a, b2b, b3b in INCEPTION:
        assert shapes[f'{name}.b0.conv3d.weight'] == (b0, before, 1, 1, 1)
        assert shapes[f'{name}.b1a.conv3d.weight'] == (b1a, before, 1, 1, 1)
        assert shapes[f'{name}.b1b.conv3d.weight'] == (b1b, b1a, 3, 3, 3)
        assert shapes[f'{name}.b2b.conv3d.weight'] == (b2b, b2a, 3, 3, 3)
        assert shapes[f'{name}.b3b.conv3d.weight'] == (b3b, before, 1, 1, 1)


def windows(x, kernel, stride, fill):
    """Every tap of a convolution with TensorFlow's SAME padding, as its documentation states it."""
    pads = [(0, 0)]
    for size, k, s in zip(x.shape[1:], kernel, stride, strict=True):
        total = max(k - s, 0) if size % s == 0 else max(k - size % s, 0)
        pads.append((total // 2, total - total // 2))
    x_pad = np.pad(x, pads, constant_values=fill)
    T, H, W = (-(-size // s) for size, s in zip(x.shape[1:], stride, strict=True))
    for t, h, w in np.ndindex(*kernel):
        block = x_pad[:, t :: stride[0], h :: stride[1], w :: stride[2]]
        yield (t, h, w), block[:, :T, :H, :W]


class NumpyI3D:
    """The paper's figure 3 in NumPy, of a state dict."""

    def __init__(self, state, time_stride):
        self.state = {key: value.numpy() for key, value in state.items()}
        self.s = time_stride

    def unit(self, x, name, stride=(1, 1, 1)):
        weight = self.state[f'{name}.conv3d.weight']
        y = sum(
            np.einsum('oc,cthw->othw', weight[:, :, t, h, w], block)
            for (t, h, w), block in windows(x, weight.shape[2:], stride, 0)
        )
        gamma, beta, mean, var = (
            self.state[f'{name}.bn.{key}'][:, None, None, None]
            for key in ('weight', 'bias', 'running_mean', 'running_var')
        )
        return np.maximum((y - mean) / np.sqrt(var + 1e-3) * gamma + beta, 0)

    @staticmethod
    def pool(x, kernel, stride):
        return np.max([block for _, block in windows(x, kernel, stride, -np.inf)], axis=0)

    def mixed(self, x, name):
        b1 = self.unit(self.unit(x, f'{name}.b1a'), f'{name}.b1b')
        b2 = self.unit(self.unit(x, f'{name}.b2a'), f'{name}.b2b')
        b3 = self.unit(self.pool(x, (3, 3, 3), (1, 1, 1)), f'{name}.b3b')
        return np.concatenate([self.unit(x, f'{name}.b0'), b1, b2, b3])

    def __call__(self, x):
        x = self.unit(x, 'Conv3d_1a_7x7', (self.s, 2, 2))
        x = self.pool(x, (1, 3, 3), (1, 2, 2))
        x = self.unit(self.unit(x, 'Conv3d_2b_1x1'), 'Conv3d_2c_3x3')
        x = self.pool(x, (1, 3, 3), (1, 2, 2))
        x = self.mixed(self.mixed(x, 'Mixed_3b'), 'Mixed_3c')
        x = self.pool(x, (3, 3, 3), (self.s, 2, 2))
        for letter in 'bcdef':
            x = self.mixed(x, f'Mixed_4{letter}')
        x = self.pool(x, (2, 2, 2), (self.s, 2, 2))
        return self.mixed(self.mixed(x, 'Mixed_5b'), 'Mixed_5c').mean((2, 3))


@pytest.mark.parametrize(('time_stride', 'shape'), [(2, (8, 64, 64)), (2, (17, 37, 50)), (1, (3, 33, 33))])
def test_i3d_equals_numpy(time_stride, shape):
    net = build('I3D', time_stride=time_stride, pool_time=False).double()
    randomize_norms(net)
    net = net.double().eval()
    clip = torch.randn(1, 3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    ours = net(clip).detach().numpy()[0]
    expected = NumpyI3D(net.state_dict(), time_stride)(clip[0].numpy())
    assert ours.shape == expected.shape == (64, -(-shape[0] // 8) if time_stride == 2 else shape[0])
    assert np.abs(ours - expected).max() <= 1e-12 * max(1, np.abs(expected).max())
    net.pool_time = True
    assert np.allclose(net(clip).detach().numpy()[0], expected.mean(1), atol=1e-12)
    net.pool_time, net.time_window = False, 2
    pairs = (expected[:, 1:] + expected[:, :-1]) / 2 if expected.shape[1] > 1 else expected
    assert np.allclose(net(clip).detach().numpy()[0], pairs, atol=1e-12)


@pytest.mark.parametrize(('side', 'frames', 'steps'), [(112, 8, 1), (224, 8, 1), (112, 32, 4), (112, 1, 1)])
def test_i3d_sizes(side, frames, steps):
    net = build('I3D', pool_time=False).eval()
    with torch.no_grad():
        assert net(torch.zeros(1, 3, frames, side, side)).shape == (1, net.out_channels, steps)


def test_i3d_dropout_only_while_training():
    net = build('I3D', dropout=0.5).eval()
    clip = torch.randn(2, 3, 8, 32, 32)
    y = net(clip)
    assert torch.equal(net(clip), y)
    net.dropout.train()
    dropped = net(clip)
    assert torch.equal(torch.where(dropped == 0, 0, 2 * y), dropped)
    assert not torch.equal(dropped, 2 * y)


def test_clip_tcn_is_the_maximum_over_time():
    net = build('ClipTCN').eval()
    clips = torch.randn(2, 3, 8, 32, 32)
    with torch.no_grad():
        steps = net.temporal(net.backbone(clips).transpose(1, 2)).numpy()
        assert steps.shape == (2, 7, 5)
        assert np.array_equal(net(clips).numpy(), steps.max(1))
    assert net.out_channels == 5


@pytest.mark.parametrize('name', list(SMALL))
def test_shapes_and_gradients(name):
    net = build(name)
    y = net(torch.randn(3, 3, 8, 32, 32, generator=torch.Generator().manual_seed(4)))
    assert y.shape == (3, net.out_channels)
    (y * torch.randn(y.shape, generator=torch.Generator().manual_seed(5))).sum().backward()
    silent = [key for key, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@pytest.mark.parametrize('name', ['R2Plus1D', 'I3D'])
@pytest.mark.parametrize('shape', [(3, 8, 32, 32), (2, 4, 8, 32, 32)])
def test_wrong_clips_are_named(name, shape):
    with pytest.raises(ConfigError) as caught:
        build(name)(torch.zeros(shape))
    assert str(caught.value) == f'{name} got {shape}; expected clips (N, 3, T, S, S)'


def test_wrong_arguments_are_named():
    with pytest.raises(ConfigError, match=r'depth=50; expected one of \[18, 34\]'):
        MODELS.build(dict(type='R2Plus1D', depth=50))
    with pytest.raises(ConfigError, match=r'channels \(4, 4\); expected one for each of 4 stages'):
        MODELS.build(dict(type='R2Plus1D', channels=[4, 4]))
    with pytest.raises(ConfigError, match='time_stride=0'):
        MODELS.build(dict(type='I3D', time_stride=0))
    net = build('ClipTCN', backbone=SMALL['I3D'])
    with pytest.raises(ConfigError, match=r'gives \(1, 64\); expected \(N, C, T\), as of I3D with pool_time=False'):
        net.eval()(torch.zeros(1, 3, 8, 32, 32))
