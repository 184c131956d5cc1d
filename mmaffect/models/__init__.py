from .backbones import IResNet, VGGish
from .estimators import AffectEstimator, Stream
from .heads import AffectHead
from .losses import CCCLoss
from .necks import GRJCA, RJCA, ConcatFusion
from .preprocessors import AffectDataPreprocessor
from .temporal import TemporalConvNet

__all__ = [
    'GRJCA',
    'RJCA',
    'AffectDataPreprocessor',
    'AffectEstimator',
    'AffectHead',
    'CCCLoss',
    'ConcatFusion',
    'IResNet',
    'Stream',
    'TemporalConvNet',
    'VGGish',
]
