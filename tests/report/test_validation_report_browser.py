"""The report of a validation set in headless Chromium."""

import dataclasses
import re

import numpy as np
import pytest

from mmaffect.errors import ConfigError
from mmaffect.report import write_validation_report
from tests.report.traces import make_trace

HOSTILE = 'a</script><b onclick="x()">ü "q"'


@pytest.fixture(scope='module')
def trials():
    found = [make_trace(f'trial{n}', 80, seed=n, annotated=True) for n in range(4)]
    found.append(make_trace(HOSTILE, 80, seed=9, annotated=True))
    # The worst of all, and one without a figure.
    found[2].annotated[:] = -found[2].affect
    found[3].annotated[:] = 0.5
    return found


@pytest.fixture(scope='module')
def report(trials, tmp_path_factory):
    path = tmp_path_factory.mktemp('validation') / 'report.html'
    return write_validation_report(path, trials, title='grjca_demo', synthetic=True)


def names(page):
    return page.locator('.trial .name').all_inner_texts()


def painted(page, selector):
    """Share of the pixels of a canvas that something is drawn on."""
    return page.locator(selector).evaluate("""(canvas) => {
      const context = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
      context.drawImage(canvas, 0, 0);
      const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
      let count = 0;
      for (let i = 3; i < data.length; i += 4) count += data[i] > 0;
      return count / (data.length / 4);
    }""")


def wait_painted(page, selector):
    page.wait_for_function(
        """(selector) => {
          const canvas = document.querySelector(selector);
          const copy = new OffscreenCanvas(canvas.width, canvas.height);
          const context = copy.getContext('2d', { willReadFrequently: true });
          context.drawImage(canvas, 0, 0);
          return context.getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0);
        }""",
        arg=selector,
    )


def test_the_worst_trials_come_first_and_those_without_a_figure_are_named(report, open_page):
    page = open_page(report)
    found = names(page)
    assert found[0] == 'trial2'
    assert found[-1] == 'trial3'
    assert HOSTILE in found
    figures = page.locator('.trial .figures').all_inner_texts()
    means = [np.mean([float(value.replace('\u2212', '-')) for value in re.findall(r'[\u2212\d.]+', text)])
             for text in figures[:-1]]  # fmt: skip
    assert means == sorted(means)
    assert 'trial3: constant annotation' in page.inner_text('#undefined')
    assert 'no accuracy on people' in page.inner_text('[role=note]')
    assert page.inner_text('h1') == 'grjca_demo'
    assert page.locator('b[onclick]').count() == 0


def test_charts_and_traces_are_drawn(report, open_page):
    page = open_page(report)
    for selector in ('#dots', '.scatter:first-child canvas', '#trial-0 .small'):
        page.locator(selector).scroll_into_view_if_needed()
        wait_painted(page, selector)
    before = painted(page, '#dots')
    page.click('#theme')
    assert 'dark' in page.evaluate('() => document.documentElement.className')
    assert painted(page, '#dots') == pytest.approx(before, rel=0.2)


def test_keyboard_opens_a_trial_and_a_click_on_a_point_finds_it(report, open_page):
    page = open_page(report)
    page.focus('#trial-1 summary')
    page.keyboard.press('Enter')
    assert page.get_attribute('#trial-1', 'open') == ''
    wait_painted(page, '#trial-1 .large')
    chart = page.locator('#dots').bounding_box()
    # Five trials side by side: the last but one.
    page.mouse.click(chart['x'] + 40 + (chart['width'] - 46) * 0.7, chart['y'] + 100)
    assert page.get_attribute('#trial-3', 'open') == ''
    assert page.evaluate("() => document.activeElement.closest('.trial').id") == 'trial-3'
    page.click('#expand')
    assert page.locator('.trial[open]').count() == 5
    page.click('#expand')
    assert page.locator('.trial[open]').count() == 0


def test_order_by_one_target(report, open_page, trials):
    page = open_page(report)
    page.select_option('#order', 'arousal')
    texts = page.locator('.trial .ccc.arousal').all_inner_texts()
    values = [float(text.split()[-1].replace('\u2212', '-')) for text in texts[:-1]]
    assert values == sorted(values)
    assert texts[-1].endswith('–')


def test_narrow_and_dark(report, open_page):
    page = open_page(report, width=360, scheme='dark')
    assert page.evaluate('() => document.documentElement.scrollWidth') <= 360
    assert page.evaluate('() => getComputedStyle(document.body).backgroundColor') == 'rgb(18, 20, 23)'


def test_what_is_no_validation(tmp_path, trials):
    with pytest.raises(ConfigError, match='no trial'):
        write_validation_report(tmp_path / 'a.html', [])
    with pytest.raises(ConfigError, match='1 traces without a valid annotation'):
        write_validation_report(tmp_path / 'a.html', [dataclasses.replace(trials[0], annotated=None)])
    one = dataclasses.replace(
        trials[1], affect=trials[1].affect[:, :1], header={**trials[1].header, 'targets': ['valence']}
    )
    with pytest.raises(ConfigError, match='trial1: predicts valence; expected valence, arousal'):
        write_validation_report(tmp_path / 'a.html', [trials[0], one])
