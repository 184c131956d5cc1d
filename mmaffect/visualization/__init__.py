from .comparison import comparison_figure
from .overlay import Overlay, write_overlay
from .run_log import Run, read_run
from .run_plot import draw_runs
from .traces import draw_traces, trace_figure

__all__ = [
    'Overlay',
    'Run',
    'comparison_figure',
    'draw_runs',
    'draw_traces',
    'read_run',
    'trace_figure',
    'write_overlay',
]
