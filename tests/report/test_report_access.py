"""That the report of a recording can be read by everybody, in headless Chromium."""

import dataclasses

import numpy as np
import pytest

from mmaffect.report import write_report
from tests.report.pages import colours_at, seconds_of_pixels, themed
from tests.report.traces import make_trace


def height_of(page, colour, x):
    """How many pixels at ``x`` have a colour of the theme."""
    (name,) = themed(page, colour)
    wanted = [int(name[at : at + 2], 16) for at in (1, 3, 5)]
    return int((np.abs(colours_at(page, x)[:, :3] - wanted).sum(axis=1) < 12).sum())


def test_presence_is_a_band_where_it_is_and_paler_where_it_is_not_always(tmp_path, open_page):
    trace = make_trace(frames=20000, gates=False)
    frames = np.arange(20000)
    # All, none, then every tenth frame.
    voice = np.where(frames < 10000, frames < 5000, frames % 10 == 0)
    page = open_page(write_report(tmp_path / 'a.html', dataclasses.replace(trace, voice=voice)))
    origin, second = seconds_of_pixels(page)
    full, none, some = (height_of(page, 'audio', origin + second * time) for time in (100, 300, 600))
    assert full == pytest.approx(12, abs=1)
    assert none == some == 0
    # Voice is the last row.
    band = [colours_at(page, origin + second * time)[-24:] for time in (300, 600)]
    assert (band[0] != band[1]).any(axis=1).sum() == pytest.approx(12, abs=1)
    # Where a frame has its own pixels, it is as it is.
    page.keyboard.press('End')
    for _ in range(11):
        page.keyboard.press('+')
    page.keyboard.press('Home')
    origin, second = seconds_of_pixels(page)
    assert second > 500
    assert height_of(page, 'audio', origin + 0.1 * second) == full


def test_shares_of_gates_stand_where_their_values_are(tmp_path, open_page):
    shares = {'audio/iteration_1': 0.8, 'visual/stage_0': 0.25, 'visual/stage_1': 0.75}
    trace = make_trace(frames=100, gates=False, flags=['face_unknown', 'voice_unknown'])
    trace = dataclasses.replace(trace, gates={name: np.full(100, share) for name, share in shares.items()})
    page = open_page(write_report(tmp_path / 'a.html', trace))
    origin, second = seconds_of_pixels(page)
    colours = colours_at(page, origin + 0.61 * second).astype(int)
    # By how much more of one colour than of another they are.
    audio, visual = colours[:, 1] - colours[:, 0], colours[:, 0] - colours[:, 1]
    half = len(colours) // 2
    assert (audio[half:] > 60).sum() == pytest.approx(0.8 * 30, abs=2)
    assert (visual[half:] > 60).sum() == pytest.approx(0.75 * 34, abs=2)
    assert ((visual[half:] > 8) & (visual[half:] <= 60)).sum() == pytest.approx(0.25 * 34, abs=2)
    assert np.flatnonzero(visual > 60).max() < np.flatnonzero((visual > 8) & (visual <= 60)).max()


def test_what_is_missing_is_said_and_nothing_speaks_by_itself(tmp_path, open_page):
    trace = make_trace(frames=50)
    trace.affect[:] = np.nan
    page = open_page(write_report(tmp_path / 'a.html', trace))
    page.focus('#plot')
    page.keyboard.press('End')
    words = page.get_attribute('#plot', 'aria-valuetext')
    assert words == '2.0 seconds, valence not predicted, arousal not predicted, face present, voice absent'
    assert page.inner_text('#now-valence') == '–'
    assert page.inner_text('#now-voice') == 'No voice'
    # While it plays, live regions would talk without an end.
    assert page.locator('output, [role=status], [aria-live]').count() == 0


def test_buttons_that_do_nothing_now_keep_the_focus(report, open_page):
    page = open_page(report[0])
    states = "() => ['zoom-out', 'zoom-all'].map((id) => document.getElementById(id).getAttribute('aria-disabled'))"
    assert page.evaluate(states) == ['true', 'true']
    page.focus('#zoom-in')
    page.keyboard.press('Enter')
    assert page.evaluate(states) == ['false', 'false']
    page.focus('#zoom-all')
    page.keyboard.press('Enter')
    assert page.evaluate(states) == ['true', 'true']
    assert page.evaluate('() => document.activeElement.id') == 'zoom-all'


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return np.dot((0.2126, 0.7152, 0.0722), linear)


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_contrast(report, open_page, scheme):
    """Of text 4.5, of what is drawn 3, as WCAG 2.2 wants."""
    page = open_page(report[0], scheme=scheme)
    pairs = {
        ('ink', 'page'): 4.5, ('ink', 'card'): 4.5, ('ink', 'notice'): 4.5,
        ('soft', 'page'): 4.5, ('soft', 'card'): 4.5,
        ('valence', 'card'): 4.5, ('arousal', 'card'): 4.5, ('annotated', 'card'): 4.5,
        ('audio', 'grid'): 3, ('visual', 'grid'): 3, ('accent', 'page'): 3, ('axis', 'card'): 3,
    }  # fmt: skip
    for (name, ground), least in pairs.items():
        colours = themed(page, name, ground)
        dark, light = sorted(map(luminance, colours))
        assert (light + 0.05) / (dark + 0.05) >= least, (name, ground, colours)


@pytest.mark.parametrize('header', [{'notice': 'W' * 400, 'model': 'W' * 400}, {'duration': 1e12}])
def test_a_header_of_somebody_else_breaks_nothing(tmp_path, open_page, header):
    page = open_page(write_report(tmp_path / 'a.html', make_trace(**header)), width=768)
    assert page.evaluate('() => document.documentElement.scrollWidth') <= 768
    theme = page.locator('#theme').bounding_box()
    assert theme['width'] > theme['height']


@pytest.mark.parametrize('width', [640, 1280])
def test_large_text_scrolls_nothing_sideways(report, open_page, width):
    page = open_page(report[0], width=width)
    before = page.evaluate("() => parseFloat(getComputedStyle(document.querySelector('.notice')).fontSize)")
    page.evaluate("() => { document.documentElement.style.fontSize = '200%'; }")
    after = page.evaluate("() => parseFloat(getComputedStyle(document.querySelector('.notice')).fontSize)")
    assert after == pytest.approx(2 * before)
    assert page.evaluate('() => document.documentElement.scrollWidth') <= width
