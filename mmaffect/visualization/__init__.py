from .traces import draw_traces

__all__ = ['draw_traces']
