# LFAN (Zhang et al., ICCVW 2021) on Aff-Wild2 with all three streams of its form of ABAW2. The third are MFCC, 39 a
# frame, from data/affwild2/features/mfcc/<trial>.npy (openSMILE in the authors' code).
from mmengine.config import read_base

with read_base():
    from .lfan_affwild2 import *

model['further'] = dict(
    mfcc=dict(
        type='Stream',
        in_channels=39,
        temporal=dict(type='TemporalConvNet', in_channels=39, channels=[32, 32, 32, 32]),
    )
)
model['neck'].update(further_channels=dict(mfcc=32))
model['head'].update(in_channels=224)

train_dataloader['dataset'].update(features=dict(mfcc='mfcc'))
val_dataloader['dataset'].update(features=dict(mfcc='mfcc'))
test_dataloader = val_dataloader
