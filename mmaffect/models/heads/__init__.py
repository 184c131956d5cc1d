from .affect_head import AffectHead

__all__ = ['AffectHead']
