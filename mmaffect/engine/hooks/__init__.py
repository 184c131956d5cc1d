from .checkpoint_guard_hook import CheckpointGuardHook
from .checkpoint_hook import CheckpointHook
from .corpus_statistics_hook import CorpusStatisticsHook
from .early_stopping_hook import EarlyStoppingHook
from .gate_statistics_hook import GateStatisticsHook
from .gradual_release_hook import GradualReleaseHook
from .logger_hook import LoggerHook
from .revert_to_best_hook import RevertToBestHook

__all__ = [
    'CheckpointGuardHook',
    'CheckpointHook',
    'CorpusStatisticsHook',
    'EarlyStoppingHook',
    'GateStatisticsHook',
    'GradualReleaseHook',
    'LoggerHook',
    'RevertToBestHook',
]
