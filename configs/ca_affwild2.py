# Cross-attention (Rajasekhar et al., FG 2021) on Aff-Wild2: I3D on clips of 16 faces, ResNet-18, windows of 8 clips.
from mmengine.config import read_base

with read_base():
    from ._base_.affwild2_112 import *
    from ._base_.i3d_resnet18 import *

model = dict(
    type='AffectEstimator',
    data_preprocessor=data_preprocessor,
    visual=dict(type='Stream', backbone=dict(type='I3D')),
    audio=audio_stream,
    neck=dict(type='CrossAttention', audio_channels=512, visual_channels=1024),
    head=dict(type='AffectHead', in_channels=1536, hidden=512, dropout=0.6, loss=loss),
)

clips.update(clip_frames=16, clip_dilation=1)
train_dataloader['dataset'].update(clips, window=8, hop=8, stride=16)
val_dataloader['dataset'].update(clips, window=8, hop=8, stride=16)
test_dataloader = val_dataloader

custom_hooks += [early_stopping]
