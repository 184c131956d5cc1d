# Precision-weighted fusion, our own, beside joint cross-attention as released.
from mmengine.config import read_base

with read_base():
    from .._base_.comparison_affwild2 import *

model.update(
    neck=dict(type='PrecisionFusion', beside=dict(type='LowRankJCA', seq_len=300, encoded=64, **sizes), **sizes)
)
model['head'].update(in_channels=264)
