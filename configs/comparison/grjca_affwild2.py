# GRJCA: two gated iterations, stage gate.
from mmengine.config import read_base

with read_base():
    from .._base_.comparison_affwild2 import *

model.update(neck=dict(type='GRJCA', seq_len=300, num_iters=2, temperature=0.1, dropout=0.5, **sizes))
