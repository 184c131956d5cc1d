# GRJCA on Aff-Wild2: IR-50 + TCN, VGGish + TCN, two gated iterations, stage gate. arXiv 2503.12261 v1, section 2.2;
# docs/recipe.md has every number of it beside its key.
from mmengine.config import read_base

with read_base():
    from ._base_.affwild2 import *
    from ._base_.default_runtime import *
    from ._base_.gradual_release import *
    from ._base_.ir50_vggish import *
    from ._base_.schedule_100e import *

model = dict(
    type='AffectEstimator',
    data_preprocessor=data_preprocessor,
    visual=visual_stream,
    audio=audio_stream,
    neck=dict(
        type='GRJCA',
        audio_channels=128,
        visual_channels=256,
        seq_len=300,
        num_iters=2,
        temperature=0.1,
        dropout=0.5,
    ),
    head=head,
)

custom_hooks += [gradual_release, early_stopping]
