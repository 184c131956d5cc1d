# Recursive joint cross-attention, two iterations.
from mmengine.config import read_base

with read_base():
    from .._base_.comparison_affwild2 import *

model.update(neck=dict(type='RJCA', seq_len=300, num_iters=2, dropout=0.5, **sizes))
