import pytest

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
