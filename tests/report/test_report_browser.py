"""The report of a recording in headless Chromium."""

import dataclasses
import re

import numpy as np
import pytest

from mmaffect.media import write_video
from mmaffect.report import write_report
from tests.report.pages import STILL, cursor, now, play_slowly, seconds_of_pixels, shown, shown_frame
from tests.report.traces import grey_frames, make_trace, one_target


def test_the_video_plays_and_cursor_and_figures_follow(report, open_page):
    path, trace = report
    page = open_page(path)
    page.wait_for_function(STILL)
    start = cursor(page)
    play_slowly(page)
    page.click('#play')
    page.wait_for_function("() => document.getElementById('play').ariaLabel === 'Pause'")
    page.wait_for_function("() => document.getElementById('video').getVideoPlaybackQuality().totalVideoFrames > 5")
    # In the midst of playing.
    page.wait_for_function("""() => {
      const { currentTime, paused, ended } = document.getElementById('video');
      const cursor = Number(document.getElementById('plot').ariaValueNow);
      return !paused && !ended && cursor > 0.5 && Math.abs(cursor - currentTime) < 0.3;
    }""")
    page.click('#play')
    page.wait_for_function("() => document.getElementById('video').paused")
    assert now(page) > 0.5
    origin, second = seconds_of_pixels(page)
    assert start == pytest.approx(origin, abs=0.01)
    page.evaluate("() => { document.getElementById('video').playbackRate = 1; }")
    page.click('#play')
    page.wait_for_function("() => document.getElementById('video').ended")
    page.wait_for_function("() => document.getElementById('play').ariaLabel === 'Play'")
    page.wait_for_function(STILL)
    assert cursor(page) == pytest.approx(origin + second * now(page), abs=0.05 * second)
    assert shown(page, 'valence') == pytest.approx(trace.affect[-1, 0], abs=0.006)


def test_a_click_on_the_trace_seeks_and_a_drag_follows(report, open_page):
    path, trace = report
    page = open_page(path)
    page.wait_for_function(STILL)
    origin, second = seconds_of_pixels(page)
    plot = page.locator('#plot').bounding_box()
    for time in (1.5, 0.33):
        page.mouse.click(plot['x'] + origin + second * time, plot['y'] + 60)
        page.wait_for_function(STILL)
        assert now(page) == pytest.approx(time, abs=2 / second)
        assert cursor(page) == pytest.approx(origin + second * time, abs=1)
        frame = int(np.searchsorted(trace.times, now(page), side='right')) - 1
        assert shown_frame(page) == frame
        assert shown(page, 'valence') == pytest.approx(trace.affect[frame, 0], abs=0.006)
        assert shown(page, 'arousal') == pytest.approx(trace.affect[frame, 1], abs=0.006)
    page.mouse.down()
    for time in (0.5, 0.8, 1.1):
        page.mouse.move(plot['x'] + origin + second * time, plot['y'] + 80)
    page.mouse.up()
    page.wait_for_function("() => Math.abs(document.getElementById('video').currentTime - 1.1) < 0.05")
    assert page.evaluate("() => document.getElementById('video').paused")


def test_keyboard(report, open_page):
    path, trace = report
    page = open_page(path)
    page.wait_for_function(STILL)
    page.keyboard.press('Tab')
    assert page.evaluate("() => document.activeElement.matches(':focus-visible')")
    outline = page.evaluate('() => getComputedStyle(document.activeElement).outlineWidth')
    assert float(outline.removesuffix('px')) >= 2
    page.keyboard.press('ArrowRight')
    assert now(page) == pytest.approx(1.0)
    page.focus('#plot')
    page.keyboard.press('End')
    assert now(page) == pytest.approx(trace.times[-1])
    page.keyboard.press('Home')
    assert now(page) == 0
    page.keyboard.press('.')
    page.keyboard.press('.')
    page.wait_for_function("() => document.getElementById('plot').ariaValueNow > 0.07")
    assert shown_frame(page) == 2
    page.keyboard.press(',')
    assert shown_frame(page) == 1
    play_slowly(page)
    page.keyboard.press(' ')
    page.wait_for_function("() => !document.getElementById('video').paused")
    page.keyboard.press(' ')
    page.wait_for_function("() => document.getElementById('video').paused")
    slider = page.locator('#plot')
    assert slider.get_attribute('role') == 'slider'
    assert float(slider.get_attribute('aria-valuemax')) == pytest.approx(2)
    page.keyboard.press('Home')
    page.keyboard.press('ArrowRight')
    words = slider.get_attribute('aria-valuetext')
    expected = f'1.0 seconds, valence {trace.affect[25, 0]:.2f}, arousal {trace.affect[25, 1]:.2f}, face present'
    assert words == f'{expected}, voice absent'
    named = page.get_by_role('button', name=re.compile('.'), include_hidden=True)
    assert page.locator('button').count() == page.locator('button').and_(named).count()


RECORD = """() => {
  window.written = [];
  const { fillText } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
    window.written.push(text);
    return fillText.call(this, text, ...place);
  };
}"""


def test_what_the_shares_of_a_fusion_are_called(tmp_path, open_page):
    weights = {f'{name}/weight_valence': np.full(50, share) for name, share in (('audio', 0.25), ('visual', 0.75))}
    gates = {f'{name}/iteration_1': share for name, share in (('audio', np.full(50, 0.5)), ('visual', np.full(50, 0)))}
    for name, shares, words in (
        ('gates', gates, ['Audio gates, share of attended features', 'Iteration 1: 50 % attended']),
        ('weights', weights, ['Share of audio in the fusion', 'weight valence: 25 %']),
    ):
        page = open_page(write_report(tmp_path / f'{name}.html', dataclasses.replace(make_trace(), gates=shares)))
        page.evaluate(RECORD)
        page.set_viewport_size({'width': 1100, 'height': 900})
        page.wait_for_function('() => window.written.length > 0')
        plot = page.locator('#plot')
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        for y in range(10, int(box['height']), 12):
            plot.hover(position={'x': box['width'] / 2, 'y': y})
            page.evaluate('() => new Promise(requestAnimationFrame)')
        written = page.evaluate('() => window.written')
        for word in words:
            assert any(text.endswith(word) for text in written), (word, sorted(set(written)))


def test_zoom_and_overview(report, open_page):
    page = open_page(report[0])
    page.wait_for_function(STILL)
    _, second = seconds_of_pixels(page)
    assert not page.is_visible('#overview')
    page.keyboard.press('+')
    assert page.is_visible('#overview')
    assert seconds_of_pixels(page)[1] == pytest.approx(2 * second, abs=0.1)
    page.click('#zoom-all')
    assert not page.is_visible('#overview')
    assert seconds_of_pixels(page)[1] == pytest.approx(second, abs=0.1)


def brightness(page):
    colour = page.evaluate('() => getComputedStyle(document.body).backgroundColor')
    return sum(map(int, re.findall(r'\d+', colour)[:3])) / 3


def valence_pixels(page):
    """Number of pixels of the curves in the colour of valence."""
    return page.evaluate("""() => {
      const probe = document.querySelector('tr.valence th');
      const [r, g, b] = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
      const curves = document.getElementById('curves');
      const copy = new OffscreenCanvas(curves.width, curves.height);
      const context = copy.getContext('2d', { willReadFrequently: true });
      context.drawImage(curves, 0, 0);
      const { data } = context.getImageData(0, 0, curves.width, curves.height);
      let count = 0;
      for (let i = 0; i < data.length; i += 4)
        if (data[i + 3] > 250 && Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 12)
          count++;
      return count;
    }""")


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_both_themes(report, open_page, scheme):
    page = open_page(report[0], scheme=scheme)
    page.wait_for_function(STILL)
    dark = scheme == 'dark'
    assert (brightness(page) < 60) is dark
    assert valence_pixels(page) > 300
    page.click('#theme')
    assert (brightness(page) < 60) is not dark
    assert valence_pixels(page) > 300
    assert page.evaluate('() => [document.cookie, localStorage.length]') == ['', 0]
    page.reload()
    assert (brightness(page) < 60) is dark


def test_names_are_text_whatever_is_in_them(tmp_path, open_page):
    taken = '</script><script>window.taken = 1</script><img src=x onerror="taken = 1">'
    name = f'{taken} ü "q" {{{{data}}}} \u2028&amp;'
    trace = make_trace(name, model=name, command=name, flags=[name], input=name, faces={name: name})
    other = make_trace(f'{name}2', input=name)
    page = open_page(write_report(tmp_path / 'ü <b>.html', [trace, other], title=name))
    assert page.inner_text('h1') == name
    assert page.evaluate('() => window.taken') is None
    assert page.locator('img').count() == 0
    assert page.locator('script').count() == 2
    assert page.title() == name
    assert page.locator('#face option').nth(1).text_content() == f'{name}2'


def test_without_a_video_the_cursor_runs_by_itself(tmp_path, open_page):
    trace = make_trace(frames=100, annotated=True)
    page = open_page(write_report(tmp_path / 'a.html', trace))
    assert page.locator('video').count() == 0
    page.click('#play')
    page.wait_for_function("() => document.getElementById('plot').ariaValueNow > 0.2")
    page.keyboard.press(' ')
    page.focus('#plot')
    page.keyboard.press('Home')
    assert shown(page, 'arousal') == pytest.approx(trace.affect[0, 1], abs=0.006)
    page.keyboard.press('End')
    assert shown(page, 'arousal') == pytest.approx(trace.affect[-1, 1], abs=0.006)


def test_one_target_has_no_plane(tmp_path, open_page):
    trace = one_target(make_trace())
    page = open_page(write_report(tmp_path / 'a.html', trace))
    assert not page.is_visible('#plane')
    assert shown(page, 'arousal') == pytest.approx(trace.affect[0, 0], abs=0.006)


def test_sound_alone(tmp_path, open_page):
    import wave

    with wave.open(str(tmp_path / 'voice.wav'), 'wb') as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.zeros(16000, '<i2').tobytes())
    page = open_page(write_report(tmp_path / 'a.html', make_trace(source=tmp_path / 'voice.wav')))
    page.wait_for_function("() => document.getElementById('video').readyState >= 2")
    start = cursor(page)
    page.click('#play')
    page.wait_for_function("() => document.getElementById('plot').ariaValueNow > 0.3")
    assert now(page) > 0.3
    assert cursor(page) > start
    assert not page.is_visible('#box-field')


def test_several_faces_are_chosen_from(tmp_path, open_page):
    traces = [make_trace(f'clip, face {n}', seed=n, input='clip.mp4') for n in range(3)]
    page = open_page(write_report(tmp_path / 'a.html', traces))
    for number in (2, 0):
        page.select_option('#face', str(number))
        assert shown(page, 'valence') == pytest.approx(traces[number].affect[0, 0], abs=0.006)
        assert page.locator('.of-trace:visible').count() == 1
        assert f'face {number}' in page.locator('.of-trace:visible').inner_text()


@pytest.mark.parametrize('brand', [b'isom', b'qt  '])
def test_late_and_uneven_frames_are_shown_at_their_times(tmp_path, open_page, brand):
    times = 0.4 + np.cumsum(np.random.default_rng(0).choice([0.02, 0.04, 0.1], 40))
    source = tmp_path / 'clip.mp4'
    write_video(source, grey_frames(40), None, np.zeros(80000, np.float32), 16000, crf=10, times=times)
    # QuickTime's brand: not all browsers play it, so that the page has a copy.
    source.write_bytes(source.read_bytes().replace(b'isom', brand))
    trace = dataclasses.replace(make_trace(frames=40, source=source), times=times)
    page = open_page(write_report(tmp_path / 'a.html', trace, max_height=32))
    page.wait_for_function(STILL)
    assert page.evaluate("() => document.getElementById('video').videoHeight") == (48 if brand == b'isom' else 32)
    origin, second = seconds_of_pixels(page)
    plot = page.locator('#plot').bounding_box()
    for frame in (0, 7, 20, 39):
        middle = times[frame] + (0.01 if frame == 39 else (times[frame + 1] - times[frame]) / 2)
        page.mouse.click(plot['x'] + origin + second * middle, plot['y'] + 60)
        assert shown_frame(page) == frame
        assert shown(page, 'valence') == pytest.approx(trace.affect[frame, 0], abs=0.006)


def test_a_video_that_this_browser_cannot_play(report, tmp_path, open_page):
    text = report[0].read_text()
    start = text.index('<script type="application/octet-stream;base64">')
    (tmp_path / 'a.html').write_text(
        f'{text[:start]}<script type="application/octet-stream;base64">AAAA</script></body></html>'
    )
    page = open_page(tmp_path / 'a.html')
    page.wait_for_selector('#problem', state='visible')
    page.click('#play')
    page.wait_for_function("() => document.getElementById('plot').ariaValueNow > 0.1")


@pytest.mark.parametrize('width', [360, 768, 1920])
def test_no_width_scrolls_sideways(report, open_page, width):
    page = open_page(report[0], width=width)
    assert page.evaluate('() => document.documentElement.scrollWidth') <= width
    assert valence_pixels(page) > 150


def test_ten_minutes_open_at_once(tmp_path, open_page, record_property):
    trace = make_trace(frames=10 * 60 * 30, fps=30)
    path = write_report(tmp_path / 'a.html', trace)
    # As much as ten minutes of video; what is in it makes no difference to opening the page.
    filler = tmp_path / 'filler.html'
    block = '<script type="application/octet-stream;base64">' + 'A' * (4 << 20) + '</script>\n'
    filler.write_text(path.read_text().replace('</body>', block * 8 + '</body>'))
    page = open_page(filler)
    paint = page.evaluate("""() => new Promise((resolve) => {
      const observer = new PerformanceObserver((list) => resolve(list.getEntries()[0].startTime));
      observer.observe({ type: 'paint', buffered: true });
    })""")
    loaded = page.evaluate("() => performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    record_property('first_paint_ms', round(paint))
    print(f'18000 frames and 32 MB of video: first paint after {paint:.0f} ms, read after {loaded:.0f} ms')
    assert valence_pixels(page) > 300
    page.focus('#plot')
    page.keyboard.press('End')
    assert page.inner_text('#now') == '10:00.0'
    assert shown(page, 'valence') == pytest.approx(trace.affect[-1, 0], abs=0.006)
