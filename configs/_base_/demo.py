# The synthetic demo corpus: windows of 100 frames, streams of the classes of the full-size models, narrower and
# shallower, and a short schedule, so that two CPU cores train in minutes.
from mmengine.config import read_base

with read_base():
    from .affwild2 import *
    from .default_runtime import *
    from .schedule_100e import *

visual_stream = dict(
    type='Stream',
    backbone=dict(
        type='IResNet',
        units=[1, 1, 1, 1],
        channels=[16, 24, 32, 48],
        strides=[2, 2, 2, 1],
        out_channels=64,
        dropout=0.2,
    ),
    temporal=dict(type='TemporalConvNet', in_channels=64, channels=[64, 64]),
    batch_norm=True,
)
audio_stream = dict(
    type='Stream',
    backbone=dict(type='VGGish', channels=[8, 16, 24, 24, 32, 32], hidden=64, out_channels=64, patch_rows=107),
    temporal=dict(type='TemporalConvNet', in_channels=64, channels=[64, 64]),
    batch_norm=True,
)
data_preprocessor = dict(type='AffectDataPreprocessor', crop_size=40, patch_rows=107)
head = dict(type='AffectHead', in_channels=128, hidden=64, dropout=0.2, loss=dict(type='CCCLoss', reduction='batch'))

train_dataloader.update(batch_size=8, num_workers=0, persistent_workers=False, pin_memory=False)
train_dataloader['dataset'].update(data_root='data/demo', window=100, hop=50)
val_dataloader.update(batch_size=8, num_workers=0, persistent_workers=False, pin_memory=False)
val_dataloader['dataset'].update(data_root='data/demo', window=100, hop=50)
test_dataloader = val_dataloader

optim_wrapper['optimizer'].update(lr=1e-3)
auto_scale_lr.update(base_batch_size=8)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=True, begin=0, end=1, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=True, begin=1, end=12, convert_to_iter_based=True),
]
train_cfg.update(max_epochs=12)
