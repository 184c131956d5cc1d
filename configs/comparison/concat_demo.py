# Concatenation, the fusion of Kuhnke et al.
from mmengine.config import read_base

with read_base():
    from .._base_.comparison_demo import *

model.update(neck=dict(type='ConcatFusion', **sizes))
