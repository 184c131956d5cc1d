# Leader-follower attention in the form of ABAW2.
from mmengine.config import read_base

with read_base():
    from .._base_.comparison_affwild2 import *

model.update(neck=dict(type='LFAN', **sizes))
model['head'].update(in_channels=320)
