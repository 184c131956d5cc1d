from .affect_estimator import AffectEstimator
from .stream import Stream

__all__ = ['AffectEstimator', 'Stream']
