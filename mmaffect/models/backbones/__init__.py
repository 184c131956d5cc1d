from .iresnet import IResNet
from .vggish import VGGish

__all__ = ['IResNet', 'VGGish']
