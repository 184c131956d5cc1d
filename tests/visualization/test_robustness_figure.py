"""The picture of what corruptions cost."""

import cv2
import numpy as np
import pytest

from mmaffect.visualization.figure import save_figure
from mmaffect.visualization.robustness import robustness_figure

VALENCE, AROUSAL = (178, 114, 0), (0, 94, 213)


def places(path, figure, bgr):
    """Rows and columns of the pixels of a colour."""
    save_figure(figure, path)
    image = cv2.imread(str(path)).astype(int)
    return np.nonzero((np.abs(image - bgr) < 25).all(axis=2))


def test_curves_stand_where_their_values_are(tmp_path):
    curves = {'valence': {'FaceBlur': [0.7, 0.6, 0.5]}, 'arousal': {'FaceBlur': [0.4, 0.2, 0.0]}}
    figure = robustness_figure(curves, [0, 2, 5], title='a title', note='small print')
    (panel,) = figure.axes
    first, second = panel.lines[:2]
    assert first.get_xydata().tolist() == [[0, 0.7], [2, 0.6], [5, 0.5]]
    assert second.get_ydata().tolist() == [0.4, 0.2, 0.0]
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ['clean', '2', '5']
    assert panel.get_title() == 'FaceBlur'
    rows, columns = places(tmp_path / 'a.png', figure, VALENCE)
    line = columns < columns.max() - 40  # right of it, the legend
    assert np.median(rows[line]) < np.median(places(tmp_path / 'a.png', figure, AROUSAL)[0])
    falling = rows[line], columns[line]
    assert falling[0][falling[1] < np.median(falling[1])].mean() < falling[0][falling[1] > np.median(falling[1])].mean()


def test_a_panel_a_corruption_and_a_line_a_model(tmp_path):
    names = [f'corruption {i}' for i in range(6)]
    curves = {model: {name: [0.5, 0.4 - i / 10] for name in names[: 6 - i]} for i, model in enumerate('abc')}
    figure = robustness_figure(curves, [0, 3], title='t', note='small print')
    panels = [panel for panel in figure.axes if panel.get_visible()]
    assert [panel.get_title() for panel in panels] == names
    assert len(figure.axes) == 8
    drawn = [sum(len(line.get_xdata()) == 2 and line.get_marker() == 'o' for line in panel.lines) for panel in panels]
    assert drawn == [3, 3, 3, 3, 2, 1]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ['a', 'b', 'c']
    assert len({line.get_color() for line in legend.get_lines()}) == 3
    save_figure(figure, tmp_path / 'a.svg')
    assert '<!-- small print' in (tmp_path / 'a.svg').read_text()


def test_what_has_no_figure_is_a_gap():
    figure = robustness_figure({'mean': {'AudioNoise': [0.5, float('nan'), 0.25]}}, [0, 1, 2], title='t')
    assert figure.axes[0].lines[0].get_ydata().tolist() == pytest.approx([0.5, float('nan'), 0.25], nan_ok=True)
