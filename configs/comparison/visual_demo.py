# Faces alone: cached features + TCN.
from mmengine.config import read_base

with read_base():
    from .._base_.comparison_demo import *

del model['audio']
model['head'].update(in_channels=64)

train_dataloader['dataset'].update(modalities=['visual'])
del train_dataloader['dataset']['features']['audio']
val_dataloader['dataset'].update(modalities=['visual'])
del val_dataloader['dataset']['features']['audio']
test_dataloader = val_dataloader
