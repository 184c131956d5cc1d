from .comparison import draw_comparison
from .traces import draw_traces

__all__ = ['draw_comparison', 'draw_traces']
