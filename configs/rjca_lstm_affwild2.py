# RJCA on Aff-Wild2 with the three LSTM stages of its released code: on either stream, and on the attended features; all
# else as in rjca_affwild2.py.
from mmengine.config import read_base

with read_base():
    from .rjca_affwild2 import *

lstm = dict(type='ResidualLSTM', out_channels=512, hidden=256)
model['visual'].update(temporal=dict(**lstm, in_channels=512, dropout=0.1))
model['audio'].update(temporal=dict(**lstm, in_channels=512, dropout=0.1))
model['neck'].update(joint=dict(**lstm, in_channels=1024, dropout=0.0))
model['head'].update(in_channels=512, tanh=False)
