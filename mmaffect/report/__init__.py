"""Self-contained HTML pages of traces: of one recording, and of a whole validation set."""

from .trace_report import report_html, write_report
from .validation_report import write_validation_report

__all__ = ['report_html', 'write_report', 'write_validation_report']
