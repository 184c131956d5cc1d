from .affect_estimator import AffectEstimator
from .stream import Stream
from .waveform_stream import WaveformStream

__all__ = ['AffectEstimator', 'Stream', 'WaveformStream']
