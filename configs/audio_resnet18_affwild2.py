# Sound alone on Aff-Wild2: ResNet-18 on 10 s of log-mel, as Kuhnke et al.
from mmengine.config import read_base

with read_base():
    from ._base_.affwild2_112 import *
    from ._base_.kuhnke import *

model = dict(
    type='AffectEstimator',
    data_preprocessor=data_preprocessor,
    audio=audio_stream,
    head=dict(type='AffectHead', in_channels=512, hidden=None, dropout=0.0, tanh=False, loss=loss),
)

train_dataloader['dataset'].update(clips, modalities=['audio'], window=16, hop=16, stride=6)
val_dataloader['dataset'].update(clips, modalities=['audio'], window=16, hop=16)
test_dataloader = val_dataloader

custom_hooks += [early_stopping]
