from typing import TYPE_CHECKING

from .complexity import get_complexity
from .model import get_model, init_model
from .zoo import get_model_info, list_models

if TYPE_CHECKING:
    from ..inference.inferencer import AffectInferencer

__all__ = ['AffectInferencer', 'get_complexity', 'get_model', 'get_model_info', 'init_model', 'list_models']


def __getattr__(name: str) -> object:
    # It is built on what is above.
    if name == 'AffectInferencer':
        from ..inference.inferencer import AffectInferencer

        return AffectInferencer
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
