# Cross-attention.
from mmengine.config import read_base

with read_base():
    from .._base_.comparison_affwild2 import *

model.update(neck=dict(type='CrossAttention', **sizes))
