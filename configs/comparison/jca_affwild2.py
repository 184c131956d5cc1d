# Joint cross-attention in the form of the GRJCA paper, section 1.3, once.
from mmengine.config import read_base

with read_base():
    from .._base_.comparison_affwild2 import *

model.update(neck=dict(type='RJCA', seq_len=300, num_iters=1, dropout=0.5, **sizes))
