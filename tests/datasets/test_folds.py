import random
from itertools import chain

import pytest

from mmaffect.datasets import AffectDataset, Corpus
from mmaffect.datasets import folds as folds_module
from mmaffect.datasets.folds import check_fold, fold_name, shared_labels, split_folds
from mmaffect.errors import CorpusError
from tests.corpora import write_corpus

TRAIN, VAL = [f't{i:02d}' for i in range(20)], ['v0', 'v1', 'v2']


# Of the released code: validation trials of each fold among 356 training and 76 validation trials of Aff-Wild2.
@pytest.mark.parametrize(
    ('fold', 'first', 'last'),
    [(0, 356, 431), (1, 284, 355), (2, 213, 283), (3, 142, 212), (4, 71, 141), (5, 0, 70)],
)
@pytest.mark.parametrize('people', [None, {}, {f'{i:03d}': () for i in range(432)}])
def test_folds_of_aff_wild2(fold, first, last, people):
    names = [f'{i:03d}' for i in range(432)]
    train, val = split_folds(names[:356], names[356:], fold, people)
    assert val == names[first : last + 1]
    assert train == names[last + 1 :] + names[:first]


def test_fold_that_does_not_exist():
    with pytest.raises(ValueError, match='fold=7; expected 0 to 5'):
        split_folds([], [], 7)
    assert 'official' in fold_name(0)
    assert 'not comparable' in fold_name(1)


def parts(people, train=TRAIN, val=VAL):
    """Validation trials of folds 5, 4, ... 1, which are the parts in order."""
    return [split_folds(train, val, fold, people)[1] for fold in (5, 4, 3, 2, 1)]


def test_a_cut_moves_to_the_nearest_whole_person():
    # Cuts of 20 trials: after 4, 8, 12, 16.
    assert [len(part) for part in parts({'t03': ['p'], 't04': ['p']})] == [3, 5, 4, 4, 4]
    assert [len(part) for part in parts({'t02': ['p'], 't03': ['p'], 't04': ['p']})] == [5, 3, 4, 4, 4]
    # Nobody straddles a cut: nothing moves.
    assert parts({'t00': ['p'], 't03': ['p'], 't05': ['q'], 't06': ['q']})[2:] == parts(None)[2:]


def test_trials_of_a_person_that_lie_apart_come_together():
    found = parts({'t01': ['p'], 't19': ['p']})
    assert found[0] == ['t00', 't01', 't19', 't02']
    assert sorted(chain.from_iterable(found)) == TRAIN


def test_people_who_share_a_trial_stay_together_with_those_of_their_other_trials():
    # p is with q in one trial and q with r in another: three trials that no cut can part.
    found = parts({'t00': ['p'], 't07': ['p', 'q'], 't14': ['q', 'r'], 't19': ['r']})
    assert next(part for part in found if 't00' in part) == ['t00', 't07', 't14', 't19']


def test_a_person_with_most_of_the_trials_leaves_no_fold_empty():
    found = parts(dict.fromkeys(TRAIN[2:18], ('p',)))
    assert [len(part) for part in found] == [1, 1, 16, 1, 1]


def test_what_is_left_beside_a_large_group_is_cut_evenly():
    # 48 of 100 trials in a group: by multiples of 20 the parts behind it would hold 1, 11, 20 and 20 trials.
    train = [f't{i:03d}' for i in range(100)]
    found = parts(dict.fromkeys(train[:48], ('p',)), train)
    assert [len(part) for part in found] == [48, 13, 13, 13, 13]
    found = parts(dict.fromkeys(train[30:80], ('p',)), train)
    assert [len(part) for part in found] == [20, 10, 50, 10, 10]


def test_the_released_cut_stays_for_any_number_of_trials():
    for size in range(5, 60):
        train = [f't{i:02d}' for i in range(size)]
        assert [len(part) for part in parts({}, train)] == [size // 5] * 4 + [size - 4 * (size // 5)]


@pytest.mark.parametrize('seed', range(60))
def test_no_person_is_on_both_sides_whatever_the_corpus(seed):
    rng = random.Random(seed)
    size = rng.randint(5, 40)
    train, val = [f't{i:02d}' for i in range(size)], [f'v{i}' for i in range(rng.randint(1, 8))]
    names = [f'p{i}' for i in range(rng.randint(1, 2 * size))]
    people = {trial: rng.sample(names, rng.choice([0, 1, 1, 1, min(2, len(names))])) for trial in train + val}
    validated = []
    for fold in range(6):
        first, second = split_folds(train, val, fold, people)
        assert (first, second) == split_folds(train, val, fold, people)
        assert not set(first) & set(second)
        if fold == 0:
            assert (first, second) == (train, val)
            continue
        validated += second
        assert not {name for trial in first for name in people[trial]} & {n for trial in second for n in people[trial]}
        # Of the training trials none is lost; of the official validation trials only those of these people.
        left_out = set(train + val) - set(first) - set(second)
        here = {name for trial in second for name in people[trial]}
        assert left_out == {trial for trial in val if here & set(people[trial])}
        check_fold(first, second, fold, people)
    assert sorted(validated) == train


def test_a_person_of_the_official_training_and_validation(monkeypatch):
    people = {'t00': ['p'], 'v1': ['p'], 'v2': ['q']}
    train, val = split_folds(TRAIN, VAL, 5, people)
    assert val == TRAIN[:4]
    assert train == ['t04', *TRAIN[5:], 'v0', 'v2']
    assert 'v1' in split_folds(TRAIN, VAL, 4, people)[0]

    said = []
    monkeypatch.setattr(folds_module, 'print_log', lambda text, *_: said.append(text))
    check_fold(TRAIN, VAL, 0, people)
    assert len(said) == 1
    for part in ("'p'", "'t00' of training", "'v1' of validation", 'official split is kept as it is'):
        assert part in said[0]
    with pytest.raises(CorpusError, match=r"fold 3 .*'p' is in trial 't00' of training and in 'v1' of validation"):
        check_fold(TRAIN, VAL, 3, people)


def test_shared_labels():
    videos = {'a_left': ['a.mp4'], 'a_right': ['a.mp4'], 'b': ['b.mp4'], 'c': []}
    assert shared_labels(['a_left', 'b', 'c'], ['a_right', 'c'], videos) == {'a.mp4': ('a_left', 'a_right')}
    assert shared_labels(['a_left', 'a_right'], ['b'], videos) == {}


def test_a_video_of_nobody_known_stays_together_once_anybody_is_known(tmp_path):
    trials = [(f't{i}', 'train', 30, True) for i in range(5)] + [('v', 'val', 30, True)]
    videos = {'t3': 'both.mp4', 't4': 'both.mp4'}
    nobody = Corpus(write_corpus(tmp_path / 'nobody', trials, face_size=8, videos=videos))
    assert not any(nobody.people.values())
    one = Corpus(write_corpus(tmp_path / 'one', trials, face_size=8, videos=videos, subjects={'t0': 'p'}))
    assert one.people['t0'] == {'p'}
    assert one.people['t3'] == one.people['t4']
    assert len({*one.people.values()}) == 5
    assert split_folds(one.split('train'), one.split('val'), 1, one.people)[1] == ['t3', 't4']


def test_a_dataset_keeps_people_apart(tmp_path):
    trials = [(f't{i}', 'train', 30, True) for i in range(10)] + [('v', 'val', 30, True)]
    # Two of one video are heard in each other's trial.
    root = write_corpus(
        tmp_path,
        trials,
        face_size=40,
        subjects={f't{i}': f'p{i // 2}' for i in range(8)} | {'t8': 'p8', 't9': 'p9', 'v': 'p9'},
        videos={'t7': 'both.mp4', 't8': 'both.mp4'},
    )
    people = Corpus(root).people
    assert people['t7'] == people['t8'] == {'p3', 'p8'}
    for fold in range(1, 6):
        train, val = (
            {dataset.get_data_info(index)['trial'] for index in range(len(dataset))}
            for dataset in (AffectDataset(str(root), split, fold=fold, window=20, hop=10) for split in ('train', 'val'))
        )
        assert val
        assert not set().union(*map(people.get, train)) & set().union(*map(people.get, val))
