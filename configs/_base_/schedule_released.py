# The schedule of the released LFAN (ABAW3 and later) and GRJCA code: the paper's, but with weight decay 1e-3, a warm-up
# that begins at 0 in every epoch and ends at a fifth of the learning rate, frozen parts in train mode, and after every
# epoch back to the best weights. released.py has its order of windows.
from mmengine.config import read_base

with read_base():
    from .gradual_release import *
    from .schedule_100e import *

optim_wrapper['optimizer'].update(weight_decay=1e-3)
param_scheduler[0] = dict(type='SawToothWarmupLR', by_epoch=True, begin=0, end=5, convert_to_iter_based=True)
gradual_release.update(frozen_mode='train')
revert_to_best = dict(type='RevertToBestHook')
