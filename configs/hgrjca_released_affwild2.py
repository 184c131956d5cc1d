# HGRJCA on Aff-Wild2 as its authors released it: a gate an iteration and a stage gate, which is the paper's GRJCA in
# the form of the code; all else as in grjca_released_affwild2.py.
from mmengine.config import read_base

with read_base():
    from .grjca_released_affwild2 import *

model['neck'].update(gating='hierarchical')
