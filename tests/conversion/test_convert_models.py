from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch import nn
from torchvision import models

from mmaffect.conversion import kuhnke, released_grjca, released_lfan
from mmaffect.engine.checkpoint import check_model
from mmaffect.errors import CheckpointError, ConfigError
from mmaffect.registry import MODELS
from tests.conversion import source_states as sources

# Small sequence networks on the full-size backbones' features.
SMALL = dict(video=(6, 5), logmel=(4, 3))
FRAMES = 12


def model_of(conversion, **parts):
    """Our model with the converted weights, which must be all of it, behind features instead of backbones."""
    with torch.device('meta'):
        model = MODELS.build(dict(type='AffectEstimator', **parts))
    model.load_state_dict(conversion.state_dict, strict=True, assign=True)
    model.visual.backbone = model.audio.backbone = nn.Identity()
    # Buffers outside the state dict have no data yet.
    model.data_preprocessor = None
    return model.double().eval()


def streams(video, logmel):
    def stream(backbone, n_in, widths):
        temporal = dict(type='TemporalConvNet', in_channels=n_in, channels=list(widths))
        return dict(type='Stream', backbone=backbone, temporal=temporal, batch_norm=True)

    return dict(
        visual=stream(dict(type='IResNet', depth=50), 512, video),
        audio=stream(dict(type='VGGish', patch_rows=96), 128, logmel),
    )


def features():
    rng = np.random.default_rng(5)
    return rng.normal(size=(2, FRAMES, 512)), rng.normal(size=(2, FRAMES, 128))


def predict(model, visual, audio, **further):
    inputs = dict(visual=torch.from_numpy(visual), audio=torch.from_numpy(audio), visual_mask=None, audio_mask=None)
    for name, x in further.items():
        inputs |= {name: torch.from_numpy(x), f'{name}_mask': torch.ones(x.shape[:2], dtype=torch.bool)}
    with torch.no_grad():
        return model(inputs).numpy()


class Source:
    """The released networks in NumPy, from their own names."""

    def __init__(self, state):
        self.w = {key: value.numpy() for key, value in state.items() if not value.is_meta}

    def linear(self, name, x):
        return x @ self.w[f'{name}.weight'].T + self.w[f'{name}.bias']

    def norm(self, name, x):
        mean, var, w, b = (self.w[f'{name}.{part}'] for part in ('running_mean', 'running_var', 'weight', 'bias'))
        return (x - mean) / np.sqrt(var + 1e-5) * w + b

    def stream(self, modal, x, levels=2):
        """TCN and BatchNorm, (B, L, C)."""

        def conv(name, x, dilation):
            v, g = self.w[f'{name}.weight_v'], self.w[f'{name}.weight_g']
            weight = g * v / np.sqrt((v**2).sum((1, 2), keepdims=True))
            past = np.concatenate([np.zeros((len(x), 4 * dilation, x.shape[2])), x], axis=1)
            taps = [past[:, k * dilation : k * dilation + x.shape[1]] @ weight[:, :, k].T for k in range(5)]
            return sum(taps) + self.w[f'{name}.bias']

        def leaky(x):
            return np.where(x > 0, x, 0.01 * x)

        for i in range(levels):
            name = f'temporal.{modal}.network.{i}'
            y = leaky(conv(f'{name}.conv2', leaky(conv(f'{name}.conv1', x, 2**i)), 2**i))
            x = leaky(y + x @ self.w[f'{name}.downsample.weight'][:, :, 0].T + self.w[f'{name}.downsample.bias'])
        return self.norm(f'bn.{modal}', x)

    def lfan(self, visual, audio, heads=2, **further):
        given = {'video': visual, 'logmel': audio, **further}
        x = [self.stream(modal, y) for modal, y in given.items()]
        name = 'fusion.layers.self_attn'
        qkv = [self.linear(f'{name}.qkv_proj.{modal}', y) for modal, y in zip(given, x, strict=True)]
        dim = qkv[0].shape[-1] // 3 // heads
        out = np.zeros((*visual.shape[:2], heads, len(x), dim))
        for h in range(heads):
            q, k, v = (
                np.stack([y[..., (3 * h + part) * dim : (3 * h + part + 1) * dim] for y in qkv], axis=-2)
                for part in range(3)
            )
            scores = np.exp(q @ k.swapaxes(-1, -2) / np.sqrt(dim))
            out[:, :, h] = scores / scores.sum(-1, keepdims=True) @ v + v
        y = self.linear(f'{name}.o_proj', out.reshape(*visual.shape[:2], -1))
        y = (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + 1e-5)
        y = y * self.w['fusion.layers.norm1.weight'] + self.w['fusion.layers.norm1.bias']
        return np.tanh(self.linear('regressor', np.concatenate([x[0], y], axis=-1)))

    def grjca(self, visual, audio, fusion, gate):
        x = [self.stream('video', visual), self.stream('logmel', audio)]
        x = [y / np.sqrt((y**2).sum(-1, keepdims=True)) for y in x]
        history = [x]
        for t in range(2):
            layer = f'{fusion}coattn.dcn_layers.{t}'
            joint = self.linear(f'{layer}.dense_coattn.query_linear', np.concatenate(x, axis=-1))
            attended = []
            for m, y in enumerate(x):
                key = self.linear(f'{layer}.dense_coattn.key{m + 1}_linear', y.swapaxes(1, 2))
                c = np.tanh(key @ joint / np.sqrt(joint.shape[-1]))
                h = np.maximum(np.tanh(self.linear(f'{layer}.dense_coattn.value{m + 1}_linear', y) @ c), 0)
                attended.append(y + np.maximum(self.linear(f'{layer}.linears.{m}.0', h), 0))
            x = attended
            history.append(x)
        gated = [gate(self, modal, [step[m] for step in history]) for m, modal in enumerate(('video', 'audio'))]
        y = self.linear('regressor1', np.concatenate(gated, axis=-1))
        y = self.norm('bn1', y)
        return np.tanh(self.linear('regressor2', np.where(y > 0, y, 0.01 * y)))

    def mix(self, name, decides, candidates):
        scores = self.linear(name, decides) / 0.1
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        shares = scores / scores.sum(-1, keepdims=True)
        return np.maximum(sum(x * shares[..., k, None] for k, x in enumerate(candidates)), 0)


def flat(source, modal, x):
    return source.mix(f'fusion.{modal}_gating_fc_layer', x[2], x)


def hierarchical(source, modal, x):
    first = source.mix(f'fusion.{modal}_gating_fc_layer1', x[1], x[:2])
    second = source.mix(f'fusion.{modal}_gating_fc_layer2', x[2], x)
    return source.mix(f'fusion.{modal}_high_level_gating_fc_layer', x[2], [first, second])


def check_round_trip(conversion, state, changed=()):
    used = list(conversion.origin.values())
    assert len(used) == len(set(used))
    assert set(used).isdisjoint(conversion.dropped)
    assert set(state) <= set(used) | set(conversion.dropped)
    for key, name in conversion.origin.items():
        if name not in changed and not state[name].is_meta:
            assert torch.equal(conversion.state_dict[key], state[name])


def test_lfan():
    state = sources.light(sources.lfan(**SMALL, modal_dim=8))
    conversion = released_lfan.convert(state, 'valence')
    check_round_trip(conversion, state)
    assert all('logits' in key or '.net.' in key for key in conversion.dropped)
    model = model_of(
        conversion,
        **streams(**SMALL),
        neck=dict(type='MultiheadLFAN', audio_channels=3, visual_channels=5, encoded=8),
        head=dict(type='AffectHead', in_channels=21, hidden=None, targets=['valence']),
    )
    ours = predict(model, *features())
    assert ours.shape == (2, FRAMES, 1)
    assert ours.std() > 0.01
    assert np.abs(ours - Source(state).lfan(*features())).max() < 1e-9


def test_lfan_with_the_egemaps_of_its_default():
    state = sources.light(sources.lfan(**SMALL, egemaps=(4, 3), modal_dim=8))
    conversion = released_lfan.convert(state, 'arousal')
    check_round_trip(conversion, state)
    temporal = dict(type='TemporalConvNet', in_channels=88, channels=[4, 3])
    model = model_of(
        conversion,
        **streams(**SMALL),
        further=dict(egemaps=dict(type='Stream', in_channels=88, temporal=temporal, batch_norm=True)),
        neck=dict(
            type='MultiheadLFAN', audio_channels=3, visual_channels=5, encoded=8, further_channels=dict(egemaps=3)
        ),
        head=dict(type='AffectHead', in_channels=29, hidden=None, targets=['arousal']),
    )
    third = np.random.default_rng(6).normal(size=(2, FRAMES, 88))
    ours = predict(model, *features(), egemaps=third)
    assert np.abs(ours - Source(state).lfan(*features(), egemaps=third)).max() < 1e-9


GATINGS = {'flat': (sources.FLAT, flat), 'hierarchical': (sources.HIERARCHICAL, hierarchical)}


@pytest.mark.parametrize('gating', GATINGS)
def test_grjca(gating):
    gates, gate = GATINGS[gating]
    state = sources.light(sources.grjca(**SMALL, seq_len=FRAMES, gates=gates, hidden=7))
    conversion = released_grjca.convert(state, 'arousal')
    check_round_trip(conversion, state)
    for part in ('fusion.text_gating_fc_layer.bias', 'fusion.Joint.rnn.bias_hh_l1_reverse', 'bn.bert.running_var'):
        assert part in conversion.dropped
    assert len([note for note in conversion.notes if ' from fusion.' in note]) == len(gates) + 1
    model = model_of(
        conversion,
        **streams(**SMALL),
        neck=dict(type='ReleasedGRJCA', audio_channels=3, visual_channels=5, seq_len=FRAMES, gating=gating),
        head=dict(type='AffectHead', in_channels=8, hidden=7, targets=['arousal'], batch_norm=True),
    )
    ours = predict(model, *features())
    assert ours.std() > 0.001
    assert np.abs(ours - Source(state).grjca(*features(), 'fusion.', gate)).max() < 1e-9


@pytest.mark.parametrize(('gates', 'count'), [(sources.FLAT, 1_158), (sources.HIERARCHICAL, 2_702)])
def test_grjca_of_the_released_size(gates, count):
    shapes = sources.grjca(gates=gates, fusion='')
    conversion = released_grjca.convert(of_released_size(shapes), 'valence')

    def size(*beginnings):
        return sum(value.numel() for key, value in conversion.state_dict.items() if key.startswith(beginnings))

    assert size('neck.attention.') == 1_117_168
    assert size('neck.gate', 'neck.stage_gate') == count
    assert size('head.fc1') == 98_560
    assert size('head.fc2') == 257
    assert size('visual.temporal.levels') == 7_018_752


def of_released_size(shapes):
    """State dict without data, save for the TCN weights, whose copies are compared."""
    sequence = {key: torch.zeros(shape) for key, shape in shapes.items() if key.startswith('temporal.')}
    return sources.on_meta(shapes) | sequence


def kuhnke_state():
    with torch.device('meta'):
        clips = models.video.r2plus1d_18(weights=None)
    state = {f'video_model.r2plus1d.{key}': value for key, value in clips.state_dict().items() if key[:2] != 'fc'}
    state['video_model.r2plus1d.stem.0.weight'] = torch.empty(45, 4, 1, 7, 7, device='meta')
    shapes = {key: shape for key, shape in sources.resnet18(channels=1).items() if key[:2] != 'fc'}
    shapes = {f'audio_model.resnet.{key}': shape for key, shape in shapes.items()} | sources.linear('fc.1', 1024, 17)
    return state | sources.on_meta(shapes)


CONFIGS = {
    'grjca_released_affwild2': lambda: released_grjca.convert(of_released_size(sources.grjca()), 'valence'),
    'hgrjca_released_affwild2': lambda: released_grjca.convert(
        of_released_size(sources.grjca(gates=sources.HIERARCHICAL)), 'valence'
    ),
    'lfan_abaw3_affwild2': lambda: released_lfan.convert(of_released_size(sources.lfan()), 'valence'),
    'lfan_abaw3_egemaps_affwild2': lambda: released_lfan.convert(
        of_released_size(sources.lfan(egemaps=(32, 32, 32, 32))), 'valence'
    ),
    'kuhnke_affwild2': lambda: kuhnke.convert(kuhnke_state(), rgb=True),
}


@pytest.mark.parametrize('name', CONFIGS)
def test_fits_the_config(name):
    config = Config.fromfile(Path(__file__).parents[2] / f'configs/{name}.py')
    with torch.device('meta'):
        model = MODELS.build(config.model)
    converted = CONFIGS[name]().state_dict
    check_model(model, converted, name)
    assert set(converted) == set(model.state_dict())


@pytest.mark.parametrize('place', ['', 'fusion.', 'a.b.'])
def test_grjca_wherever_its_attention_is(place):
    shapes = sources.grjca(**SMALL, seq_len=FRAMES, fusion='f.')
    state = {key.replace('f.coattn.', place): value for key, value in sources.light(shapes).items()}
    conversion = released_grjca.convert(state, 'valence')
    check_round_trip(conversion, state)
    assert (
        conversion.origin['neck.attention.layers.0.query.bias'] == f'{place}dcn_layers.0.dense_coattn.query_linear.bias'
    )
    assert conversion.origin['neck.gate.audio.bias'] == 'f.audio_gating_fc_layer.bias'


def test_grjca_gates_are_not_guessed():
    unnamed = {f'gate{i}': value for i, value in enumerate(sources.HIERARCHICAL.values())}
    state = sources.light(sources.grjca(**SMALL, seq_len=FRAMES, gates=unnamed, hidden=7))
    with pytest.raises(
        CheckpointError, match=r'fusion\.gate0 \(2, 5\), .*fusion\.gate5 \(2, 3\); name each with --gate'
    ):
        released_grjca.convert(state, 'valence')
    names = [f'{gate}.{stream}' for stream in ('visual', 'audio') for gate in ('gates.0', 'gates.1', 'stage_gate')]
    gates = {name: f'fusion.gate{i}' for i, name in enumerate(names)}
    with pytest.raises(CheckpointError, match=r'2 unexpected \(fusion\.text_gating_fc_layer\.weight'):
        released_grjca.convert(state, 'valence', gates)
    conversion = released_grjca.convert(state, 'valence', gates, drop=['fusion.text_gating_fc_layer'])
    check_round_trip(conversion, state)
    assert conversion.origin['neck.stage_gate.audio.bias'] == 'fusion.gate5.bias'
    with pytest.raises(
        ConfigError, match=r'gates gate\.visual; expected gate\.visual, gate\.audio or gates\.0\.visual'
    ):
        released_grjca.convert(state, 'valence', {'gate.visual': 'fusion.gate0'})
    with pytest.raises(ConfigError, match='expected a layer of its own for each'):
        released_grjca.convert(state, 'valence', gates | {'gates.0.visual': 'fusion.gate2'})
    # Two layers that could both be the stage gate.
    names = {name.replace('layer1', 'high'): value for name, value in sources.HIERARCHICAL.items()}
    with pytest.raises(CheckpointError, match='its gates have other names'):
        released_grjca.convert(sources.light(sources.grjca(**SMALL, seq_len=FRAMES, gates=names)), 'valence')


def test_grjca_parts_that_are_missing_or_unknown():
    state = sources.light(sources.grjca(**SMALL, seq_len=FRAMES, hidden=7))

    def refused(match, state):
        with pytest.raises(CheckpointError, match=match):
            released_grjca.convert(state, 'valence')

    def without(part):
        return {key: value for key, value in state.items() if part not in key}

    refused(r'1 missing \(dcn_layers\.0\.dense_coattn\.query_linear\.weight\)', without('dcn_layers'))
    refused(r'2 missing \(fusion\.coattn\.dcn_layers\.1\.linears\.1\.0\.weight', without('1.linears.1.'))
    refused(r'2 missing \(regressor1\.weight, regressor1\.bias\)', without('regressor1'))
    refused(r'missing \(temporal\.video\.network\.0', without('temporal.video'))
    refused(r'2 missing \(temporal\.video\.network\.1\.conv1\.weight_g, temporal\.logmel', without('.1.conv1.weight_g'))
    refused(r'1 unexpected \(fusion\.other\.weight\)', state | {'fusion.other.weight': torch.zeros(3)})
    refused(
        'joint attention in 2 places, expected one',
        state | {'elsewhere.dcn_layers.0.linears.0.0.weight': torch.zeros(3)},
    )
    refused(
        r'1 unexpected \(temporal\.video\.network\.0\.net\.4\.bias, not the copy of a conv2',
        state | {'temporal.video.network.0.net.4.bias': state['temporal.video.network.0.net.4.bias'] + 1},
    )


def test_lfan_of_other_modalities():
    state = sources.light(sources.lfan(**SMALL, modal_dim=8))
    more = sources.light(sources.linear('fusion.layers.self_attn.qkv_proj.egemaps', 3, 24))
    with pytest.raises(CheckpointError, match=r'1 missing \(temporal\.egemaps\.network'):
        released_lfan.convert(state | more, 'valence')
    with pytest.raises(CheckpointError, match='fuses egemaps, video, logmel; expected video and logmel before'):
        released_lfan.convert(more | state, 'valence')
    with pytest.raises(CheckpointError, match=r'1 missing \(fusion\.layers\.norm1\.bias\)'):
        released_lfan.convert({key: value for key, value in state.items() if 'norm1' not in key}, 'valence')


@pytest.mark.parametrize('rgb', [False, True])
def test_kuhnke(rgb):
    clips, sound = models.video.r2plus1d_18(weights=None).eval(), models.resnet18(weights=None).eval()
    clips.stem[0] = nn.Conv3d(4, 45, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False)
    sound.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    clips.fc, sound.fc = nn.Identity(), nn.Identity()
    last = nn.Linear(1024, 17)
    parts = {'audio_model.resnet': sound, 'video_model.r2plus1d': clips, 'fc.1': last}
    state = {f'{name}.{key}': value for name, part in parts.items() for key, value in part.state_dict().items()}
    conversion = kuhnke.convert(state, rgb=rgb)
    check_round_trip(conversion, state, changed=('fc.1.weight', 'fc.1.bias', 'video_model.r2plus1d.stem.0.weight'))
    expected = ['fc.1.weight[0:7] and [9:17]', 'fc.1.bias[0:7] and [9:17]']
    assert conversion.dropped == expected + (['video_model.r2plus1d.stem.0.weight[:, 3]'] if rgb else [])
    assert ('convert with --rgb' in conversion.notes[-1]) is not rgb

    model = MODELS.build(
        dict(
            type='AffectEstimator',
            data_preprocessor=dict(type='AffectDataPreprocessor', audio_mean=-14.8, audio_std=19.895),
            visual=dict(type='Stream', backbone=dict(type='R2Plus1D', in_channels=3 if rgb else 4)),
            audio=dict(type='Stream', backbone=dict(type='AudioResNet')),
            neck=dict(type='ConcatFusion', audio_channels=512, visual_channels=512),
            head=dict(type='AffectHead', in_channels=1024, hidden=None, tanh=False),
        )
    )
    before = [float(model.data_preprocessor.audio_mean), float(model.data_preprocessor.audio_std)]
    model.load_state_dict(conversion.state_dict, strict=True)
    assert [float(model.data_preprocessor.audio_mean), float(model.data_preprocessor.audio_std)] == before
    clip, patch = torch.randn(2, 4, 4, 32, 32), torch.randn(2, 1, 100, 64)
    if rgb:
        clip[:, 3] = 0
    with torch.no_grad():
        theirs = last(torch.cat([sound(patch.transpose(2, 3)), clips(clip)], dim=1))[:, 7:9]
        inputs = dict(visual=clip[None, :, : 3 if rgb else 4], audio=patch[None], visual_mask=None, audio_mask=None)
        assert torch.allclose(model.eval()(inputs)[0], theirs, rtol=1e-4, atol=1e-5)


def test_kuhnke_without_mask_needs_the_option():
    shapes = {
        f'audio_model.resnet.{key}': value for key, value in sources.resnet18(channels=1).items() if key[:2] != 'fc'
    }
    with pytest.raises(
        CheckpointError, match=r"^not Kuhnke's TSAV; weights: \d+ missing \(video_model\.r2plus1d\.stem"
    ):
        kuhnke.convert(sources.on_meta(shapes | sources.linear('fc.1', 1024, 17)))
