# Clips of faces of 112x112 pixels, as Aff-Wild2 distributes them: prepare_affwild2.py --face-size 112.
# Runtime and schedule are those of the other configs. A training epoch has one of the windows that begin next to each
# other (random_phase), so that its length is about theirs; validation has them all.
from mmengine.config import read_base

with read_base():
    from .affwild2 import *
    from .default_runtime import *
    from .schedule_100e import *

auto_scale_lr.update(base_batch_size=8)
train_dataloader.update(batch_size=8)
train_dataloader['dataset'].update(
    data_root='data/affwild2_112',
    random_phase=True,
    pipeline=[
        dict(type='RandomFaceCrop', size=112),
        dict(type='RandomFaceFlip', prob=0.5),
        dict(type='PackAffectInputs'),
    ],
)
val_dataloader.update(batch_size=8)
val_dataloader['dataset'].update(
    data_root='data/affwild2_112',
    pipeline=[dict(type='CenterFaceCrop', size=112), dict(type='PackAffectInputs')],
)
test_dataloader = val_dataloader
