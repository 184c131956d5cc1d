from .crop import CenterCrop, RandomCrop, RandomFlip
from .formatting import PackAffectInputs

__all__ = ['CenterCrop', 'PackAffectInputs', 'RandomCrop', 'RandomFlip']
