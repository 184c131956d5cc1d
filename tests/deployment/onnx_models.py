"""Small estimators of every kind, and configs that say how their windows are cut."""

import copy

import torch
from mmengine.config import Config

from mmaffect.registry import MODELS

WINDOW, CHANNELS = 6, 4
SIZES = dict(audio_channels=CHANNELS, visual_channels=CHANNELS)
# Every neck of an estimator, and the width of what it gives.
NECKS = {
    'concat': (dict(type='ConcatFusion', **SIZES), 8),
    'ca': (dict(type='CrossAttention', **SIZES), 8),
    'rjca': (dict(type='RJCA', seq_len=WINDOW, num_iters=2, **SIZES), 8),
    'rjca_lstm': (
        dict(
            type='RJCA',
            seq_len=WINDOW,
            joint=dict(type='ResidualLSTM', in_channels=8, out_channels=6, hidden=3),
            **SIZES,
        ),
        6,
    ),
    'grjca': (dict(type='GRJCA', seq_len=WINDOW, **SIZES), 8),
    'grjca_iteration_gate': (dict(type='GRJCA', seq_len=WINDOW, stage_gate=False, **SIZES), 8),
    'grjca_stage_gate': (dict(type='GRJCA', seq_len=WINDOW, iteration_gate=False, **SIZES), 8),
    'grjca_released': (dict(type='ReleasedGRJCA', seq_len=WINDOW, gating='flat', **SIZES), 8),
    'hgrjca_released': (dict(type='ReleasedGRJCA', seq_len=WINDOW, gating='hierarchical', **SIZES), 8),
    'jca_released': (dict(type='LowRankJCA', seq_len=WINDOW, encoded=6, rank=3, **SIZES), 12),
    'precision': (dict(type='PrecisionFusion', widths=[1, 3], head_channels=2, hidden=4, **SIZES), 20),
    'precision_jca': (
        dict(
            type='PrecisionFusion',
            widths=[2],
            head_channels=3,
            hidden=4,
            cross=False,
            beside=dict(type='LowRankJCA', seq_len=WINDOW, encoded=6, rank=3, **SIZES),
            **SIZES,
        ),
        20,
    ),
    'lfan': (dict(type='LFAN', encoded=6, **SIZES), 16),
    'lfan_abaw3': (dict(type='MultiheadLFAN', encoded=6, **SIZES), 16),
}


def cached(**arguments):
    """A stream of cached features with a temporal network and BatchNorm."""
    temporal = dict(type='TemporalConvNet', in_channels=CHANNELS, channels=[CHANNELS], kernel_size=3)
    return dict(type='Stream', in_channels=CHANNELS, temporal=temporal, batch_norm=True, **arguments)


def stream(backbone):
    return dict(type='Stream', backbone=backbone, batch_norm=True)


def face_stream():
    return stream(dict(type='IResNet', units=[1] * 4, channels=[4] * 4, input_size=16, out_channels=CHANNELS))


def sound_stream():
    return stream(dict(type='VGGish', channels=[2] * 6, hidden=4, out_channels=CHANNELS, patch_rows=16))


def estimator(width, *, targets=('valence', 'arousal'), tanh=True, preprocessor=None, seed=0, **parts):
    """A model with random weights and statistics, in evaluation mode."""
    torch.manual_seed(seed)
    cfg = dict(
        type='AffectEstimator',
        data_preprocessor=dict(type='AffectDataPreprocessor', **(preprocessor or {})),
        head=dict(type='AffectHead', in_channels=width, hidden=6, targets=targets, tanh=tanh),
        **parts,
    )
    model = MODELS.build(copy.deepcopy(cfg))
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    model.data_preprocessor.set_audio_statistics(-30.0, 11.0)
    return model.eval()


def config(**dataset):
    """A config that has nothing but a dataset."""
    settings = dict(type='AffectDataset', data_root='none', split='val', window=WINDOW, hop=4, **dataset)
    return Config(dict(test_dataloader=dict(dataset=settings)))
