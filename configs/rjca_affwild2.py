# Recursive joint cross-attention (Praveen et al., ICASSP 2023) on Aff-Wild2 in the form of the GRJCA paper, section
# 1.3: I3D-TCN, ResNet-18, windows of 16 clips of 32 frames.
from mmengine.config import read_base

with read_base():
    from ._base_.affwild2_112 import *
    from ._base_.i3d_resnet18 import *

model = dict(
    type='AffectEstimator',
    data_preprocessor=data_preprocessor,
    visual=visual_stream,
    audio=audio_stream,
    neck=dict(type='RJCA', audio_channels=512, visual_channels=512, seq_len=16, num_iters=2, dropout=0.5),
    head=dict(type='AffectHead', in_channels=1024, hidden=128, dropout=0.6, loss=loss),
)

train_dataloader['dataset'].update(clips, window=16, hop=16, stride=32)
val_dataloader['dataset'].update(clips, window=16, hop=16, stride=32)
test_dataloader = val_dataloader

custom_hooks += [early_stopping]
