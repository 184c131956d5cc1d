# GRJCA: two gated iterations, stage gate.
from mmengine.config import read_base

with read_base():
    from .._base_.comparison_demo import *

model.update(neck=dict(type='GRJCA', seq_len=100, num_iters=2, temperature=0.1, dropout=0.5, **sizes))
