# GRJCA on the synthetic demo corpus: the classes of grjca_affwild2.py, narrower and shallower.
from mmengine.config import read_base

with read_base():
    from ._base_.demo import *

model = dict(
    type='AffectEstimator',
    data_preprocessor=data_preprocessor,
    visual=visual_stream,
    audio=audio_stream,
    neck=dict(
        type='GRJCA', audio_channels=64, visual_channels=64, seq_len=100, num_iters=2, temperature=0.1, dropout=0.5
    ),
    head=head,
)
