# LFAN on Aff-Wild2 with all three streams that its authors' code has by default for ABAW3 and ABAW5. The third are
# eGeMAPS, 88 a frame, from data/affwild2_vggish/features/egemaps/<trial>.npy (openSMILE in the authors' code).
from mmengine.config import read_base

with read_base():
    from .lfan_abaw3_affwild2 import *

model['further'] = dict(
    egemaps=dict(
        type='Stream',
        in_channels=88,
        temporal=dict(type='TemporalConvNet', in_channels=88, channels=[32, 32, 32, 32]),
        batch_norm=True,
    )
)
model['neck'].update(further_channels=dict(egemaps=32))
model['head'].update(in_channels=224)

train_dataloader['dataset'].update(features=dict(egemaps='egemaps'))
val_dataloader['dataset'].update(features=dict(egemaps='egemaps'))
test_dataloader = val_dataloader
