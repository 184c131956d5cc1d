"""A prepared corpus of a study: random features that say something of affect, and conditions."""

from pathlib import Path

import numpy as np

from mmaffect.datasets import Corpus
from mmaffect.datasets.features import FeatureWriter
from tests.corpora import write_corpus

TRIALS = [
    ('a1', 'train', 130, True),
    ('a2', 'train', 60, False),
    ('b1', 'val', 170, True),
    ('b2', 'val', 40, True),
    ('b3', 'val', 101, False),
]
WORDS = ('normal', 'silence', 'frozen_face')


def words_of(frames: int, number: int) -> list[str]:
    """Conditions of a trial: normal, then two kinds, then normal again."""
    third = frames // 3
    return [WORDS[0]] * third + [WORDS[1 + number % 2]] * 20 + [WORDS[0]] * (frames - third - 20)


def write_study_corpus(root: Path) -> Path:
    """Features of 64 channels a modality; of b3 there is no sound."""
    conditions = {name: words_of(frames, n) for n, (name, _, frames, _) in enumerate(TRIALS)}
    write_corpus(root, TRIALS, conditions=conditions)
    corpus = Corpus(root)
    for k, modality in enumerate(('visual', 'audio')):
        writer = FeatureWriter(root / f'features/demo/{modality}', {'of': modality})
        for n, (trial, _, frames, _) in enumerate(TRIALS):
            g = np.random.default_rng((n, k))
            affect = np.nan_to_num(corpus[trial].targets) @ g.normal(size=(2, 64))
            writer.write(trial, (affect + g.normal(size=(frames, 64))).astype(np.float32))
    return root
