# Faces alone on the synthetic demo corpus; tools/compare_demo.sh extracts features with it.
from mmengine.config import read_base

with read_base():
    from ._base_.demo import *

head.update(in_channels=64)
model = dict(type='AffectEstimator', data_preprocessor=data_preprocessor, visual=visual_stream, head=head)

train_dataloader['dataset'].update(modalities=['visual'])
val_dataloader['dataset'].update(modalities=['visual'])
test_dataloader = val_dataloader
