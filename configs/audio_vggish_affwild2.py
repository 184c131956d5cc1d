# Sound alone on Aff-Wild2: VGGish + TCN, as in GRJCA.
from mmengine.config import read_base

with read_base():
    from ._base_.affwild2 import *
    from ._base_.default_runtime import *
    from ._base_.ir50_vggish import *
    from ._base_.schedule_100e import *

head.update(in_channels=128)
model = dict(type='AffectEstimator', data_preprocessor=data_preprocessor, audio=audio_stream, head=head)

train_dataloader['dataset'].update(modalities=['audio'])
val_dataloader['dataset'].update(modalities=['audio'])
test_dataloader = val_dataloader

custom_hooks += [early_stopping]
