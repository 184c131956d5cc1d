# Faces alone on Aff-Wild2: IR-50 + TCN, as in GRJCA.
from mmengine.config import read_base

with read_base():
    from ._base_.affwild2 import *
    from ._base_.default_runtime import *
    from ._base_.ir50_vggish import *
    from ._base_.schedule_100e import *

head.update(in_channels=256)
model = dict(type='AffectEstimator', data_preprocessor=data_preprocessor, visual=visual_stream, head=head)

train_dataloader['dataset'].update(modalities=['visual'])
val_dataloader['dataset'].update(modalities=['visual'])
test_dataloader = val_dataloader

custom_hooks += [early_stopping]
