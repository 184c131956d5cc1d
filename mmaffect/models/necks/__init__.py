from .base import FusionNeck
from .concat import ConcatFusion
from .grjca import GRJCA
from .rjca import RJCA

__all__ = ['GRJCA', 'RJCA', 'ConcatFusion', 'FusionNeck']
