from .backbones import (
    I3D,
    AudioResNet,
    ClipTCN,
    IResNet,
    MMBackbone,
    R2Plus1D,
    TimmBackbone,
    TorchaudioBackbone,
    VGGish,
)
from .estimators import AffectEstimator, Stream, WaveformStream
from .heads import AffectHead
from .losses import CCCLoss
from .necks import (
    GRJCA,
    LFAN,
    RJCA,
    ConcatFusion,
    CrossAttention,
    FusionNeck,
    LowRankJCA,
    MultiheadLFAN,
    ReleasedGRJCA,
    ReleasedRJCMA,
)
from .preprocessors import AffectDataPreprocessor
from .temporal import ResidualLSTM, TemporalConvNet

__all__ = [
    'GRJCA',
    'I3D',
    'LFAN',
    'RJCA',
    'AffectDataPreprocessor',
    'AffectEstimator',
    'AffectHead',
    'AudioResNet',
    'CCCLoss',
    'ClipTCN',
    'ConcatFusion',
    'CrossAttention',
    'FusionNeck',
    'IResNet',
    'LowRankJCA',
    'MMBackbone',
    'MultiheadLFAN',
    'R2Plus1D',
    'ReleasedGRJCA',
    'ReleasedRJCMA',
    'ResidualLSTM',
    'Stream',
    'TemporalConvNet',
    'TimmBackbone',
    'TorchaudioBackbone',
    'VGGish',
    'WaveformStream',
]
