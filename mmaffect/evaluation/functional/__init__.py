from .agreement import Agreement, agreement
from .ccc import Moments, bootstrap_interval, concordance_correlation_coefficient, degenerate
from .ensemble import combine
from .merge import TrialPrediction, merge_windows
from .smoothing import smooth
from .table import figures_table

__all__ = [
    'Agreement',
    'Moments',
    'TrialPrediction',
    'agreement',
    'bootstrap_interval',
    'combine',
    'concordance_correlation_coefficient',
    'degenerate',
    'figures_table',
    'merge_windows',
    'smooth',
]
