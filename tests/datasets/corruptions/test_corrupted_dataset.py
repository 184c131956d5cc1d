import pickle
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from mmaffect.datasets import Corpus
from mmaffect.engine.running import load_config
from mmaffect.errors import ConfigError
from mmaffect.registry import DATASETS
from tests.corpora import write_corpus

CONFIG = Path(__file__).parents[3] / 'configs/grjca_demo.py'

BOTH = [dict(type='AudioDropout', severity=2), dict(type='FaceBlur', severity=4)]
ALL = [
    *BOTH,
    dict(type='VoiceSwap'),
    dict(type='AudioShift'),
    dict(type='AudioNoise', noise='pink'),
    dict(type='FaceJPEG'),
    dict(type='FaceOcclusion'),
    dict(type='FaceDropout'),
]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp('corpus'), face_size=16)


def build(root, corruptions=BOTH, split='val', **arguments):
    base = dict(type='AffectDataset', data_root=str(root), split=split, window=20, hop=10)
    return DATASETS.build({**base, 'corruptions': corruptions, **arguments})


def comparable(item):
    return {key: value for key, value in item.items() if key != 'rng'}


def test_windows_are_cut_from_the_corrupted_trial(root):
    dataset = build(root)
    for i in range(len(dataset)):
        item = dataset[i]
        trial = dataset.trial(item['trial'])
        span = slice(item['start'], item['start'] + 20)
        assert np.array_equal(item['faces'], trial.faces[span])
    clean = Corpus(root)['d1']
    corrupted = dataset.trial('d1')
    assert (corrupted.faces != clean.faces).any()
    assert (corrupted.logmel != clean.logmel).any()
    assert np.array_equal(corrupted.targets, clean.targets, equal_nan=True)
    assert np.array_equal(corrupted.timestamps, clean.timestamps)


def test_without_corruptions_a_trial_is_that_of_the_corpus(root):
    dataset = build(root, [])
    assert dataset.trial('d1') is dataset.corpus['d1']


def test_windows_are_the_same_with_any_number_of_workers_and_in_any_order(root):
    alone = build(root, ALL)
    expected = [comparable(alone[i]) for i in reversed(range(len(alone)))][::-1]
    loader = DataLoader(build(root, ALL), 1, num_workers=2, collate_fn=list)
    found = [comparable(batch[0]) for batch in loader]
    copied = pickle.loads(pickle.dumps(alone))
    for i, (one, other) in enumerate(zip(expected, found, strict=True)):
        again = comparable(copied[i])
        assert one.keys() == other.keys() == again.keys()
        for key, value in one.items():
            for second in (other[key], again[key]):
                assert np.array_equal(value, second, equal_nan=key == 'affect'), (i, key)


def test_landmarks_go_with_the_face(root, tmp_path):
    corpus = Corpus(root)
    for trial in corpus.trials:
        np.save(tmp_path / f'{trial}.npy', np.full((corpus.info(trial).num_frames, 16, 16), 7, np.uint8))
    one = dict(modalities=['visual'], masks=str(tmp_path), clip_frames=3)
    clean, lost = build(root, [], **one), build(root, [dict(type='FaceDropout')], **one)
    seen = set()
    for i in range(len(clean)):
        window, index = lost[i], lost[i]['clip_index']
        frames = window['start'] - 2 + np.arange(len(window['faces']))
        present = lost.trial(window['trial']).face_present
        for frame, face in zip(frames, window['faces'], strict=True):
            there = 0 <= frame < len(present) and present[frame]
            assert (face[..., 3] == 7 * there).all()
            seen.add(there)
        assert np.array_equal(index, clean[i]['clip_index'])
    assert seen == {True, False}
    blurred = build(root, [dict(type='FaceBlur')], **{**one, 'clip_frames': 1})[0]
    assert (blurred['faces'][..., 3] == 7).sum() == 20 * 16 * 16 - 256 * (~Corpus(root)['d1'].face_present[:20]).sum()


def test_the_corpus_is_not_changed(root):
    dataset = build(root)
    for i in range(len(dataset)):
        dataset[i]
    used = dataset.corpus
    for name in ('d1', 'd2'):
        Corpus(root).verify(name)
        for key in ('faces', 'logmel'):
            assert np.array_equal(getattr(used[name], key), getattr(Corpus(root)[name], key))


def test_metainfo_tells_what_was_done(root):
    assert build(root).metainfo['split'] == (
        'validation, fold 0 (official split), corrupted by AudioDropout(severity=2) and FaceBlur(severity=4)'
    )


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (dict(corruptions=[dict(type='FaceBlurr')]), r"corruptions\.0\.type='FaceBlurr': no such .* FaceBlur"),
        (dict(corruptions=[*BOTH, dict(severity=2)]), r'corruptions\.2='),
        (dict(corruptions=[dict(type='FaceBlur', strength=2)]), 'strength'),
        (dict(corruptions=[dict(type='FaceBlur', severity=6)]), 'severity=6; expected'),
        (dict(modalities=['audio']), r"corruptions\.1=FaceBlur\(severity=4\): changes 'visual', modalities"),
        (dict(features=dict(audio='demo/audio')), r"corruptions\.0=.*'audio', which is read from .* 'demo/audio'"),
    ],
)
def test_wrong_arguments_are_named(root, arguments, text):
    with pytest.raises(ConfigError, match=text):
        build(root, **{'corruptions': BOTH, **arguments})


@pytest.mark.parametrize(
    ('value', 'text'),
    [
        (
            [dict(type='AudioNoize')],
            r"corruptions\.0\.type = 'AudioNoize': no such corruption; did you mean 'AudioNoise'",
        ),
        ([dict(type='FaceBlur', sevrity=2)], r"corruptions\.0\.sevrity: no such argument of FaceBlur; .*'severity'"),
        (
            [dict(type='FaceBlur'), dict(type='AudioNoise', severity=6)],
            r'corruptions\.1\.severity = 6: expected 1 or 2',
        ),
        ([dict(type='AudioNoise', noise='pnik')], r"corruptions\.0\.noise = 'pnik': .*'pink'"),
        ([dict(severity=2)], r'corruptions\.0: expected dict\(type='),
        ('AudioNoise', r"corruptions = 'AudioNoise': expected a list"),
    ],
)
def test_a_config_is_checked_before_anything_is_built(value, text):
    with pytest.raises(ConfigError, match=rf'test_dataloader\.dataset\.{text}'):
        load_config(CONFIG, options={'test_dataloader.dataset.corruptions': value})


def test_a_config_with_corruptions(root):
    value = [dict(type='AudioNoise', severity=5, noise='pink'), dict(type='FaceJPEG', quality=7)]
    cfg = load_config(CONFIG, options={'test_dataloader.dataset.corruptions': value}, data_root=str(root))
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    assert [repr(one) for one in dataset.corruptions] == [
        "AudioNoise(severity=5, noise='pink')",
        'FaceJPEG(quality=7)',
    ]
    # The validation of a training is as it was.
    assert 'corruptions' not in cfg.val_dataloader.dataset
