from .affect_dataset import AffectDataset
from .collate import collate_windows
from .corpus import Corpus, Trial, TrialInfo
from .corpus_writer import CorpusWriter
from .sampler import WindowSampler
from .transforms import CenterCrop, PackAffectInputs, RandomCrop, RandomFlip

__all__ = [
    'AffectDataset',
    'CenterCrop',
    'Corpus',
    'CorpusWriter',
    'PackAffectInputs',
    'RandomCrop',
    'RandomFlip',
    'Trial',
    'TrialInfo',
    'WindowSampler',
    'collate_windows',
]
