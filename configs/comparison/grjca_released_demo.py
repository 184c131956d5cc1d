# GRJCA as released: one 3-way gate.
from mmengine.config import read_base

with read_base():
    from .._base_.comparison_demo import *

model.update(neck=dict(type='ReleasedGRJCA', seq_len=100, gating='flat', **sizes))
