"""Frames and sound as they come, with a fixed latency."""

from .inferencer import StreamingInferencer
from .values import StreamValues

__all__ = ['StreamValues', 'StreamingInferencer']
