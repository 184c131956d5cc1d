# The same backbones for every fusion: IR-50 + TCN and VGGish + TCN on Aff-Wild2, as in GRJCA. A comparison's own file
# names the neck and the length of its output.
from mmengine.config import read_base

with read_base():
    from .affwild2 import *
    from .default_runtime import *
    from .ir50_vggish import *
    from .schedule_100e import *

model = dict(
    type='AffectEstimator', data_preprocessor=data_preprocessor, visual=visual_stream, audio=audio_stream, head=head
)
sizes = dict(audio_channels=128, visual_channels=256)
custom_hooks += [early_stopping]
