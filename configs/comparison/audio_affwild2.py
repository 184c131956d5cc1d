# Sound alone: VGGish + TCN.
from mmengine.config import read_base

with read_base():
    from .._base_.comparison_affwild2 import *

del model['visual']
model['head'].update(in_channels=128)

train_dataloader['dataset'].update(modalities=['audio'])
val_dataloader['dataset'].update(modalities=['audio'])
test_dataloader = val_dataloader
