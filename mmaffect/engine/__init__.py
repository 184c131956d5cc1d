from .hooks import CheckpointHook, CorpusStatisticsHook
from .log_processor import LogProcessor
from .loops import EpochBasedTrainLoop
from .optim import AutocastOptimWrapper
from .schedulers import PlateauLR, SawToothWarmupLR

__all__ = [
    'AutocastOptimWrapper',
    'CheckpointHook',
    'CorpusStatisticsHook',
    'EpochBasedTrainLoop',
    'LogProcessor',
    'PlateauLR',
    'SawToothWarmupLR',
]
