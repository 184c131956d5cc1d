# HGRJCA as released: a gate an iteration and a stage gate.
from mmengine.config import read_base

with read_base():
    from .._base_.comparison_affwild2 import *

model.update(neck=dict(type='ReleasedGRJCA', seq_len=300, gating='hierarchical', **sizes))
