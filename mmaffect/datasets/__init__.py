from .affect_dataset import AffectDataset
from .collate import collate_windows
from .corpus import Corpus, Trial, TrialInfo
from .corpus_writer import CorpusWriter
from .sampler import WindowSampler
from .transforms import CenterFaceCrop, PackAffectInputs, RandomFaceCrop, RandomFaceFlip

__all__ = [
    'AffectDataset',
    'CenterFaceCrop',
    'Corpus',
    'CorpusWriter',
    'PackAffectInputs',
    'RandomFaceCrop',
    'RandomFaceFlip',
    'Trial',
    'TrialInfo',
    'WindowSampler',
    'collate_windows',
]
