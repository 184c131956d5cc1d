# Faces alone on Aff-Wild2: I3D-TCN on clips of 8 faces over 32 frames, as in JCA and RJCA.
from mmengine.config import read_base

with read_base():
    from ._base_.affwild2_112 import *
    from ._base_.i3d_resnet18 import *

model = dict(
    type='AffectEstimator',
    data_preprocessor=data_preprocessor,
    visual=visual_stream,
    head=dict(type='AffectHead', in_channels=512, hidden=128, dropout=0.6, loss=loss),
)

train_dataloader['dataset'].update(clips, modalities=['visual'], window=16, hop=16, stride=32)
val_dataloader['dataset'].update(clips, modalities=['visual'], window=16, hop=16, stride=32)
test_dataloader = val_dataloader

custom_hooks += [early_stopping]
