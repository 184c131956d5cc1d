from .complexity import get_complexity
from .model import get_model, init_model
from .zoo import get_model_info, list_models

__all__ = ['get_complexity', 'get_model', 'get_model_info', 'init_model', 'list_models']
