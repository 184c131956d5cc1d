from .residual_lstm import ResidualLSTM
from .tcn import TemporalConvNet

__all__ = ['ResidualLSTM', 'TemporalConvNet']
