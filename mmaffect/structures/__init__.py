from .affect_data_sample import AffectDataSample

__all__ = ['AffectDataSample']
