import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.text import Text
from scipy.optimize import isotonic_regression

from mmaffect.study import figures, further_figures
from mmaffect.study.claims import StudyClaims
from mmaffect.study.design import FUSIONS
from mmaffect.study.drawing import apart, styles_of
from mmaffect.study.extras import read_example, read_robustness
from mmaffect.study.wording import NOTICE
from tests.study_material import made_table, write_example, write_robustness

EXTENSION = dataclasses.replace(FUSIONS['concat'], name='both', label='gate over both modalities', group='extension')
DESIGNS = {name: one for name, one in FUSIONS.items() if one.group != 'extension'} | {'both': EXTENSION}


@pytest.fixture(scope='module', autouse=True)
def few_draws():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('mmaffect.study.claims.RESAMPLES', 100)
        patch.setattr('mmaffect.study.claims.PERMUTATIONS', 5000)
        yield


@pytest.fixture(scope='module')
def claims():
    return StudyClaims(made_table(fusions=tuple(DESIGNS), weak=(0.0, 0.6), seeds=(0, 1), trials=12), DESIGNS)


def texts(figure):
    """All that is written in a figure."""
    figure.draw_without_rendering()
    found = [figure._supxlabel.get_text()] if figure._supxlabel else []
    for panel in figure.axes:
        found += [one.get_text() for one in (*panel.texts, panel.title, panel.xaxis.label, panel.yaxis.label)]
        found += [one.get_text() for one in (*panel.get_xticklabels(), *panel.get_yticklabels())]
        found += [] if panel.get_legend() is None else [one.get_text() for one in panel.get_legend().get_texts()]
    return found + [one.get_text() for legend in figure.legends for one in legend.get_texts()]


@pytest.mark.parametrize('values', [[0.3], [1, 1, 1], [5, 1, 1.2, 1.1, 9], list(np.random.default_rng(0).random(9))])
def test_names_are_as_near_to_their_lines_as_they_can_be(values):
    places = np.array(apart(values, 0.2))
    order = np.argsort(values, kind='stable')
    steps = 0.2 * np.arange(len(values))
    assert places[order] == pytest.approx(isotonic_regression(np.array(values)[order] - steps).x + steps)


@pytest.mark.parametrize('draw', [figures.ccc_figure, figures.hurt_figure])
def test_names_of_lines_are_there_and_do_not_overlap(claims, draw):
    figure = draw(claims)
    assert NOTICE in ' '.join(texts(figure)).replace('\n', ' ')
    renderer = figure.canvas.get_renderer()
    for panel in figure.axes:
        names = [text for text in panel.texts if text.get_text()]
        boxes = [Text.get_window_extent(text, renderer) for text in names]
        # Two pixels of the frame around letters are nothing to see.
        heights = sorted((box.y0, box.y1) for box in boxes)
        assert all(upper[0] > lower[1] - 2 for lower, upper in pairwise(heights))
        assert all(box.x1 < figure.bbox.x1 for box in boxes)
    shown = {text.get_text() for panel in figure.axes for text in panel.texts}
    assert {'GRJCA', 'gate over both modalities'} <= shown


def test_lines_are_at_the_figures(claims):
    panel, fusions = figures.ccc_figure(claims).axes
    assert len(panel.lines) == len(figures.main_fusions(claims)) == 9
    assert len(fusions.lines) == 7
    low, _ = fusions.get_ylim()
    assert low > claims.ccc('audio', 0.6).value
    for line, name in zip(panel.lines, figures.main_fusions(claims), strict=True):
        assert line.get_ydata() == pytest.approx([claims.ccc(name, weak).value for weak in (0.0, 0.6)])
    assert len({(line.get_color(), line.get_linestyle(), line.get_marker()) for line in panel.lines}) == 9


def test_a_fusion_looks_the_same_in_every_picture(claims):
    assert styles_of(claims, ['grjca', 'both'])['both'] == styles_of(claims, ['grjca_m3', 'both', 'lfan'])['both']
    found = styles_of(claims, ['both', *claims.group('released')])
    assert len({found[name] for name in ('both', *claims.group('released'))}) == 1 + len(claims.group('released'))


def test_the_forest_marks_what_is_significant(claims):
    figure = figures.forest_figure(claims)
    labels = [text for text in texts(figure) if text in {one.label for one in DESIGNS.values()}]
    assert 'audio alone' not in labels
    names = [name for name in claims.names if claims.label(name) in labels]
    assert {claims.designs[name].group for name in names} == {'fusion', 'released', 'extension'}
    for panel, weak in zip(figure.axes, (0.0, 0.6), strict=True):
        points = [line for line in panel.lines if len(line.get_xdata()) == 1]
        filled = {name: point.get_markerfacecolor() != 'white' for name, point in zip(names, points, strict=True)}
        assert filled == {name: claims.compare('grjca', name, weak).sure for name in names}
        assert any(filled.values())


def test_pairs_are_drawn_in_their_rows(claims):
    pairs = [('grjca_m3', 'grjca'), ('grjca', 'concat')]
    figure = figures.pairs_figure(claims, pairs)
    assert {'GRJCA, M = 3\nless GRJCA', 'GRJCA\nless concatenation'} <= set(texts(figure))
    for panel, weak in zip(figure.axes, (0.0, 0.6), strict=True):
        points = [line for line in panel.lines if len(line.get_xdata()) == 1]
        for row, (point, pair) in enumerate(zip(points, pairs, strict=True)):
            assert point.get_ydata() == [row]
            assert point.get_xdata() == [claims.difference(*pair, weak).value]


def test_other_pictures_say_what_they_show(claims, tmp_path):
    write_robustness(tmp_path / 'robustness.csv')
    write_example(tmp_path / 'example.csv')
    robustness, example = read_robustness(tmp_path), read_example(tmp_path)
    drawn = {
        ('frozen face', 'CCC, mean'): figures.conditions_figure(claims),
        ('iterations M', 'temperature T', '0.05', 'RJCA'): figures.sweeps_figure(claims),
        ('audio, iteration 1', 'any kind', 'AUROC'): further_figures.gates_figure(claims),
        ('annotated', 'covered\nface', 'time [s]', 'valence, −1 to 1'): further_figures.example_figure(claims, example),
        ('face JPEG', 'severity', 'clean'): further_figures.robustness_figure(claims, robustness, 0.6),
    }
    for expected, figure in drawn.items():
        assert set(expected) <= set(texts(figure))
        assert NOTICE in ' '.join(texts(figure)).replace('\n', ' ')


def test_nothing_is_drawn_of_what_was_not_measured():
    claims = StudyClaims(made_table(weak=(0.0,), fusions=('concat', 'grjca'), seeds=(0,), trials=4))
    assert figures.conditions_figure(claims) is None
    assert figures.sweeps_figure(claims) is None
    assert further_figures.gates_figure(claims) is None
    (panel,) = figures.hurt_figure(claims).axes
    assert 'concatenation' in panel.get_title()
