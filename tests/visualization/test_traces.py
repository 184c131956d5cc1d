import cv2
import numpy as np
import pytest

from mmaffect.visualization import draw_traces


def drawn(path, pred, truth, **arguments):
    draw_traces(path, np.arange(len(pred)) / 25, pred, truth, **arguments)
    return cv2.imread(str(path))


def coloured(image, bgr, tolerance=60):
    """Rows of the pixels near a colour."""
    return np.nonzero((np.abs(image.astype(int) - bgr) < tolerance).all(axis=2))[0]


VALENCE, AROUSAL = (178, 114, 0), (0, 94, 213)


def test_higher_values_are_drawn_higher(tmp_path):
    nothing = np.full((50, 2), np.nan)
    high = drawn(tmp_path / 'high.png', np.full((50, 2), 0.8), nothing)
    low = drawn(tmp_path / 'low.png', np.full((50, 2), -0.8), nothing)
    for colour in (VALENCE, AROUSAL):
        assert np.median(coloured(high, colour)) < np.median(coloured(low, colour))
    assert np.median(coloured(high, VALENCE)) < np.median(coloured(high, AROUSAL))


def test_one_target_one_frame_and_other_formats(tmp_path):
    draw_traces(tmp_path / 'a.svg', np.zeros(1), np.zeros((1, 1)), np.zeros((1, 1)), targets=('arousal',))
    assert '<svg' in (tmp_path / 'a.svg').read_text()


def test_nothing_is_left_after_a_failure(tmp_path):
    with pytest.raises(ValueError, match='abc'):
        draw_traces(tmp_path / 'a.abc', np.arange(3), np.zeros((3, 2)), np.zeros((3, 2)))
    assert list(tmp_path.iterdir()) == []
