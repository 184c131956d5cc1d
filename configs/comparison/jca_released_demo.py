# Joint cross-attention as released: low rank.
from mmengine.config import read_base

with read_base():
    from .._base_.comparison_demo import *

model.update(neck=dict(type='LowRankJCA', seq_len=100, **sizes))
model['head'].update(in_channels=256)
