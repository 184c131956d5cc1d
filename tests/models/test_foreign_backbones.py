"""Backbones of timm, torchaudio and other MMEngine projects."""

import sys
from textwrap import dedent

import cv2
import pytest
import torch
import torchaudio
from mmengine.registry import MODELS as ROOT
from mmengine.registry import DefaultScope

from mmaffect.errors import CheckpointError, ConfigError
from mmaffect.registry import MODELS

TINY = dict(
    extractor_conv_layer_config=[(8, 10, 5), (8, 3, 2), (8, 3, 2), (8, 3, 2), (8, 3, 2), (8, 2, 2), (8, 2, 2)],
    encoder_embed_dim=8,
    encoder_pos_conv_kernel=4,
    encoder_pos_conv_groups=2,
    encoder_num_layers=3,
    encoder_num_heads=2,
    encoder_ff_interm_features=12,
    encoder_layer_drop=0.0,
)


def silent(net):
    return [key for key, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


@pytest.fixture
def timm():
    import timm

    return timm


@pytest.mark.parametrize('name', ['test_resnet', 'test_vit', 'mobilenetv3_small_050'])
def test_timm_model_is_timms(timm, name):
    torch.manual_seed(0)
    net = MODELS.build(dict(type='TimmBackbone', model_name=name, image_size=160)).eval()
    reference = timm.create_model(name).eval()
    reference.reset_classifier(0)
    reference.load_state_dict({key.removeprefix('model.'): value for key, value in net.state_dict().items()})
    images = torch.randn(2, 3, 160, 160)
    with torch.no_grad():
        expected = reference(images)
        assert torch.equal(net(images), expected)
        assert expected.shape == (2, net.out_channels)
        small = images[0, :, :40, :40]
        resized = cv2.resize(small.permute(1, 2, 0).numpy(), (160, 160), interpolation=cv2.INTER_LINEAR)
        expected = reference(torch.from_numpy(resized).permute(2, 0, 1)[None])
        assert (net(small[None]) - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_timm_gradients(timm):
    torch.manual_seed(0)
    net = MODELS.build(dict(type='TimmBackbone', model_name='test_efficientnet', in_channels=1))
    y = net(torch.randn(2, 1, 64, 64))
    (y * torch.randn(y.shape)).sum().backward()
    assert silent(net) == []


def test_timm_errors(timm, monkeypatch):
    with pytest.raises(ConfigError, match=r"'resnt18': timm has no such model; did you mean resnet18 or "):
        MODELS.build(dict(type='TimmBackbone', model_name='resnt18'))
    with pytest.raises(ConfigError, match=r"model_name='resnet18\.nope': Invalid pretrained tag"):
        MODELS.build(dict(type='TimmBackbone', model_name='resnet18.nope'))
    net = MODELS.build(dict(type='TimmBackbone', model_name='test_vit'))
    with pytest.raises(
        ConfigError, match=r'image of \(40, 40\) pixels; this model takes \(160, 160\): set image_size=160'
    ):
        net(torch.zeros(1, 3, 40, 40))
    with pytest.raises(ConfigError, match=r'TimmBackbone got \(1, 1, 40, 40\); expected images \(N, 3, S, S\)'):
        net(torch.zeros(1, 1, 40, 40))

    def unreachable(*_, **__):
        raise OSError('the hub\ndoes not answer')

    monkeypatch.setattr(timm, 'create_model', unreachable)
    with pytest.raises(CheckpointError, match=r'^test_vit: weights of timm not loaded \(the hub does not answer\)$'):
        MODELS.build(dict(type='TimmBackbone', model_name='test_vit', pretrained=True))
    monkeypatch.setitem(sys.modules, 'timm', None)
    with pytest.raises(ConfigError, match=r'^TimmBackbone needs timm: pip install "mmaffect\[backbones\]"$'):
        MODELS.build(dict(type='TimmBackbone', model_name='resnet18'))


def speech(bundle='WAV2VEC2_BASE', sizes=None, **arguments):
    torch.manual_seed(0)
    return MODELS.build(dict(type='TorchaudioBackbone', bundle=bundle, sizes={**TINY, **(sizes or {})}, **arguments))


def torchaudios(net, bundle):
    """The network that torchaudio builds of the same sizes, with the same weights."""
    parameters = {**getattr(torchaudio.pipelines, bundle)._params, **TINY, 'aux_num_out': None}
    make = torchaudio.models.wavlm_model if 'WAVLM' in bundle else torchaudio.models.wav2vec2_model
    reference = make(**parameters).eval()
    state = {key.removeprefix('model.'): value for key, value in net.state_dict().items()}
    found = reference.load_state_dict(state, strict=False)
    assert found.unexpected_keys == []
    return reference, found.missing_keys


@pytest.mark.parametrize('bundle', ['WAV2VEC2_BASE', 'HUBERT_BASE', 'WAVLM_BASE', 'HUBERT_LARGE', 'WAVLM_LARGE'])
@pytest.mark.parametrize('layer', [-1, 2, 0, -2])
def test_speech_layer_is_torchaudios(bundle, layer):
    net = speech(bundle, layer=layer).eval()
    reference, missing = torchaudios(net, bundle)
    waveforms = torch.randn(2, 4000) * 0.1 + 0.02
    inputs = waveforms
    if 'LARGE' in bundle:
        inputs = (waveforms - waveforms.mean(1, keepdim=True)) / waveforms.std(1, correction=0, keepdim=True)
    with torch.no_grad():
        y = net(waveforms)
        layers, _ = reference.extract_features(inputs)
        # The last layer of models with a norm at the end has it applied, as their forward does.
        expected = reference(inputs)[0] if layer in (-1, 2) else layers[layer]
    assert y.shape == (2, (4000 - 400) // 320 + 1, 8) == (2, 12, net.out_channels)
    assert torch.allclose(y, expected, atol=1e-4)
    kept = layer % 3
    allowed = {f'encoder.transformer.layers.{i}.' for i in range(kept + 1, 3)} | {'encoder.transformer.layer_norm.'}
    assert all(any(key.startswith(prefix) for prefix in allowed) for key in missing)
    assert (missing == []) == (kept == 2)


def test_speech_times_are_those_of_the_samples_that_a_feature_sees():
    net = speech('WAV2VEC2_LARGE_LV60K', normalize_waveform=False).eval()
    assert (net.hop, net.receptive_field, net.sample_rate) == (320, 400, 16000)
    # Convolutions alone, which have LayerNorm over channels here: the transformer sees all samples.
    convolutions = net.model.feature_extractor
    waveform = torch.randn(1, 4000, requires_grad=True)
    for t in (0, 1, 5):
        (gradient,) = torch.autograd.grad(convolutions(waveform, None)[0][0, t].abs().sum(), waveform)
        seen = gradient[0].nonzero()
        first, last = seen[0].item(), seen[-1].item()
        centre = (first + last + 1) / 2 / 16000
        assert centre == pytest.approx(net.first_time + t * net.hop / net.sample_rate, abs=1e-9)


@pytest.mark.parametrize(
    ('bundle', 'channels'), [('WAV2VEC2_BASE', 768), ('WAVLM_LARGE', 1024), ('HUBERT_XLARGE', 1280)]
)
def test_speech_published_sizes(bundle, channels):
    with torch.device('meta'):
        net = MODELS.build(dict(type='TorchaudioBackbone', bundle=bundle))
    assert (net.out_channels, net.hop, net.first_time) == (channels, 320, 0.0125)


def test_each_waveform_is_normalised_on_its_own():
    net = speech('HUBERT_LARGE').eval()
    loud, quiet = torch.randn(1, 2000), 0.01 * torch.randn(1, 2000) + 0.3
    with torch.no_grad():
        assert torch.allclose(net(torch.cat([loud, quiet]))[1:], net(quiet), atol=1e-5)
        assert torch.allclose(net(loud), net(0.5 * loud + 0.1), atol=1e-3)


@pytest.mark.parametrize('bundle', ['WAV2VEC2_BASE', 'WAVLM_LARGE'])
@pytest.mark.parametrize('layer', [-1, 0])
def test_speech_gradients(bundle, layer):
    net = speech(bundle, layer=layer)
    y = net(torch.randn(2, 4000))
    (y * torch.randn(y.shape)).sum().backward()
    # A bias of the keys adds the same to all scores of a query: its gradient is zero but for rounding.
    assert [key for key in silent(net) if 'k_proj.bias' not in key] == []


def test_speech_pretrained_weights(monkeypatch):
    bundle = torchaudio.pipelines.Wav2Vec2ASRBundle(
        'tiny.pth',
        {**torchaudio.pipelines.WAV2VEC2_ASR_LARGE_960H._params, **TINY, 'aux_num_out': 5},
        _sample_rate=16000,
        _normalize_waveform=True,
        _model_type='Wav2Vec2',
        _labels=('a',),
        _remove_aux_axis=(),
    )
    monkeypatch.setattr(torchaudio.pipelines, 'TINY', bundle, raising=False)
    published = torchaudio.models.wav2vec2_model(**bundle._params).state_dict()
    asked = []

    def fetch(url, **settings):
        asked.append((url, settings))
        return {key: value.clone() for key, value in published.items()}

    monkeypatch.setattr('torchaudio.pipelines._wav2vec2.utils.load_state_dict_from_url', fetch)
    net = MODELS.build(dict(type='TorchaudioBackbone', bundle='TINY', pretrained=True))
    assert asked[0][1]['weights_only'] is True
    state = net.state_dict()
    assert {f'model.{key}' for key in published if not key.startswith('aux.')} == set(state)
    assert all(torch.equal(state[f'model.{key}'], value) for key, value in published.items() if f'model.{key}' in state)
    assert net.normalize_waveform

    def unreachable(*_, **__):
        raise OSError('no\nroute')

    monkeypatch.setattr('torchaudio.pipelines._wav2vec2.utils.load_state_dict_from_url', unreachable)
    with pytest.raises(CheckpointError, match=r'^TINY: weights of torchaudio not loaded \(no route\)$'):
        MODELS.build(dict(type='TorchaudioBackbone', bundle='TINY', pretrained=True))


def test_speech_errors():
    with pytest.raises(ConfigError, match=r"bundle='wav2vec_base': .* did you mean .*WAV2VEC2_BASE"):
        speech('wav2vec_base')
    with pytest.raises(ConfigError, match="bundle='CONVTASNET_BASE_LIBRI2MIX'"):
        speech('CONVTASNET_BASE_LIBRI2MIX')
    with pytest.raises(ConfigError, match=r"sizes\.encoder_num_layer: .* did you mean 'encoder_num_layers'"):
        speech(sizes=dict(encoder_num_layer=2))
    with pytest.raises(ConfigError, match=r'sizes do not fit each other: `embed_dim \(8\)` is not divisible'):
        speech(sizes=dict(encoder_num_heads=3))
    with pytest.raises(ConfigError, match=r'layer=3; WAV2VEC2_BASE has 3: expected -3 to 2'):
        speech(layer=3)
    with pytest.raises(ConfigError, match='with pretrained=True'):
        speech(pretrained=True)
    for shape in [(2, 399), (2, 1, 4000)]:
        with pytest.raises(ConfigError, match=r'expected waveforms \(B, N\) of N >= 400') as caught:
            speech()(torch.zeros(shape))
        assert f'got {shape}' in str(caught.value)


@pytest.fixture(scope='module')
def other_project(tmp_path_factory):
    """A package like mmpretrain: a child registry whose models are imported at the first look-up."""
    root = tmp_path_factory.mktemp('projects')
    package = root / 'mmother'
    package.mkdir()
    (package / '__init__.py').write_text('')
    (package / 'registry.py').write_text(
        dedent("""
        from mmengine.registry import MODELS as ROOT
        from mmengine.registry import Registry
        MODELS = Registry('model', parent=ROOT, scope='mmother', locations=['mmother.models'])
        """)
    )
    (package / 'models.py').write_text(
        dedent("""
        from mmengine.model import BaseModule
        from torch import nn
        from .registry import MODELS

        @MODELS.register_module()
        class Inner(nn.Conv2d):
            pass

        @MODELS.register_module()
        class TwoMaps(BaseModule):
            def __init__(self, inner, flat=False, tokens=False, init_cfg=None):
                super().__init__(init_cfg)
                # By its bare name, as these projects do.
                self.first, self.second = MODELS.build(inner), nn.Conv2d(5, 7, 1)
                self.flat, self.tokens = flat, tokens

            def forward(self, x):
                first = self.first(x)
                second = self.second(first)
                if self.tokens:
                    return second.flatten(2).transpose(1, 2)
                return (first, second.amax((2, 3)) if self.flat else second)
        """)
    )
    for name, text in (('mmbroken', 'from mmcv._ext import nothing'), ('mmempty', '')):
        (root / name).mkdir()
        (root / name / '__init__.py').write_text('')
        (root / name / 'registry.py').write_text(text)
    sys.path.insert(0, str(root))
    yield 'mmother'
    sys.path.remove(str(root))
    ROOT._children.pop('mmother', None)
    for name in [key for key in sys.modules if key.partition('.')[0] in ('mmother', 'mmbroken', 'mmempty')]:
        del sys.modules[name]


def other(**arguments):
    inner = dict(type='Inner', in_channels=3, out_channels=5, kernel_size=3)
    backbone = {'type': 'mmother.TwoMaps', 'inner': inner, **arguments}
    # The scope in which a Runner of ours builds.
    with DefaultScope.overwrite_default_scope('mmaffect'):
        return MODELS.build(dict(type='MMBackbone', backbone=backbone, out_channels=7))


@pytest.mark.parametrize(
    'kind',
    [dict(), dict(type='TwoMaps', _scope_='mmother'), dict(type='mmother.models.TwoMaps')],
    ids=['prefix', '_scope_', 'path'],
)
def test_other_project_by_scope(other_project, kind):
    torch.manual_seed(0)
    net = other(**kind)
    images = torch.randn(2, 3, 9, 9)
    y = net(images)
    _, last = net.backbone(images)
    assert last.shape == (2, 7, 7, 7)
    assert y.shape == (2, net.out_channels)
    assert torch.allclose(y, last.flatten(2).sum(2) / 49, atol=1e-6)
    y.pow(2).sum().backward()
    assert silent(net) == []
    assert next(iter(net.state_dict())) == 'backbone.first.weight'
    flat = other(flat=True)
    assert torch.equal(flat(images), flat.backbone(images)[1])


def test_other_project_errors(other_project, monkeypatch):
    def build(kind, **arguments):
        return MODELS.build(dict(type='MMBackbone', backbone=dict(type=kind, **arguments), out_channels=3))

    monkeypatch.setitem(sys.modules, 'mmseg', None)
    with pytest.raises(ConfigError, match=r'^mmseg is not installed: pip install mmsegmentation$'):
        build('mmseg.ResNet')
    with pytest.raises(ConfigError, match=r'^mmnowhere is not installed: pip install mmnowhere$'):
        build('mmnowhere.ResNet')
    with pytest.raises(ConfigError, match=r'^mmbroken is installed but does not import \(ModuleNotFoundError: .*mmcv$'):
        build('mmbroken.ResNet')
    with pytest.raises(ConfigError, match=r"mmempty.registry has no registry of models with the scope 'mmempty'"):
        build('mmempty.ResNet')
    with pytest.raises(ConfigError, match=r"backbone.type='ResNet'; expected '<project>.<class>'"):
        build('ResNet')
    with pytest.raises(ConfigError, match=r"'mmother.TwoMap': mmother has no such model; did you mean TwoMaps\?"):
        build('mmother.TwoMap')
    inner = dict(type='Inner', in_channels=3, out_channels=5, kernel_size=1)
    with pytest.raises(ConfigError, match=r'TwoMaps gives \(1, 7, 4, 4\); expected \(N, 3\) or \(N, 3, H, W\)'):
        build('mmother.TwoMaps', inner=inner)(torch.zeros(1, 3, 4, 4))
    with pytest.raises(ConfigError, match=r'TwoMaps gives \(1, 16, 7\)'):
        build('mmother.TwoMaps', inner=inner, tokens=True)(torch.zeros(1, 3, 4, 4))
    with pytest.raises(ConfigError, match=r'MMBackbone got \(3, 4, 4\)'):
        build('mmother.TwoMaps', inner=inner)(torch.zeros(3, 4, 4))
