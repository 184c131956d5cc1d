from .functional import concordance_correlation_coefficient
from .metrics import CCCMetric, TraceWriter

__all__ = ['CCCMetric', 'TraceWriter', 'concordance_correlation_coefficient']
