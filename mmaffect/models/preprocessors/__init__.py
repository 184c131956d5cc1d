from .affect_data_preprocessor import AffectDataPreprocessor, Waveforms

__all__ = ['AffectDataPreprocessor', 'Waveforms']
