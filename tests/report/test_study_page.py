"""The page of a study in headless Chromium."""

import dataclasses

import numpy as np
import pytest

from mmaffect.study.extras import Example
from mmaffect.study.page import PageFusion, PageGate, PageRobustness, StudyContent, write_study_page
from tests.report.pages import themed

WEAK = (0.0, 0.2, 0.6)
SUBSETS = ('all', 'normal', 'decoupled', 'silence', 'frozen_face')
HOSTILE = 'a</script><b onclick="x()">ü "q"'
NAMES = ('audio', 'concat', 'grjca', 'grjca_m3', 'mixed')


def make_content(names=NAMES, weak=WEAK, subsets=SUBSETS, extras=True, seed=0):
    """Values with a rule: more is worse with w, later fusions are better, and so on."""
    g = np.random.default_rng(seed)
    count = len(names)
    fusions = [PageFusion(name, name.upper(), 'fusion', k < 4, 1000 * (k + 1)) for k, name in enumerate(names)]
    fusions[-1] = dataclasses.replace(fusions[-1], label=HOSTILE)
    value = 0.5 + 0.02 * np.arange(count) - 0.5 * np.array(weak)[:, None, None, None]
    value = value - 0.05 * np.arange(len(subsets))[:, None, None] + np.array([0, 0.05, -0.05])[:, None]
    value = value + g.normal(0, 0.004, value.shape)
    half = 0.01 + 0.02 * np.array(weak)[:, None, None, None] + np.zeros_like(value)
    figures = np.stack([value, value - half, value + half, half / 3], axis=-1)
    # At w = 0 no frame is decoupled.
    figures[0, 2:] = np.nan
    first, second = np.triu_indices(count, 1)
    difference = value[..., first] - value[..., second]
    differences = np.stack([difference, difference - 0.015, difference + 0.015], axis=-1)
    p = np.full((len(weak), 3, count, count), np.nan)
    apart = np.abs(value[:, :3, 0, :, None] - value[:, :3, 0, None, :])
    p[:, :3] = np.where(apart > 0.03, 0.0002, 0.4)
    differences[0, 2:], p[0, 2] = np.nan, np.nan
    content = StudyContent(
        weak, subsets, tuple(fusions), 'grjca', figures, differences, p,
        {'Seeds': '0, 1', 'Trials': '24'}, 'python tools/analysis/study.py <all>',
    )  # fmt: skip
    return dataclasses.replace(content, **make_extras(content, g)) if extras else content


def make_extras(content, g):
    gates = [
        PageGate(share, 2, f'{modality}/{kind}', condition, middle, middle - 0.06, middle + 0.06, (middle,) * 2)
        for share in range(1, len(content.weak))
        for m, modality in enumerate(('audio', 'visual'))
        for kind in ('iteration_1', 'iteration_2', 'stage')
        for c, condition in enumerate(('any', *content.subsets[3:]))
        for middle in [round(0.5 + 0.2 * (c == m + 1) + g.normal(0, 0.02), 4)]
    ]
    corruptions = ('audio_noise', 'audio_dropout', 'audio_shift', 'voice_swap', 'face_blur', 'face_jpeg')
    shown = (0, 1, 2)
    values = 0.7 - 0.05 * np.arange(6) * g.uniform(0.2, 1, (1, 3, len(corruptions), 1))
    robustness = PageRobustness(
        (0.0,), shown, corruptions, tuple(range(6)), np.stack([values, np.full_like(values, 0.01)], axis=-1)
    )
    times = np.arange(350) / 25
    truth = {'valence': 0.7 * np.sin(times), 'arousal': 0.5 * np.cos(times)}
    names = [content.fusions[number].name for number in shown]
    predicted = {name: {target: of + g.normal(0, 0.1, 350) for target, of in truth.items()} for name in names}
    conditions = ['normal'] * 100 + ['silence'] * 80 + ['normal'] * 60 + ['frozen_face'] * 70 + ['normal'] * 40
    example = Example(
        times,
        conditions,
        truth,
        predicted,
        {'concat': {f'{m}/iteration_1': g.random(350) for m in ('audio', 'visual')}},
    )
    return {'gates': gates, 'robustness': robustness, 'example': example}


@pytest.fixture(scope='module')
def content():
    return make_content()


@pytest.fixture(scope='module')
def report(content, tmp_path_factory):
    return write_study_page(tmp_path_factory.mktemp('study') / 'study.html', content)


def pressed(page, selector, *keys):
    page.focus(selector)
    for key in keys:
        page.keyboard.press(key)


def number(text):
    return float(text.replace('\u2212', '-').replace('+', ''))


def labels(page):
    return page.locator('#share .point').evaluate_all('(points) => points.map((p) => p.getAttribute("aria-label"))')


def forest(page):
    """Of each row: name, value, whether the mark is filled, its last cell."""
    rows = page.locator('.forest > [role=row]').all()[1:]
    found = []
    for row in rows:
        cells = row.locator('[role=cell]')
        value = number(cells.nth(1).inner_text().split()[0])
        found.append((row.locator('[role=rowheader]').inner_text(), value, row.locator('rect').count(),
                      cells.nth(2).inner_text()))  # fmt: skip
    return found


def test_the_head_says_what_it_is_and_names_stay_text(report, open_page):
    page = open_page(report)
    notice = page.inner_text('[role=note]')
    assert 'synthetic corpus, not on people' in notice
    assert 'no accuracy on people' in notice
    assert page.inner_text('.facts code') == 'python tools/analysis/study.py <all>'
    assert page.locator('b[onclick]').count() == 0
    assert HOSTILE in page.locator('.chip').all_inner_texts()


def test_the_main_fusions_come_first_and_others_are_chosen(report, open_page, content):
    page = open_page(report)
    assert page.locator('#share .series').count() == 4
    assert len(labels(page)) == 4 * 3
    pressed(page, '.chip:nth-child(2) input', 'Space')
    assert page.locator('#share .series').count() == 3
    assert not any('CONCAT' in label for label in labels(page))
    page.click('#choose-all')
    assert page.locator('#share .series').count() == 5
    paths = page.locator('#share .series .point:last-of-type path').evaluate_all(
        '(all) => all.map((p) => p.getAttribute("d"))'
    )
    # Told apart by their marks as well as by their colours.
    assert len(set(paths)) == 5
    page.click('#choose-none')
    assert page.locator('#share .series').count() == 0
    assert 'No fusion is chosen' in page.inner_text('#share-note')
    page.click('#choose-main')
    assert page.locator('.chip input:checked').count() == 4


def test_points_say_their_figures_to_keyboard_and_pointer(report, open_page, content):
    page = open_page(report)
    first = page.locator('#share .point[tabindex="0"]')
    assert first.count() == 1
    first.focus()
    page.keyboard.press('ArrowRight')
    page.keyboard.press('ArrowUp')
    value, low, high, spread = content.figures[1, 0, 0, 1]
    lines = ['CONCAT, w = 0.2', f'CCC {value:.3f}', f'95\u202f% interval {low:.3f} to {high:.3f}',
             f'SD over seeds {spread:.3f}']  # fmt: skip
    assert page.inner_text('#tip').split('\n') == lines
    assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") == ', '.join(lines)
    assert page.locator('#share .point[tabindex="0"]').count() == 1
    page.keyboard.press('Escape')
    assert page.locator('#tip').is_hidden()
    page.locator('#share [data-place="2 2"]').hover(force=True)
    assert page.inner_text('#tip').startswith('GRJCA, w = 0.6')
    assert page.locator('.series.on').count() == 1


def test_target_and_frames(report, open_page, content):
    page = open_page(report)
    pressed(page, '#targets input >> nth=0', 'ArrowRight')
    page.select_option('#frames', label='frozen face')
    found = labels(page)
    # No frame is decoupled at w = 0.
    assert len(found) == 4 * 2
    assert f'CCC {content.figures[2, 4, 1, 3, 0]:.3f}' in found[-1]
    assert page.get_attribute('#share svg', 'aria-label').startswith('CCC, valence, frozen face frames')
    page.click('#share ~ .figures summary')
    rows = page.locator('#share-table tbody tr').all_inner_texts()
    low, high = content.figures[1, 4, 1, 0, 1:3]
    assert rows[0].split('\t')[:3] == ['AUDIO', '–', f'{content.figures[1, 4, 1, 0, 0]:.3f} [{low:.3f}, {high:.3f}]']


def test_differences_to_any_reference(report, open_page, content):
    page = open_page(report)
    value = content.figures[2, 0, 0, :, 0]
    for reference, label in ((2, 'GRJCA'), (4, HOSTILE), (0, 'AUDIO')):
        page.select_option('#reference', label=label)
        found = forest(page)
        expected = {one.label: value[k] - value[reference] for k, one in enumerate(content.fusions) if k != reference}
        assert {name: difference for name, difference, *_ in found} == pytest.approx(expected, abs=6e-4)
        assert [row[1] for row in found] == sorted((row[1] for row in found), reverse=True)
        for name, difference, filled, verdict in found:
            significant = content.p[2, 0, reference, [one.label for one in content.fusions].index(name)] < 0.05
            assert filled == significant
            assert ('higher' in verdict, 'lower' in verdict) == (
                significant and difference > 0,
                significant and difference < 0,
            )
    assert 'w = 0.6' in page.inner_text('#forest-note')
    assert '4 comparisons' in page.inner_text('#forest-note')


def test_marks_need_test_and_interval(content, open_page, tmp_path):
    differences = content.differences.copy()
    differences[..., 1], differences[..., 2] = differences[..., 0] - 1, differences[..., 0] + 1
    path = write_study_page(tmp_path / 'wide.html', dataclasses.replace(content, differences=differences))
    assert np.nanmin(content.p[2, 0, 2]) < 0.05
    assert [row[2] for row in forest(open_page(path))] == [0] * 4


def test_one_modality_alone_does_not_set_the_scale(content, open_page, tmp_path):
    fusions = (dataclasses.replace(content.fusions[0], group='single'), *content.fusions[1:])
    differences = content.differences.copy()
    differences[..., :4, :] -= 0.5  # the first fusion against the others
    path = write_study_page(
        tmp_path / 'far.html', dataclasses.replace(content, fusions=fusions, differences=differences)
    )
    page = open_page(path)
    assert page.locator('.forest .beyond').all_text_contents() == ['\u25c0']
    assert page.locator('.forest [role=row]:last-child [role=rowheader]').inner_text() == 'AUDIO'
    ticks = [number(text) for text in page.locator('.forest > [role=row] >> nth=0').locator('text').all_text_contents()]
    assert max(ticks) < 0.1
    page.select_option('#reference', label='AUDIO')
    assert page.locator('.forest .beyond').count() == 0


def test_differences_without_a_test_are_not_marked(report, open_page):
    page = open_page(report)
    page.check('#targets input >> nth=2', force=True)
    found = forest(page)
    assert [row[2:] for row in found] == [(0, '–')] * 4
    assert 'Intervals alone' in page.inner_text('#forest-note')
    page.select_option('#frames', label='silence')
    page.check('#shares input >> nth=0', force=True)
    assert 'nothing to compare' in page.inner_text('#forest')


def test_gates(report, open_page, content):
    page = open_page(report)
    shown = [gate for gate in content.gates if gate.weak == 2]
    rows = page.locator('#gates tbody tr')
    assert rows.count() == 6
    assert page.locator('#gates thead th').all_inner_texts() == ['Gate', 'any', 'silence', 'frozen face']
    texts = [cell.split()[0] for cell in page.locator('#gates td').all_inner_texts()]
    assert [float(text) for text in texts] == [round(gate.auroc, 3) for gate in shown]
    filled = page.locator('#gates td').evaluate_all(
        '(cells) => cells.map((cell) => cell.querySelectorAll("rect").length)'
    )
    assert filled == [int(gate.low > 0.5 or gate.high < 0.5) for gate in shown]
    assert 'Above 0.5 the share is lower in decoupled frames' in page.inner_text('#gates-note')
    page.check('#shares input >> nth=0', force=True)
    assert rows.count() == 0
    assert 'choose another w' in page.inner_text('#gates-note')


def test_robustness_follows_the_chosen_fusions(report, open_page, content):
    page = open_page(report)
    assert page.locator('#panels svg').count() == 6
    assert page.locator('#panels >> nth=0').locator('svg >> nth=0').locator('.series').count() == 3
    page.click('#robustness-card summary')
    cells = page.locator('#robustness-table tbody tr >> nth=0').inner_text().split('\t')
    assert cells[:2] == ['AUDIO', 'audio noise']
    assert [float(cell) for cell in cells[2:]] == pytest.approx(content.robustness.values[0, 0, 0, :, 0], abs=6e-4)
    pressed(page, '.chip:nth-child(1) input', 'Space')
    assert page.locator('#panels >> nth=0').locator('svg >> nth=0').locator('.series').count() == 2


def test_example_is_drawn_and_read(report, open_page, content):
    page = open_page(report)
    page.locator('#traces').scroll_into_view_if_needed()
    pressed(page, '#time', *['PageUp'] * 5)
    index = int(page.input_value('#time'))
    example = content.example
    words = page.get_attribute('#time', 'aria-valuetext')
    assert f'{example.times[index]:.1f} seconds, {example.conditions[index].replace("_", " ")}' in words
    rows = [row.split('\t') for row in page.locator('#now tbody tr').all_inner_texts()]
    assert [row[0] for row in rows] == ['annotated', 'AUDIO', 'CONCAT', 'GRJCA']
    assert number(rows[2][1]) == pytest.approx(example.predicted['concat']['valence'][index], abs=1e-3)
    assert f'CONCAT audio iteration 1 {example.gates["concat"]["audio/iteration_1"][index]:.2f}' in words
    drawn = """(canvas) => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"""
    assert page.locator('#traces').evaluate(drawn) > 50


def test_results_are_sorted_by_a_heading(report, open_page, content):
    page = open_page(report)
    rows = page.locator('#results tbody tr:visible')
    assert rows.count() == 5
    assert page.inner_text('#results-title') == 'Results, w = 0.6'
    heading = page.locator('#results th', has_text='CCC')
    for direction, ordered in (('descending', lambda values: sorted(values, reverse=True)), ('ascending', sorted)):
        heading.locator('button').press('Enter')
        assert heading.get_attribute('aria-sort') == direction
        values = [float(row.split('\t')[3].split()[0]) for row in rows.all_inner_texts()]
        assert values == ordered(values)
        assert sorted(values) == [round(value, 3) for value in sorted(content.figures[2, 0, 0, :, 0])]
    page.check('#every')
    assert rows.count() == 15
    # What is missing comes last: no decoupled frame at w = 0.
    page.click('#results th:last-child button')
    assert [row.split('\t')[-1] for row in rows.all_inner_texts()][-5:] == ['–'] * 5


def test_what_was_not_measured_is_not_shown(tmp_path, open_page):
    content = make_content(NAMES[:2], (0.2,), ('all', 'normal', 'decoupled'), extras=False)
    page = open_page(write_study_page(tmp_path / 'a.html', content))
    for name in ('gates-card', 'robustness-card', 'example-card'):
        assert page.locator(f'#{name}').is_hidden()
    assert page.locator('#share .point').count() == 2
    assert len(forest(page)) <= 1


@pytest.mark.parametrize(('width', 'scheme'), [(360, 'dark'), (900, 'light'), (1920, 'dark')])
def test_widths(report, open_page, width, scheme):
    page = open_page(report, width=width, scheme=scheme)
    page.click('#choose-all')
    assert page.evaluate('() => document.documentElement.scrollWidth') <= width
    ground = {'dark': 'rgb(18, 20, 23)', 'light': 'rgb(247, 246, 243)'}[scheme]
    assert page.evaluate('() => getComputedStyle(document.body).backgroundColor') == ground
    page.click('#theme')
    assert page.evaluate('() => getComputedStyle(document.body).backgroundColor') != ground


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_contrast_of_lines_and_their_names(report, open_page, scheme):
    page = open_page(report, scheme=scheme)
    names = [f'c{k}' for k in range(8)]
    *colours, card = themed(page, *names, 'card')
    for colour in colours:
        dark, light = sorted(map(luminance, (colour, card)))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, colour


def test_the_same_content_gives_the_same_bytes(report, content, tmp_path):
    again = write_study_page(tmp_path / 'b.html', make_content())
    assert again.read_bytes() == report.read_bytes()


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return np.dot(
        (0.2126, 0.7152, 0.0722), [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    )
