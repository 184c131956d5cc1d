import pytest
import torch
import torch.nn.functional as F
from torchvision import models

from mmaffect.conversion import i3d, ir50, torchvision, vggish
from mmaffect.errors import CheckpointError
from mmaffect.registry import MODELS
from tests.conversion import source_states as sources


def load(conversion, config):
    """Our model with the converted weights, which must be all of it."""
    with torch.device('meta'):
        model = MODELS.build(config)
    model.load_state_dict(conversion.state_dict, strict=True, assign=True)
    return model.eval()


def check_round_trip(conversion, state):
    """Every tensor of the source arrived exactly once, unchanged, or is on the list."""
    used = list(conversion.origin.values())
    assert len(used) == len(set(used))
    assert set(used).isdisjoint(conversion.dropped)
    assert set(used) | set(conversion.dropped) == set(state)
    for key, name in conversion.origin.items():
        assert conversion.state_dict[key].shape == state[name].shape
        if not state[name].is_meta:
            assert torch.equal(conversion.state_dict[key], state[name])
            assert conversion.state_dict[key].data_ptr() != state[name].data_ptr()


def ir_forward(state, x):
    """face.evoLVe's network, from its own names."""

    def norm(x, name):
        mean, var, w, b = (state[f'{name}.{part}'] for part in ('running_mean', 'running_var', 'weight', 'bias'))
        return F.batch_norm(x, mean, var, w, b)

    x = F.prelu(
        norm(F.conv2d(x, state['input_layer.0.weight'], padding=1), 'input_layer.1'), state['input_layer.2.weight']
    )
    for i in range(24):
        name = f'body.{i}'
        stride = 2 if i in (3, 7, 21) else 1
        y = F.conv2d(norm(x, f'{name}.res_layer.0'), state[f'{name}.res_layer.1.weight'], padding=1)
        y = F.conv2d(
            F.prelu(y, state[f'{name}.res_layer.2.weight']), state[f'{name}.res_layer.3.weight'], None, stride, 1
        )
        if f'{name}.shortcut_layer.0.weight' in state:
            x = norm(F.conv2d(x, state[f'{name}.shortcut_layer.0.weight'], stride=stride), f'{name}.shortcut_layer.1')
        x = x + norm(y, f'{name}.res_layer.4')
    x = norm(x, 'output_layer.0').flatten(1)
    x = norm(F.linear(x, state['output_layer.3.weight'], state['output_layer.3.bias']), 'output_layer.4')
    return x / x.norm(dim=1, keepdim=True)


def test_lfan_ir50():
    inner = sources.filled(sources.ir50(5), scale=0.02)
    state = {f'backbone.{key}': value for key, value in inner.items()}
    state |= sources.filled(sources.linear('logits', 512, 8))
    conversion = ir50.convert_lfan(state)
    check_round_trip(conversion, state)
    assert conversion.dropped == ['logits.weight', 'logits.bias']
    assert conversion.absent == conversion.notes == []
    x = torch.randn(2, 3, 40, 40)
    with torch.no_grad():
        ours = load(conversion, dict(type='IResNet', depth=50))(x)
    assert torch.allclose(ours, ir_forward(inner, x), atol=1e-5)


def test_face_evolve_ir50():
    state = sources.on_meta(sources.ir50(7))
    conversion = ir50.convert_face_evolve(state)
    check_round_trip(conversion, state)
    outputs = [key for key in state if key.startswith('output_layer.')]
    assert conversion.dropped == outputs
    assert len(conversion.absent) == len(outputs) == 12
    assert all(key.startswith('output.') for key in conversion.absent)
    assert conversion.origin['stages.2.13.residual.3.weight'] == 'body.20.res_layer.3.weight'
    with torch.device('meta'):
        model = MODELS.build(dict(type='IResNet', depth=50))
    assert set(model.state_dict()) == set(conversion.state_dict) | set(conversion.absent)


def test_vggish():
    state = sources.filled(sources.vggish(), scale=0.02)
    conversion = vggish.convert(state)
    check_round_trip(conversion, state)
    assert conversion.dropped == []
    model = load(conversion, dict(type='VGGish', patch_rows=96))
    x = torch.randn(2, 1, 96, 64)
    y = x
    for i in sources.VGGISH_CONVS:
        y = F.relu(F.conv2d(y, state[f'features.{i}.weight'], state[f'features.{i}.bias'], padding=1))
        y = F.max_pool2d(y, 2) if i in (0, 3, 8, 13) else y
    y = y.transpose(1, 3).transpose(1, 2).reshape(2, -1)
    for i in (0, 2, 4):
        y = F.linear(y, state[f'embeddings.{i}.weight'], state[f'embeddings.{i}.bias'])
        y = F.relu(y) if i < 4 else y
    assert y.std() > 0
    with torch.no_grad():
        assert torch.allclose(model(x), y, rtol=1e-4, atol=1e-6)


def test_i3d():
    # The file of 2018 has no counters in its BatchNorms.
    shapes = {key: shape for key, shape in sources.i3d().items() if not key.endswith('num_batches_tracked')}
    state = sources.filled(shapes)
    conversion = i3d.convert(state)
    check_round_trip(conversion, state)
    assert conversion.dropped == ['logits.conv3d.weight', 'logits.conv3d.bias']
    assert conversion.notes == ['57 num_batches_tracked set to 0']
    model = load(conversion, dict(type='I3D'))
    assert sum(parameter.numel() for parameter in model.parameters()) == 12_287_264
    with torch.no_grad():
        x = torch.randn(1, 3, 8, 32, 32)
        stem = F.conv3d(F.pad(x, (2, 3, 2, 3, 2, 3)), state['Conv3d_1a_7x7.conv3d.weight'], stride=2)
        parts = (state[f'Conv3d_1a_7x7.bn.{part}'] for part in ('running_mean', 'running_var', 'weight', 'bias'))
        stem = F.relu(F.batch_norm(stem, *parts, eps=1e-3))
        assert torch.allclose(model.get_submodule('Conv3d_1a_7x7')(x), stem, atol=1e-5)
        assert model(x).shape == (1, 1024)


def test_torchvision_r2plus1d():
    theirs = models.video.r2plus1d_18(weights=None).eval()
    state = {
        key: value.normal_(0, 0.05).abs_() if 'running' in key else value for key, value in theirs.state_dict().items()
    }
    conversion = torchvision.convert_r2plus1d(state)
    check_round_trip(conversion, state)
    assert conversion.dropped == ['fc.weight', 'fc.bias']
    theirs.fc = torch.nn.Identity()
    x = torch.randn(2, 3, 4, 32, 32)
    with torch.no_grad():
        ours, expected = load(conversion, dict(type='R2Plus1D'))(x), theirs(x)
    assert torch.allclose(ours, expected, rtol=1e-4, atol=1e-4 * expected.abs().max())


def test_torchvision_resnet18():
    theirs = models.resnet18(weights=None).eval()
    state = theirs.state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == sources.resnet18()
    conversion = torchvision.convert_resnet18(state)
    assert conversion.dropped == ['fc.weight', 'fc.bias']
    assert conversion.notes == ['conv1.weight: the sum of its 3 channels']
    assert set(conversion.origin.values()) | set(conversion.dropped) == set(state)
    theirs.fc = torch.nn.Identity()
    x = torch.randn(2, 1, 100, 64)
    with torch.no_grad():
        ours, expected = load(conversion, dict(type='AudioResNet'))(x), theirs(x.transpose(2, 3).expand(-1, 3, -1, -1))
    assert torch.allclose(ours, expected, rtol=1e-4, atol=1e-5)


CONVERTERS = {
    'face.evoLVe IR-50': (ir50.convert_face_evolve, lambda: sources.ir50(7)),
    'torchvggish VGGish': (vggish.convert, sources.vggish),
    'I3D (rgb)': (i3d.convert, sources.i3d),
    'torchvision ResNet-18': (torchvision.convert_resnet18, sources.resnet18),
}


@pytest.mark.parametrize('name', CONVERTERS)
def test_other_weights_are_refused(name):
    convert, shapes = CONVERTERS[name]
    state = sources.on_meta(shapes())
    key = next(
        key
        for key in state
        if key.endswith('.weight') and key.startswith(('body.5', 'features.6', 'Mixed_4c', 'layer3'))
    )
    short = {other: value for other, value in state.items() if other != key}
    with pytest.raises(
        CheckpointError, match=rf'^not {name.replace("(", ".").replace(")", ".")}; weights: 1 missing \({key}\)$'
    ):
        convert(short)
    with pytest.raises(CheckpointError, match=r'1 unexpected \(body\.5\.extra\.weight\)$'):
        convert(state | {'body.5.extra.weight': state[key]})
    wrong = torch.empty(*state[key].shape[:-1], 2, device='meta')
    with pytest.raises(CheckpointError, match=rf'1 of another shape \({key} is \(.*2,?\), expected \('):
        convert(state | {key: wrong})
    with pytest.raises(CheckpointError, match=f'{key} is torch.int64, expected torch.float32'):
        convert(state | {key: state[key].long()})
    assert convert(state).state_dict


def test_ir50_of_another_size_is_not_face_evolves():
    with pytest.raises(CheckpointError, match=r'output_layer\.3\.weight is \(512, 12800\), expected \(512, 25088\)'):
        ir50.convert_face_evolve(sources.on_meta(sources.ir50(5)))
    squeezed = sources.ir50(7) | {'body.0.res_layer.5.fc1.weight': (4, 64, 1, 1)}
    with pytest.raises(CheckpointError, match=r'1 unexpected \(body\.0\.res_layer\.5\.fc1\.weight\)'):
        ir50.convert_face_evolve(sources.on_meta(squeezed))
