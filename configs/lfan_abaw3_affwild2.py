# LFAN on Aff-Wild2 as its authors released it for ABAW3 and ABAW5 (multi-head attention, BatchNorm, tanh), with two of
# its three streams (no eGeMAPS); VGGish's own log-mel, which begins at the frame; one model a target.
from mmengine.config import read_base

with read_base():
    from ._base_.affwild2 import *
    from ._base_.default_runtime import *
    from ._base_.ir50_vggish import *
    from ._base_.released import *
    from ._base_.schedule_released import *

visual_stream.update(temporal=dict(type='TemporalConvNet', in_channels=512, channels=[256, 256, 128, 128]))
audio_stream.update(
    backbone=dict(type='VGGish', patch_rows=96),
    temporal=dict(type='TemporalConvNet', in_channels=128, channels=[64, 64, 32, 32]),
)
model = dict(
    type='AffectEstimator',
    data_preprocessor=released_preprocessor,
    visual=visual_stream,
    audio=audio_stream,
    neck=dict(type='MultiheadLFAN', audio_channels=32, visual_channels=128, encoded=32, heads=2, dropout=0.1),
    head=dict(
        type='AffectHead',
        in_channels=192,
        hidden=None,
        targets=['valence'],  # and again with ['arousal']
        dropout=0.0,
        loss=released_loss,
    ),
)

train_dataloader.update(sampler=released_sampler)
train_dataloader['dataset'].update(released_audio)
val_dataloader['dataset'].update(released_audio)
test_dataloader = val_dataloader

optim_wrapper['optimizer'].update(lr=1e-5)
custom_hooks += [gradual_release, revert_to_best, early_stopping]
randomness.update(deterministic=True)
