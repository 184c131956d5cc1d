# Leader-follower attention in the form of ABAW3 and ABAW5.
from mmengine.config import read_base

with read_base():
    from .._base_.comparison_affwild2 import *

model.update(neck=dict(type='MultiheadLFAN', **sizes))
model['head'].update(in_channels=320)
