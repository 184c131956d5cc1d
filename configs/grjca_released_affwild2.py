# GRJCA on Aff-Wild2 as its authors released it: one 3-way gate over the input and both iterations, query projection,
# biases, dropout 0.6, weight decay 1e-3, BatchNorm in the head, VGGish's own log-mel that begins at the frame; one
# model a target. Corpus: prepare_affwild2.py --audio vggish. The training loop is the released one too, see
# docs/recipe.md.
from mmengine.config import read_base

with read_base():
    from ._base_.affwild2 import *
    from ._base_.default_runtime import *
    from ._base_.ir50_vggish import *
    from ._base_.released import *
    from ._base_.schedule_released import *

audio_stream.update(backbone=dict(type='VGGish', patch_rows=96))
model = dict(
    type='AffectEstimator',
    data_preprocessor=released_preprocessor,
    visual=visual_stream,
    audio=audio_stream,
    neck=dict(
        type='ReleasedGRJCA',
        audio_channels=128,
        visual_channels=256,
        seq_len=300,
        gating='flat',
        num_iters=2,
        dropout=0.6,
        temperature=0.1,
    ),
    head=dict(
        type='AffectHead',
        in_channels=384,
        hidden=256,
        targets=['valence'],  # and again with ['arousal']
        dropout=0.0,
        batch_norm=True,
        loss=released_loss,
    ),
)

train_dataloader.update(sampler=released_sampler)
train_dataloader['dataset'].update(released_audio)
val_dataloader['dataset'].update(released_audio)
test_dataloader = val_dataloader

custom_hooks += [gradual_release, revert_to_best, early_stopping]
randomness.update(deterministic=True)
