"""What holds for every corruption."""

import re

import numpy as np
import pytest

from mmaffect.datasets import Corpus, corruptions
from mmaffect.errors import ConfigError
from mmaffect.registry import CORRUPTIONS
from tests.datasets.corruptions.spoken_corpus import write_spoken_corpus

CORRUPTIONS.import_from_location()
NAMES = sorted(CORRUPTIONS.module_dict)
ARGUMENT = dict(
    AudioDropout='share',
    AudioNoise='snr',
    AudioShift='seconds',
    FaceBlur='sigma',
    FaceDropout='share',
    FaceJPEG='quality',
    FaceOcclusion='share',
    VoiceSwap='share',
)
ARRAYS = dict(audio=('logmel', 'waveform'), visual=('faces', 'face_present'))


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
    return Corpus(write_spoken_corpus(tmp_path_factory.mktemp('corpus'), waveform_rate=8000, side=32))


def make(name, severity=3, **arguments):
    return CORRUPTIONS.build(dict(type=name, severity=severity, **arguments))


def same(one, other):
    return all(np.array_equal(getattr(one, key), getattr(other, key)) for key in sum(ARRAYS.values(), ()))


def test_every_corruption_is_exported_and_tested():
    assert sorted(ARGUMENT) == NAMES
    assert set(NAMES) <= set(corruptions.__all__)


@pytest.mark.parametrize('name', NAMES)
def test_only_the_modality_is_damaged_and_nothing_of_the_corpus(corpus, name):
    before = Corpus(corpus.root)['a']
    corruption = make(name)
    damaged = corruption.apply(corpus['a'], corpus)
    other = 'visual' if corruption.modality == 'audio' else 'audio'
    assert same(corpus['a'], before)
    assert not same(damaged, before)
    for key in (*ARRAYS[other], 'targets', 'valid', 'timestamps'):
        assert np.array_equal(getattr(damaged, key), getattr(before, key)), key
    for key in ('faces', 'logmel', 'waveform'):
        one, clean = getattr(damaged, key), getattr(before, key)
        assert (one.dtype, one.shape) == (clean.dtype, clean.shape)
        # What is new may be written to without reaching the corpus.
        if key in ARRAYS[corruption.modality]:
            assert not np.shares_memory(one, getattr(corpus['a'], key))


@pytest.mark.parametrize('name', NAMES)
def test_damage_depends_on_seed_and_trial_only(corpus, name):
    first = make(name)
    expected = {trial: first.apply(corpus[trial], corpus) for trial in ('a', 'b')}
    second = make(name)
    again = Corpus(corpus.root)
    for trial in ('b', 'a', 'b'):
        assert same(second.apply(again[trial], again), expected[trial])
    if name not in ('FaceBlur', 'FaceJPEG'):
        others = [make(name, seed=seed).apply(corpus['a'], corpus) for seed in (1, 2, 3, 4, 5)]
        assert not all(same(one, expected['a']) for one in others)


@pytest.mark.parametrize('name', NAMES)
def test_more_severe_is_further_from_the_clean_trial(corpus, name):
    clean = corpus['a']
    found = []
    for severity in corruptions.SEVERITIES:
        damaged = make(name, severity).apply(clean, corpus)
        keys = ('logmel', 'waveform') if damaged.logmel is not clean.logmel else ('faces',)
        found.append([np.abs(getattr(damaged, key).astype(float) - getattr(clean, key)).mean() for key in keys])
    if name == 'AudioShift':  # beyond a syllable or two, sound is as different as it can be
        assert (np.array(found) > 0).all()
    else:
        assert (np.diff(found, axis=0) > 0).all()
        assert (np.array(found[0]) > 0).all()


@pytest.mark.parametrize('name', NAMES)
def test_the_table_of_the_docstring_is_what_is_used(name):
    rows = [line.split() for line in CORRUPTIONS.get(name).__doc__.splitlines() if re.match(r' +\w+,?.* +-?\d', line)]
    table = next(row for row in rows if row[0].rstrip(',') == ARGUMENT[name])
    values = tuple(float(cell) for cell in table[-5:])
    assert values == CORRUPTIONS.get(name).LEVELS
    assert [make(name, severity).level for severity in corruptions.SEVERITIES] == list(values)


@pytest.mark.parametrize('name', NAMES)
def test_an_explicit_value_takes_the_place_of_the_severity(corpus, name):
    corruption = CORRUPTIONS.get(name)
    value = 0.4 if name.endswith(('Dropout', 'Occlusion', 'Swap', 'Blur')) else 7
    one = corruption(severity=5, **{ARGUMENT[name]: value})
    assert one.level == value
    assert repr(one) == f'{name}({ARGUMENT[name]}={value})'
    assert same(one.apply(corpus['a'], corpus), corruption(**{ARGUMENT[name]: value}).apply(corpus['a'], corpus))


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (dict(severity=0), 'severity=0; expected an integer from 1 to 5'),
        (dict(severity=True), 'severity=True'),
        (dict(severity=2.5), r'severity=2\.5'),
        (dict(seed=-1), 'seed=-1; expected an integer of at least 0'),
        (dict(value=1e9), 'expected a number from'),
        (dict(value='much'), "='much'; expected a number from"),
        (dict(value=float('nan')), 'expected a number from'),
    ],
)
def test_wrong_arguments_are_named(name, arguments, text):
    arguments = {ARGUMENT[name] if key == 'value' else key: value for key, value in arguments.items()}
    with pytest.raises(ConfigError, match=f'{name}: .*{text}'):
        CORRUPTIONS.get(name)(**arguments)


def test_a_trial_without_the_modality_is_left_as_it_is(corpus):
    for name in NAMES:
        corruption = make(name)
        if corruption.modality == 'audio':
            assert corruption.apply(corpus['mute'], corpus) is corpus['mute']
        else:
            gone = make('FaceDropout', share=1.0).apply(corpus['mute'], corpus)
            assert gone.info.faces_present == 0
            assert corruption.apply(gone, corpus) is gone
