# Kuhnke et al. (FG 2020) on Aff-Wild2: R(2+1)D-18 and ResNet-18, concatenated, one linear layer.
# Faces are RGB alone. With drawn landmarks in data/affwild2_112/masks/NAME: masks='NAME' in both datasets,
# in_channels=4 in the visual backbone, a fourth value 0.5 * 255 in face_mean and 0.225 * 255 in face_std.
# The authors published no training code: the schedule is that of the GRJCA paper.
from mmengine.config import read_base

with read_base():
    from ._base_.affwild2_112 import *
    from ._base_.kuhnke import *

model = dict(
    type='AffectEstimator',
    data_preprocessor=data_preprocessor,
    visual=visual_stream,
    audio=audio_stream,
    neck=dict(type='ConcatFusion', audio_channels=512, visual_channels=512),
    head=dict(type='AffectHead', in_channels=1024, hidden=None, dropout=0.0, tanh=False, loss=loss),
)

train_dataloader['dataset'].update(clips, window=16, hop=16, stride=6)
val_dataloader['dataset'].update(clips, window=16, hop=16)
test_dataloader = val_dataloader

custom_hooks += [early_stopping]
