# Faces alone: IR-50 + TCN.
from mmengine.config import read_base

with read_base():
    from .._base_.comparison_affwild2 import *

del model['audio']
model['head'].update(in_channels=256)

train_dataloader['dataset'].update(modalities=['visual'])
val_dataloader['dataset'].update(modalities=['visual'])
test_dataloader = val_dataloader
