# The same features for every fusion: those of the backbones of visual_demo.py and audio_demo.py, cached by
# tools/compare_demo.sh, with a TCN of their own in every model.
from mmengine.config import read_base

with read_base():
    from .demo import *

del visual_stream['backbone']
del audio_stream['backbone']
visual_stream.update(in_channels=64)
audio_stream.update(in_channels=64)
model = dict(
    type='AffectEstimator', data_preprocessor=data_preprocessor, visual=visual_stream, audio=audio_stream, head=head
)
sizes = dict(audio_channels=64, visual_channels=64)

features = dict(visual='demo/visual', audio='demo/audio')
train_dataloader['dataset'].update(features=features, pipeline=[dict(type='PackAffectInputs')])
val_dataloader['dataset'].update(features=features, pipeline=[dict(type='PackAffectInputs')])
test_dataloader = val_dataloader
