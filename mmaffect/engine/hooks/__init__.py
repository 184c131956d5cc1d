from .checkpoint_guard_hook import CheckpointGuardHook
from .corpus_statistics_hook import CorpusStatisticsHook

__all__ = ['CheckpointGuardHook', 'CorpusStatisticsHook']
