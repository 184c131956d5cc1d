from .comparison import draw_comparison
from .run_log import Run, read_run
from .run_plot import draw_runs
from .traces import draw_traces

__all__ = ['Run', 'draw_comparison', 'draw_runs', 'draw_traces', 'read_run']
