import numpy as np
import pytest

from mmaffect.datasets.corruptions.spans import draw_spans, within


@pytest.mark.parametrize('length', [0.5, 7.0, 60.0, 1000.0])
def test_spans_have_their_share_and_grow(length):
    times = np.linspace(-1, length + 3, 999)
    before = np.zeros(len(times), bool)
    for share in (0.0, 0.1, 0.25, 0.5, 0.9, 1.0):
        spans = draw_spans(np.random.default_rng(3), 2.0, 2.0 + length, share)
        assert np.isclose(np.diff(spans).sum(), share * length)
        edges = spans.ravel()
        assert (np.diff(edges) >= -1e-9).all()
        assert edges[0] >= 2
        assert edges[-1] <= 2 + length + 1e-9
        now = within(times, spans)
        assert np.array_equal(now, [any(start <= time < stop for start, stop in spans) for time in times])
        assert (now | ~before).all()
        before = now


def test_spans_are_all_over_the_trial():
    starts = draw_spans(np.random.default_rng(0), 0.0, 800.0, 0.2)[:, 0]
    assert len(starts) == 100
    assert np.histogram(starts, 8, (0, 800))[0].min() > 5
    assert np.diff(starts).std() > 1
