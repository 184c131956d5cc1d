# GRJCA on the demo corpus: the classes of grjca_affwild2.py, narrower and shallower, on windows of 100 frames.
from mmengine.config import read_base

with read_base():
    from .grjca_affwild2 import *

data_root = 'data/demo'

model.update(
    visual=dict(
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
    ),
    audio=dict(
        type='Stream',
        backbone=dict(type='VGGish', channels=[8, 16, 24, 24, 32, 32], hidden=64, out_channels=64),
        temporal=dict(type='TemporalConvNet', in_channels=64, channels=[64, 64]),
        batch_norm=True,
    ),
    neck=dict(
        type='GRJCA', audio_channels=64, visual_channels=64, seq_len=100, num_iters=2, temperature=0.1, dropout=0.5
    ),
    head=dict(type='AffectHead', in_channels=128, hidden=64, dropout=0.2, loss=dict(type='CCCLoss', reduction='batch')),
)

train_dataloader.update(batch_size=8, num_workers=0, persistent_workers=False, pin_memory=False)
val_dataloader.update(batch_size=8, num_workers=0, persistent_workers=False, pin_memory=False)
for dataloader in (train_dataloader, val_dataloader):
    dataloader['dataset'].update(data_root=data_root, window=100, hop=50)
del dataloader
test_dataloader = val_dataloader

optim_wrapper['optimizer'].update(lr=2e-3)
param_scheduler[0].update(end=1)
param_scheduler[1].update(begin=1)
train_cfg.update(max_epochs=20)
