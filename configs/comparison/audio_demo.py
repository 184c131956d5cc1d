# Sound alone: cached features + TCN.
from mmengine.config import read_base

with read_base():
    from .._base_.comparison_demo import *

del model['visual']
model['head'].update(in_channels=64)

train_dataloader['dataset'].update(modalities=['audio'])
del train_dataloader['dataset']['features']['visual']
val_dataloader['dataset'].update(modalities=['audio'])
del val_dataloader['dataset']['features']['visual']
test_dataloader = val_dataloader
