from .base import FusionNeck
from .concat import ConcatFusion
from .cross_attention import CrossAttention
from .grjca import GRJCA
from .lfan import LFAN, MultiheadLFAN
from .low_rank_jca import LowRankJCA
from .precision import PrecisionFusion
from .released_grjca import ReleasedGRJCA
from .released_joint_attention import ReleasedJointAttention
from .released_rjcma import ReleasedRJCMA
from .rjca import RJCA

__all__ = [
    'GRJCA',
    'LFAN',
    'RJCA',
    'ConcatFusion',
    'CrossAttention',
    'FusionNeck',
    'LowRankJCA',
    'MultiheadLFAN',
    'PrecisionFusion',
    'ReleasedGRJCA',
    'ReleasedJointAttention',
    'ReleasedRJCMA',
]
