from .plateau import PlateauLR
from .saw_tooth import SawToothWarmupLR

__all__ = ['PlateauLR', 'SawToothWarmupLR']
