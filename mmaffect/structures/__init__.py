from .affect_data_sample import AFFECT, AffectDataSample

__all__ = ['AFFECT', 'AffectDataSample']
