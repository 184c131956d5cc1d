from .crop import CenterFaceCrop, RandomFaceCrop, RandomFaceFlip
from .formatting import PackAffectInputs

__all__ = ['CenterFaceCrop', 'PackAffectInputs', 'RandomFaceCrop', 'RandomFaceFlip']
