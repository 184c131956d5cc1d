"""What tests read out of the page of a recording."""

import numpy as np

from tests.report.traces import GREY_STEP

GREY = """() => {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 8;
  const context = canvas.getContext('2d');
  context.drawImage(document.getElementById('video'), 0, 0, 8, 8);
  return context.getImageData(4, 4, 1, 1).data[0];
}"""
STILL = """() => { const v = document.getElementById('video'); return v.readyState >= 2 && !v.seeking; }"""


def play_slowly(page):
    """Play at a quarter of the speed: a busy machine may look away for the two seconds of a clip."""
    page.evaluate("() => { document.getElementById('video').playbackRate = 0.25; }")


def shown(page, name):
    return float(page.inner_text(f'#now-{name}').replace('\u2212', '-'))


def cursor(page):
    return float(page.get_attribute('#plot', 'data-cursor'))


def now(page):
    """Time of the video; of seeks that follow one another the last one counts, once the one before is through."""
    page.wait_for_function(STILL)
    return page.evaluate("() => document.getElementById('video').currentTime")


def shown_frame(page):
    """Number of the frame in the player, by its grey."""
    page.wait_for_function(STILL)
    return round((page.evaluate(GREY) - 3) / GREY_STEP)


def seconds_of_pixels(page):
    """Origin and scale of the trace, from where the cursor is at two times."""
    page.focus('#plot')
    page.keyboard.press('Home')
    origin = cursor(page)
    page.keyboard.press('ArrowRight')
    return origin, cursor(page) - origin


def colours_at(page, x):
    """Colours of the curves at ``x``, from top to bottom, ``(H, 4)``."""
    values = page.evaluate(
        """(x) => {
          const curves = document.getElementById('curves');
          const copy = new OffscreenCanvas(1, curves.height);
          const context = copy.getContext('2d', { willReadFrequently: true });
          context.drawImage(curves, -Math.round(x), 0);
          return [...context.getImageData(0, 0, 1, curves.height).data];
        }""",
        x,
    )
    return np.array(values).reshape(-1, 4)


def themed(page, *names):
    """Colours of the theme, as ``#rrggbb``."""
    script = '(names) => names.map((name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim())'
    return page.evaluate(script, [f'--{name}' for name in names])
