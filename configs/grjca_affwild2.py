# GRJCA on Aff-Wild2: IR-50 + TCN, VGGish + TCN, two gated iterations, stage gate. arXiv 2503.12261 v1, section 2.2.
from mmengine.config import read_base

with read_base():
    from ._base_.affwild2 import *
    from ._base_.default_runtime import *
    from ._base_.schedule_100e import *

model = dict(
    type='AffectEstimator',
    data_preprocessor=dict(type='AffectDataPreprocessor', crop_size=40, patch_rows=107),
    visual=dict(
        type='Stream',
        backbone=dict(type='IResNet', depth=50),
        temporal=dict(type='TemporalConvNet', in_channels=512, channels=[512, 512, 256, 256]),
        batch_norm=True,
    ),
    audio=dict(
        type='Stream',
        backbone=dict(type='VGGish', patch_rows=107),
        temporal=dict(type='TemporalConvNet', in_channels=128, channels=[128, 128, 128, 128]),
        batch_norm=True,
    ),
    neck=dict(
        type='GRJCA',
        audio_channels=128,
        visual_channels=256,
        seq_len=300,
        num_iters=2,
        temperature=0.1,
        dropout=0.5,
    ),
    head=dict(type='AffectHead', in_channels=384, hidden=256, dropout=0.8, loss=dict(type='CCCLoss')),
)

custom_hooks += [early_stopping]
