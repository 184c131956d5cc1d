from .functional import combine, concordance_correlation_coefficient, smooth
from .metrics import CCCMetric, TraceWriter
from .predictions import read_predictions
from .sample_file import Sample, make_sample, read_sample, write_sample
from .submission import SubmissionReport, check_submission, write_submission, write_trial_files

__all__ = [
    'CCCMetric',
    'Sample',
    'SubmissionReport',
    'TraceWriter',
    'check_submission',
    'combine',
    'concordance_correlation_coefficient',
    'make_sample',
    'read_predictions',
    'read_sample',
    'smooth',
    'write_sample',
    'write_submission',
    'write_trial_files',
]
