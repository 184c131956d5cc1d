from .checkpoint_guard_hook import CheckpointGuardHook
from .corpus_statistics_hook import CorpusStatisticsHook
from .logger_hook import LoggerHook

__all__ = ['CheckpointGuardHook', 'CorpusStatisticsHook', 'LoggerHook']
