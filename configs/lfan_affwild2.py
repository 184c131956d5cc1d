# LFAN (Zhang et al., ICCVW 2021) on Aff-Wild2 in its form of ABAW2, with two of its three streams (no MFCC):
# IR-50 + TCN leads, VGGish + TCN follows; one linear layer without tanh.
from mmengine.config import read_base

with read_base():
    from ._base_.affwild2 import *
    from ._base_.default_runtime import *
    from ._base_.gradual_release import *
    from ._base_.ir50_vggish import *
    from ._base_.schedule_100e import *

visual_stream.update(
    temporal=dict(type='TemporalConvNet', in_channels=512, channels=[128, 128, 128, 128]), batch_norm=False
)
audio_stream.update(temporal=dict(type='TemporalConvNet', in_channels=128, channels=[32, 32, 32, 32]), batch_norm=False)
model = dict(
    type='AffectEstimator',
    data_preprocessor=data_preprocessor,
    visual=visual_stream,
    audio=audio_stream,
    neck=dict(type='LFAN', audio_channels=32, visual_channels=128, encoded=32),
    head=dict(type='AffectHead', in_channels=192, hidden=None, dropout=0.0, tanh=False, loss=dict(type='CCCLoss')),
)

train_dataloader.update(batch_size=8)
optim_wrapper['optimizer'].update(lr=1e-5)
auto_scale_lr.update(base_batch_size=8)
# VGGish is frozen throughout: the authors had its features from files.
gradual_release.update(
    groups=[[name for name in group if name.startswith('visual.')] for group in gradual_release['groups']], min_lr=1e-6
)
early_stopping.update(patience=20)
custom_hooks += [gradual_release, early_stopping]
