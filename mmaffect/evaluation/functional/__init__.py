from .ccc import Moments, bootstrap_interval, concordance_correlation_coefficient, degenerate
from .merge import TrialPrediction, merge_windows
from .table import figures_table

__all__ = [
    'Moments',
    'TrialPrediction',
    'bootstrap_interval',
    'concordance_correlation_coefficient',
    'degenerate',
    'figures_table',
    'merge_windows',
]
