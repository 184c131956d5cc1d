from .hooks import CorpusStatisticsHook
from .optim import AutocastOptimWrapper

__all__ = ['AutocastOptimWrapper', 'CorpusStatisticsHook']
