from .ccc import Moments, bootstrap_interval, concordance_correlation_coefficient, degenerate
from .merge import TrialPrediction, merge_windows

__all__ = [
    'Moments',
    'TrialPrediction',
    'bootstrap_interval',
    'concordance_correlation_coefficient',
    'degenerate',
    'merge_windows',
]
