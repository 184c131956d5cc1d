import pytest

from mmaffect.datasets.folds import fold_name, split_folds
from mmaffect.datasets.windows import window_starts


@pytest.mark.parametrize('length', range(1, 1200, 37))
def test_windows_cover_every_frame_and_stay_inside(length):
    starts = window_starts(length, 300, 200)
    covered = {frame for start in starts for frame in range(start, min(start + 300, length))}
    assert covered == set(range(length))
    assert length < 300 or all(start + 300 <= length for start in starts)
    assert starts == sorted(set(starts))
    assert starts[:-1] == list(range(0, 200 * (len(starts) - 1), 200))


def test_last_window_is_the_last_300_frames():
    assert window_starts(500, 300, 200) == [0, 200]
    assert window_starts(501, 300, 200) == [0, 200, 201]


@pytest.mark.parametrize('hop', [0, -1, 301])
def test_hop_that_leaves_frames_out(hop):
    with pytest.raises(ValueError, match=f'hop={hop}'):
        window_starts(1000, 300, hop)


# systems.md's table: validation trials of each fold among 356 training and 76 validation trials of Aff-Wild2.
@pytest.mark.parametrize(
    ('fold', 'first', 'last'),
    [(0, 356, 431), (1, 284, 355), (2, 213, 283), (3, 142, 212), (4, 71, 141), (5, 0, 70)],
)
def test_folds_of_aff_wild2(fold, first, last):
    names = [f'{i:03d}' for i in range(432)]
    train, val = split_folds(names[:356], names[356:], fold)
    assert val == names[first : last + 1]
    assert sorted(train + val) == names


def test_fold_that_does_not_exist():
    with pytest.raises(ValueError, match='fold=7; expected 0 to 5'):
        split_folds([], [], 7)
    assert 'official' in fold_name(0)
    assert 'not comparable' in fold_name(1)
