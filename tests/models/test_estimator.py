import pytest
import torch
from torch import nn

from mmaffect.registry import MODELS
from mmaffect.structures import AffectDataSample

L = 12
VISUAL = dict(
    type='Stream',
    backbone=dict(type='IResNet', units=[1, 1, 1, 1], channels=[4, 4, 4, 4], out_channels=6),
    temporal=dict(type='TemporalConvNet', in_channels=6, channels=[8]),
    batch_norm=True,
)
AUDIO = dict(type='Stream', backbone=dict(type='VGGish', channels=[2] * 6, hidden=4, out_channels=5))
NECK = dict(type='GRJCA', audio_channels=5, visual_channels=8, seq_len=L)


def head(channels, **arguments):
    return dict(type='AffectHead', in_channels=channels, hidden=7, dropout=0.0, **arguments)


def build(**parts):
    torch.manual_seed(0)
    return MODELS.build(dict(type='AffectEstimator', **parts))


def batch(lengths=(L, 5)):
    g = torch.Generator().manual_seed(1)
    masks = torch.stack([torch.arange(L) < n for n in lengths])
    inputs = {
        'visual': torch.randn(len(lengths), L, 3, 40, 40, generator=g),
        'audio': torch.randn(len(lengths), L, 1, 107, 64, generator=g),
        'audio_mask': masks,
        'visual_mask': masks,
    }
    samples = []
    for n in lengths:
        sample = AffectDataSample(metainfo={'trial': 't', 'start': 0, 'stride': 1})
        sample.gt_affect = torch.rand(n, 2, generator=g) * 2 - 1
        sample.valid = torch.ones(n, dtype=torch.bool)
        samples.append(sample)
    return inputs, samples


PARTS = {
    'both': dict(visual=VISUAL, audio=AUDIO, neck=NECK, head=head(13)),
    'visual': dict(visual=VISUAL, head=head(8)),
    'audio': dict(audio=AUDIO, head=head(5)),
}


@pytest.mark.parametrize('parts', PARTS)
def test_three_modes(parts):
    model = build(**PARTS[parts])
    inputs, samples = batch()
    losses = model(inputs, samples, 'loss')
    losses['loss_ccc'].backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert without == []
    model.eval()
    with torch.no_grad():
        raw = model(inputs, mode='tensor')
        found = model(inputs, samples, 'predict')
    assert raw.shape == (2, L, 2)
    assert raw.abs().max() <= 1
    assert [tuple(sample.pred_affect.shape) for sample in found] == [(L, 2), (5, 2)]
    assert torch.equal(found[1].pred_affect, raw[1, :5])
    assert found[0].targets == ('valence', 'arousal')


def test_padding_has_no_influence_on_loss_and_predictions():
    model = build(**PARTS['both']).eval()
    inputs, samples = batch()
    loss = model(inputs, samples, 'loss')['loss_ccc']
    before = model(inputs, samples, 'predict')[1].pred_affect.clone()
    inputs['visual'][1, 5:] = 3.0
    inputs['audio'][1, 5:] = -2.0
    assert torch.allclose(model(inputs, samples, 'loss')['loss_ccc'], loss, atol=1e-6)
    assert torch.allclose(model(inputs, samples, 'predict')[1].pred_affect, before, atol=1e-6)


def test_each_modality_has_its_own_mask():
    neck = dict(type='ConcatFusion', audio_channels=5, visual_channels=8)
    model = build(visual=VISUAL, audio=AUDIO, neck=neck, head=head(13)).eval()
    inputs, _ = batch((L, L))
    inputs['audio_mask'] = inputs['audio_mask'].clone()
    inputs['audio_mask'][:, :4] = False
    with torch.no_grad():
        fused = model.extract_feat(inputs)
    assert (fused[:, :4, :5] == 0).all()
    assert (fused[:, :4, 5:] != 0).any()
    assert (fused[:, 4:, :5] != 0).any()


def test_predictions_without_tanh_are_cut():
    model = build(audio=AUDIO, head=head(5, tanh=False)).eval()
    nn.init.zeros_(model.head.fc2.weight)
    inputs, samples = batch()
    for bias, expected in ((3.0, 1.0), (-1.5, -1.0), (0.9, 0.9)):
        nn.init.constant_(model.head.fc2.bias, bias)
        with torch.no_grad():
            assert model(inputs, mode='tensor')[0, 0].tolist() == pytest.approx([bias, bias])
            found = model(inputs, samples, 'predict')
        assert found[0].pred_affect[0].tolist() == pytest.approx([expected, expected])


def test_one_target_learns_its_own_column():
    model = build(**{**PARTS['audio'], 'head': head(5, targets=('arousal',))})
    inputs, samples = batch((L, L))
    loss = model(inputs, samples, 'loss')['loss_ccc']
    for sample in samples:
        sample.gt_affect[:, 0] = torch.nan
    assert torch.equal(model(inputs, samples, 'loss')['loss_ccc'], loss)
    assert model(inputs, samples, 'predict')[0].targets == ('arousal',)


def test_backbones_are_channels_last():
    model = build(**PARTS['both'])
    weight = model.visual.backbone.stages[0][0].residual[1].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ('parts', 'text'),
    [
        (dict(head=head(8)), 'neither visual nor audio'),
        (dict(visual=VISUAL, audio=AUDIO, head=head(13)), 'two streams need one'),
        (dict(visual=VISUAL, neck=NECK, head=head(8)), 'one needs none'),
        (dict(visual=VISUAL, head=head(8, targets=('anger',))), r"targets=\('anger',\)"),
        (dict(visual=VISUAL, head=head(9)), r'model\.head\.in_channels = 9: what comes there has 8 channels'),
        (dict(visual=VISUAL, audio=AUDIO, neck=NECK, head=head(8)), r'head\.in_channels = 8: .* has 13'),
        (
            dict(visual=VISUAL, audio=AUDIO, neck={**NECK, 'audio_channels': 4}, head=head(12)),
            r'model\.neck\.audio_channels = 4: what comes there has 5',
        ),
        (
            dict(
                visual={**VISUAL, 'temporal': dict(type='TemporalConvNet', in_channels=5, channels=[8])}, head=head(8)
            ),
            r'temporal\.in_channels=5; a frame has 6',
        ),
    ],
)
def test_parts_that_do_not_fit(parts, text):
    with pytest.raises(ValueError, match=text):
        build(**parts)


FURTHER = dict(
    text=dict(type='Stream', in_channels=3, temporal=dict(type='TemporalConvNet', in_channels=3, channels=[4]))
)
THIRD = dict(type='LFAN', audio_channels=5, visual_channels=8, encoded=6, further_channels=dict(text=4))


def test_a_further_stream_of_cached_features():
    model = build(visual=VISUAL, audio=AUDIO, further=FURTHER, neck=THIRD, head=head(26))
    inputs, samples = batch()
    inputs['text'] = torch.randn(2, L, 3)
    inputs['text_mask'] = inputs['audio_mask']
    model(inputs, samples, 'loss')['loss_ccc'].backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    model.eval()
    before = model(inputs, mode='tensor')
    changed = {**inputs, 'text': inputs['text'] + 1}
    assert not torch.allclose(model(changed, mode='tensor'), before)
    nothing = torch.zeros_like(inputs['text_mask'])
    one, other = (model({**x, 'text_mask': nothing}, mode='tensor') for x in (inputs, changed))
    assert torch.equal(one, other)


@pytest.mark.parametrize(
    ('parts', 'text'),
    [
        (dict(visual=VISUAL, further=FURTHER, head=head(8)), r"further=\['text'\]; expected other names, beside both"),
        (
            dict(visual=VISUAL, audio=AUDIO, further={'audio': FURTHER['text']}, neck=THIRD, head=head(26)),
            'expected other names',
        ),
        (
            dict(visual=VISUAL, audio=AUDIO, further=FURTHER, neck=NECK, head=head(13)),
            r"neck\.further_channels = \{\}: the further streams have \{'text': 4\}",
        ),
        (dict(visual=VISUAL, audio=AUDIO, neck=THIRD, head=head(26)), r'the further streams have \{\}'),
    ],
)
def test_further_streams_that_do_not_fit(parts, text):
    with pytest.raises(ValueError, match=text):
        build(**parts)


def test_unknown_mode():
    with pytest.raises(ValueError, match="mode='train'"):
        build(**PARTS['audio'])(*batch(), mode='train')
