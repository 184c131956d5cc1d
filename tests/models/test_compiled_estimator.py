import copy

import pytest
import torch

from mmaffect.errors import ConfigError
from mmaffect.registry import MODELS
from mmaffect.structures import AffectDataSample

L = 4
MODEL = dict(
    type='AffectEstimator',
    visual=dict(
        type='Stream',
        backbone=dict(type='IResNet', units=[1, 1, 1, 1], channels=[4, 4, 4, 4], out_channels=6, dropout=0.0),
        temporal=dict(type='TemporalConvNet', in_channels=6, channels=[8], dropout=0.0),
        batch_norm=True,
    ),
    audio=dict(type='Stream', backbone=dict(type='VGGish', channels=[2] * 6, hidden=4, out_channels=5)),
    neck=dict(type='GRJCA', audio_channels=5, visual_channels=8, seq_len=L, dropout=0.0),
    head=dict(type='AffectHead', in_channels=13, hidden=7, dropout=0.0),
)
PARTS = ['visual.backbone', 'audio.backbone', 'neck']


def build(**arguments):
    torch.manual_seed(0)
    return MODELS.build(dict(copy.deepcopy(MODEL), **arguments))


def batch(windows):
    g = torch.Generator().manual_seed(windows)
    mask = torch.ones(windows, L, dtype=torch.bool)
    inputs = {
        'visual': torch.randn(windows, L, 3, 40, 40, generator=g),
        'audio': torch.randn(windows, L, 1, 107, 64, generator=g),
        'audio_mask': mask,
        'visual_mask': mask,
    }
    samples = []
    for _ in range(windows):
        sample = AffectDataSample(metainfo={'trial': 't', 'start': 0, 'stride': 1})
        sample.gt_affect = torch.rand(L, 2, generator=g) * 2 - 1
        sample.valid = torch.ones(L, dtype=torch.bool)
        samples.append(sample)
    return inputs, samples


def test_the_same_outputs_gradients_and_keys():
    plain, compiled = build(), build(compiled=PARTS, compile_backend='eager')
    assert list(compiled.state_dict()) == list(plain.state_dict())
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    for windows in (2, 3):  # an epoch may end with a smaller batch
        inputs, samples = batch(windows)
        losses = []
        for model in (plain, compiled):
            model.train()
            model.zero_grad()
            loss = model(inputs, copy.deepcopy(samples), 'loss')['loss_ccc']
            loss.backward()
            losses.append(loss.item())
        assert losses[0] == pytest.approx(losses[1], abs=1e-6)
        largest = max(p.grad.abs().max() for p in plain.parameters())
        for (name, one), other in zip(plain.named_parameters(), compiled.parameters(), strict=True):
            assert (one.grad - other.grad).abs().max() <= 1e-3 * largest, name
    assert torch._dynamo.utils.counters['stats']['unique_graphs'] >= len(PARTS)
    plain.eval()
    compiled.eval()
    with torch.no_grad():
        torch.testing.assert_close(compiled(inputs), plain(inputs), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(compiled=['visual.backbones']), "has no 'visual.backbones'; did you mean 'visual.backbone'"),
        (dict(compiled=['neck'], compile_backend='inductr'), "model.compile_backend='inductr'; expected one of"),
    ],
)
def test_wrong_names(arguments, message):
    with pytest.raises(ConfigError, match=message):
        build(**arguments)
