from .ccc_metric import CCCMetric
from .trace_writer import TraceWriter

__all__ = ['CCCMetric', 'TraceWriter']
