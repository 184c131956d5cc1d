import numpy as np
import pytest
import torch
from torch import nn

from mmaffect.datasets import collate_windows
from mmaffect.models.estimators.waveform_stream import interpolate_at
from mmaffect.models.preprocessors import Waveforms
from mmaffect.registry import DATASETS, MODELS
from tests.corpora import write_corpus


class Averages(nn.Module):
    """Mean of every 10 samples: a backbone whose features are known."""

    sample_rate, hop, receptive_field, first_time, out_channels = 100, 10, 10, 0.045, 1

    def __init__(self) -> None:
        super().__init__()

    def forward(self, x):
        return x.unfold(1, 10, 10).mean(-1, keepdim=True)


class Firsts(Averages):
    """The first of every 10 samples."""

    first_time = 0.0

    def forward(self, x):
        return x.unfold(1, 10, 10)[..., :1]


@pytest.fixture(scope='module', autouse=True)
def known_backbones():
    for module in (Averages, Firsts):
        MODELS.register_module(name=module.__name__, module=module)
    yield
    for module in (Averages, Firsts):
        MODELS._module_dict.pop(module.__name__)


def test_interpolation_equals_numpy():
    features = torch.randn(2, 7, 3, dtype=torch.float64)
    positions = torch.tensor([[-1.0, 0.0, 2.25, 6.0], [5.5, 6.5, 3.0, 0.1]], dtype=torch.float64)
    found = interpolate_at(features, positions).numpy()
    for b in range(2):
        for c in range(3):
            expected = np.interp(positions[b].numpy(), np.arange(7), features[b, :, c].numpy())
            assert np.allclose(found[b, :, c], expected)


def test_waveform_stream_finds_each_frame():
    stream = MODELS.build(dict(type='WaveformStream', backbone=dict(type='Averages')))
    samples = torch.arange(200.0).repeat(2, 1)  # a ramp: the feature at a sample is that sample's number
    positions = torch.tensor([[10, 55, 120], [5, 99, 190]])
    out = stream(Waveforms(samples, positions))
    assert torch.allclose(out[..., 0], positions.float(), atol=1e-4)


def test_a_recording_shorter_than_a_feature_is_lengthened_at_its_end():
    stream = MODELS.build(dict(type='WaveformStream', backbone=dict(type='Firsts')))
    out = stream(Waveforms(torch.tensor([[5.0, 1.0, 1.0]]), torch.tensor([[0, 2]])))
    assert out[0, :, 0].tolist() == [5.0, 5.0]


def test_cached_features_go_to_the_temporal_network():
    stream = MODELS.build(
        dict(type='Stream', in_channels=4, temporal=dict(type='TemporalConvNet', in_channels=4, channels=[5]))
    ).eval()
    x = torch.randn(2, 9, 4)
    assert torch.equal(stream(x), stream.temporal(x))
    assert stream.out_channels == 5
    with pytest.raises(ValueError, match=r'\(2, 9, 3\); this stream expects \(B, L, 4\)'):
        stream(x[..., :3])


def test_batch_norm_follows_the_temporal_network():
    temporal = dict(type='TemporalConvNet', in_channels=4, channels=[5])
    stream = MODELS.build(dict(type='Stream', in_channels=4, temporal=temporal, batch_norm=True)).train()
    stream.temporal.eval()
    x = torch.randn(3, 9, 4)
    y = stream.temporal(x).detach().numpy()
    expected = (y - y.mean((0, 1))) / np.sqrt(y.var((0, 1)) + 1e-5)
    assert np.allclose(stream(x).detach().numpy(), expected, atol=1e-4)


def test_backbones_of_clips_are_channels_last():
    backbone = dict(type='R2Plus1D', units=[1, 1, 1, 1], channels=[2, 2, 2, 3])
    stream = MODELS.build(dict(type='Stream', backbone=backbone))
    kernels = [parameter for parameter in stream.parameters() if parameter.ndim == 5]
    assert all(kernel.is_contiguous(memory_format=torch.channels_last_3d) for kernel in kernels)
    assert not all(kernel.is_contiguous() for kernel in kernels)


@pytest.mark.parametrize('arguments', [dict(), dict(in_channels=3, backbone=dict(type='VGGish'))])
def test_backbone_or_features(arguments):
    with pytest.raises(ValueError, match='expected a backbone or in_channels'):
        MODELS.build(dict(type='Stream', **arguments))


def test_from_the_corpus_to_a_prediction_by_a_speech_model(tmp_path):
    root = write_corpus(tmp_path, waveform_rate=16000)
    sizes = dict(encoder_num_layers=1, encoder_embed_dim=16, encoder_num_heads=2, encoder_ff_interm_features=8)
    model = MODELS.build(
        dict(
            type='AffectEstimator',
            audio=dict(type='WaveformStream', backbone=dict(type='TorchaudioBackbone', sizes=sizes)),
            head=dict(type='AffectHead', in_channels=16),
        )
    )
    dataset = DATASETS.build(
        dict(
            type='AffectDataset',
            data_root=str(root),
            split='train',
            window=20,
            hop=20,
            modalities=['audio'],
            waveform=True,
            pipeline=[dict(type='PackAffectInputs')],
        )
    )
    batch = collate_windows([dataset[i] for i in range(len(dataset))])
    data = model.data_preprocessor(batch, True)
    model(**data, mode='loss')['loss_ccc'].backward()
    assert model.audio.backbone.model.feature_extractor.conv_layers[0].conv.weight.grad.abs().sum() > 0
    predictions = model(**data, mode='predict')
    assert [len(sample.pred_affect) for sample in predictions] == [len(sample.valid) for sample in predictions]
    silent = [
        sample.trial for sample, mask in zip(predictions, data['inputs']['audio_mask'], strict=True) if not mask.any()
    ]
    assert set(silent) == {'b2'}
    alone = collate_windows([dataset[i] for i in range(len(dataset)) if dataset[i]['data_samples'].trial == 'b2'])
    assert torch.isfinite(model(**model.data_preprocessor(alone), mode='tensor')).all()
