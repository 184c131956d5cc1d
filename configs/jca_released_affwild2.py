# Joint cross-attention on Aff-Wild2 with the fusion that its authors released: a low-rank map in the place of the
# paper's W_c. The head uses both attended modalities (as released, its shapes do not fit); it and the schedule are
# those of jca_affwild2.py.
from mmengine.config import read_base

with read_base():
    from .jca_affwild2 import *

model['neck'] = dict(type='LowRankJCA', audio_channels=512, visual_channels=512, seq_len=8, encoded=128, rank=32)
model['head'].update(in_channels=256, tanh=False)
