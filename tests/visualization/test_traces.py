import cv2
import numpy as np
import pytest

from mmaffect.visualization import draw_traces, trace_figure
from mmaffect.visualization.figure import save_figure


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


FACE, VOICE = (167, 121, 204), (115, 158, 0)


def figure_pixels(path, **arguments):
    save_figure(trace_figure(np.arange(100) / 25, np.zeros((100, 2)), **arguments), path)
    return cv2.imread(str(path))


def columns_of(image, bgr):
    return np.nonzero((np.abs(image.astype(int) - bgr) < 12).all(axis=2))[1]


def test_presence_is_a_band_where_it_is(tmp_path):
    face, voice = np.arange(100) < 50, np.arange(100) >= 75
    image = figure_pixels(tmp_path / 'a.png', presence={'face': face, 'voice': voice})
    line = columns_of(image, VALENCE)
    left, right = line.min(), line.max()
    found = columns_of(image, FACE), columns_of(image, VOICE)
    assert (found[0].min(), found[0].max()) == pytest.approx((left, (left + right) / 2), abs=12)
    assert (found[1].min(), found[1].max()) == pytest.approx((left + 0.75 * (right - left), right), abs=12)
    assert not len(columns_of(figure_pixels(tmp_path / 'b.png', presence={'face': np.zeros(100, bool)}), FACE))


def test_gates_of_a_modality_share_a_panel():
    gates = {f'{m}/{g}': np.full(100, 0.5) for m in ('audio', 'visual') for g in ('iteration_1', 'stage_1', 'stage_2')}
    figure = trace_figure(np.arange(100) / 25, np.zeros((100, 2)), gates=gates, note='small ' * 100)
    panels = {panel.get_ylabel(): panel for panel in figure.axes}
    assert list(panels) == ['valence', 'arousal', 'audio\ngates', 'visual\ngates']
    panel = panels['visual\ngates']
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ['stage 1', 'stage 2', 'iteration 1']
    assert max(area.get_paths()[0].vertices[:, 1].max() for area in panel.collections) == 1.0
    assert figure.get_supxlabel().count('\n') > 2


def test_the_plane_has_valence_to_the_right_and_arousal_above():
    pred = np.stack([np.linspace(0.2, 0.6, 50), np.linspace(-0.4, -0.9, 50)], axis=1)
    figure = trace_figure(np.arange(50) / 25, pred, plane=True)
    plane = next(panel for panel in figure.axes if panel.get_xlabel() == 'valence')
    assert plane.get_ylabel() == 'arousal'
    np.testing.assert_array_equal(plane.collections[0].get_offsets(), pred)
    assert plane.get_xlim()[0] < plane.get_xlim()[1]
    single = trace_figure(np.arange(50) / 25, pred[:, :1], targets=('arousal',), plane=True)
    assert [panel.get_ylabel() for panel in single.axes] == ['arousal']
