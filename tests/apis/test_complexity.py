"""Counts against arithmetic on paper, the figures that torchvision states and the graph that autograd builds."""

import pytest
import torch
from mmengine.config import Config
from torch import nn
from torchvision.models import video

from mmaffect.apis import get_complexity
from mmaffect.apis.complexity import dummy_inputs, saved_bytes
from mmaffect.apis.zoo import config_path
from mmaffect.engine.running import load_config
from mmaffect.errors import ConfigError
from mmaffect.registry import MODELS


def complexity(name, **options):
    return get_complexity(load_config(config_path(name), options=options))


def ir50_macs(side):
    """Multiplications of IR-50 for one crop, from its table of layers."""
    macs, width = 3 * 64 * 9 * side**2, 64
    for units, channels, stride in ((3, 64, 1), (4, 128, 2), (14, 256, 2), (3, 512, 2)):
        for unit in range(units):
            step = stride if unit == 0 else 1
            out = side // step
            macs += width * channels * 9 * side**2 + channels * channels * 9 * out**2
            macs += width * channels * out**2 if width != channels else 0
            width, side = channels, out
    return macs + 512 * side**2 * 512


def vggish_macs(rows, bands=64):
    """Multiplications of the convolutions and of the linear layers of VGGish for one patch."""
    macs, width = 0, 1
    for channels, pool in ((64, 1), (128, 1), (256, 0), (256, 1), (512, 0), (512, 1)):
        macs += width * channels * 9 * rows * bands
        width, rows, bands = channels, rows >> pool, bands >> pool
    return macs, 512 * rows * bands * 4096 + 4096 * 4096 + 4096 * 128


def test_backbones_of_the_released_model():
    found = complexity('grjca_released_affwild2')
    assert ir50_macs(40) == pytest.approx(3.03e9, rel=0.002)
    convolutions, linear = vggish_macs(96)
    assert (convolutions, linear) == (pytest.approx(0.80e9, rel=0.01), pytest.approx(0.07e9, rel=0.05))
    assert found.frames == 300
    assert found.parts['visual.backbone'] == (37_283_520, 2 * 300 * ir50_macs(40))
    assert found.parts['audio.backbone'] == (72_141_184, 2 * 300 * (convolutions + linear))
    assert found.parts['visual.temporal'].parameters == 7_018_752
    assert found.parts['audio.temporal'].parameters == 657_408
    assert found.parts['neck'].parameters == 1_117_168 + 1_158
    assert found.parts['head'].parameters == 98_560 + 512 + 257


def test_clip_backbone_against_torchvision():
    stated = video.R2Plus1D_18_Weights.KINETICS400_V1.meta
    found = complexity('visual_r2plus1d_affwild2', **{'val_dataloader.dataset.clip_frames': 16})
    # Without its classifier of 400 classes.
    assert found.parts['visual.backbone'].parameters == stated['num_params'] - 513 * 400
    assert found.parts['visual.backbone'].flops / found.frames == pytest.approx(2e9 * stated['_ops'], rel=1e-3)


def test_lstm_is_counted():
    plain, lstm = complexity('rjca_affwild2'), complexity('rjca_lstm_affwild2')
    frames, hidden = 16, 256
    # Two layers, two directions, four gates; the second layer reads both directions of the first.
    macs = frames * 2 * 4 * hidden * ((512 + hidden) + (2 * hidden + hidden)) + frames * (512 + 512) * 512
    assert lstm.parts['audio.temporal'].flops == 2 * macs
    assert 'audio.temporal' not in plain.parts


def test_parts_add_up():
    found = complexity('grjca_demo')
    assert found.total.parameters == sum(cost.parameters for cost in found.parts.values())
    assert found.total.flops == sum(cost.flops for cost in found.parts.values())
    assert list(found.parts)[-2:] == ['neck', 'head']


def test_a_longer_window_costs_more():
    option = 'val_dataloader.dataset.window'
    one, two = (complexity('visual_demo', **{option: frames}) for frames in (50, 100))
    assert two.parts['visual.backbone'].flops == 2 * one.parts['visual.backbone'].flops
    assert two.total.parameters == one.total.parameters


def test_features_and_waveforms():
    cfg = load_config(config_path('audio_demo'))
    cfg.model.audio = dict(type='Stream', in_channels=64, batch_norm=True)
    found = get_complexity(cfg)
    assert list(found.parts) == ['audio.norm', 'head']
    sizes = dict(
        encoder_embed_dim=16, encoder_num_layers=1, encoder_num_heads=2, encoder_ff_interm_features=16,
        extractor_conv_layer_config=[(8, 10, 5), (8, 64, 64)],
    )  # fmt: skip
    cfg.model.audio = dict(
        type='WaveformStream',
        backbone=dict(type='TorchaudioBackbone', bundle='WAV2VEC2_BASE', sizes=sizes),
        temporal=dict(type='TemporalConvNet', in_channels=16, channels=[64]),
    )
    cfg.val_dataloader.dataset.waveform = True
    found = get_complexity(cfg)
    samples = round((found.frames / 25 + 1) * 16000)
    first = (samples - 10) // 5 + 1
    assert found.parts['audio.backbone'].flops > 2 * (first * 8 * 10 + (first - 64) // 64 * 8 * 8 * 64)


def test_table_and_numbers_say_the_same():
    found = complexity('visual_demo')
    *_, row, last = (line.split() for line in found.as_table().splitlines())
    numbers = found.as_dict()
    assert float(last[-4].replace(',', '')) == pytest.approx(numbers['activation_bytes_per_window'] / 2**30, abs=5e-4)
    assert row[:2] == ['all', f'{numbers["parameters"]:,}']
    assert float(row[3].replace(',', '')) == pytest.approx(numbers['flops_per_frame'] / 1e6, abs=1e-3)


def test_without_a_data_loader():
    cfg = load_config(config_path('visual_demo'))
    cfg.train_dataloader = cfg.val_dataloader = cfg.test_dataloader = None
    with pytest.raises(ConfigError, match='no data loader'):
        get_complexity(cfg)
    cfg.val_dataloader = dict(batch_size=1)
    with pytest.raises(ConfigError, match='no data loader'):
        get_complexity(cfg)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'model.neck.seq_len': 'abc'}, 'GRJCA'),
        ({'model.neck.seq_len': 7}, 'expected .B, 7, 64.'),
        ({'model.head.in_channels': 7}, 'channels'),
        ({'val_dataloader.dataset.window': 'abc'}, 'grjca_demo.py: the model does not take windows of its data'),
    ],
)
def test_values_that_do_not_fit(changes, message):
    cfg = load_config(config_path('grjca_demo'))
    cfg.merge_from_dict(changes)
    with pytest.raises(ConfigError, match=message):
        get_complexity(cfg)


def test_without_a_model():
    with pytest.raises(ConfigError, match='has no model'):
        get_complexity(Config(dict(val_dataloader=dict(dataset=dict(window=8)))))


def on_meta(*layers):
    with torch.device('meta'):
        return nn.Sequential(*layers)


def test_what_two_convolutions_keep():
    inputs, hidden = 2 * 3 * 10 * 10 * 4, 2 * 8 * 10 * 10 * 4
    x = torch.empty(2, 3, 10, 10, device='meta')
    first, second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 5, 3, padding=1)
    # Each convolution keeps its input; the ReLU keeps its output, which is the input of the second.
    assert saved_bytes(on_meta(first, nn.ReLU(), second).to('meta'), x) == inputs + hidden
    # GELU keeps its input too.
    assert saved_bytes(on_meta(first, nn.GELU(), second).to('meta'), x) == inputs + 2 * hidden
    # BatchNorm keeps its input, the means and the deviations, and not its own buffers.
    norm = nn.BatchNorm2d(8)
    assert saved_bytes(on_meta(first, norm, nn.ReLU(), second).to('meta'), x) == inputs + 2 * hidden + 2 * 8 * 4


def kept_by_graph(output, own):
    """Bytes of the tensors that the nodes of a graph hold, without those of a model."""
    found, seen, stack = {}, set(), [output.grad_fn]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        stack += [following for following, _ in node.next_functions]
        for name in dir(node):
            if name.startswith('_saved_'):
                value = getattr(node, name)
                for tensor in value if isinstance(value, (list, tuple)) else [value]:
                    if isinstance(tensor, torch.Tensor) and tensor.untyped_storage().data_ptr() not in own:
                        found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
    return sum(found.values())


def test_what_a_whole_model_keeps():
    cfg = load_config(config_path('grjca_demo'))
    model = MODELS.build(cfg.model).train()
    inputs = {
        name: torch.rand(one.shape) if one.is_floating_point() else torch.ones_like(one, device='cpu')
        for name, one in dummy_inputs(cfg).items()
    }
    own = {one.untyped_storage().data_ptr() for one in (*model.parameters(), *model.buffers())}
    kept = kept_by_graph(model(inputs), own)
    assert kept > 1e6
    assert get_complexity(cfg).activations == pytest.approx(kept, rel=0.01)


def test_frozen_layers_and_dropped_layers_count():
    layers = [nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)]
    x = torch.empty(5, 4, device='meta')
    expected = saved_bytes(on_meta(*layers).to('meta'), x)
    frozen = on_meta(*layers).to('meta').eval().requires_grad_(False)
    with torch.no_grad():
        assert saved_bytes(frozen, x) == expected == 2 * 5 * 4 * 4

    class Dropping(nn.Module):
        layer_drop = 1.0

        def forward(self, x):
            return x * x if torch.rand(1).item() > self.layer_drop else x

    assert saved_bytes(Dropping(), x.clone().requires_grad_()) == 5 * 4 * 4
