from .affect_data_preprocessor import AffectDataPreprocessor

__all__ = ['AffectDataPreprocessor']
