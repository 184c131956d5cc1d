"""Videos with traces drawn in, read again by PyAV."""

import dataclasses
import tracemalloc
from itertools import repeat

import av
import numpy as np
import pytest

from mmaffect.errors import MediaError
from mmaffect.traces.trace import Trace
from mmaffect.visualization import Overlay, write_overlay
from mmaffect.visualization.lettering import text_size, write_line
from mmaffect.visualization.overlay_strip import BRIGHT, FACES, PRESENCE, TARGETS, WARNING, Strip

RATE = 48000


class Recorded:
    """Frames of one brightness each, sound in blocks."""

    name = 'fake'

    def __init__(self, times, height=120, width=160, sound=None, frames=None):
        self.times = np.asarray(times, float)
        self.height, self.width, self.has_picture = height, width, height > 0
        self.sound = sound
        self.count = len(self.times) if frames is None else frames

    def frames(self):
        return (np.full((self.height, self.width, 3), 40 + 2 * k, np.uint8) for k in range(self.count))

    def sound_blocks(self, rate):
        assert rate == RATE
        return None if self.sound is None else iter(np.array_split(self.sound, 7))


def constant(times, valence, arousal, box=None, **header):
    count = len(times)
    there = np.full(count, box is not None)
    boxes = np.tile(np.full(4, np.nan) if box is None else np.asarray(box, float), (count, 1))
    affect = np.tile([valence, arousal], (count, 1))
    return Trace({'trial': 'fake', **header}, times, affect, there, ~there, boxes, np.where(there, 0, -1))


def near(picture, colour, tolerance=8):
    """Rows and columns of the pixels of a colour."""
    return np.nonzero((np.abs(picture.astype(int) - colour) <= tolerance).all(axis=2))


def test_frames_times_and_sound_stay_as_they_are(tmp_path):
    steps = np.random.default_rng(0).choice([0.02, 0.04, 0.1], 60)
    times = 0.1 + np.cumsum(steps)
    random = np.random.default_rng(1)
    # Noise below 4 kHz, which AAC keeps.
    sound = np.convolve(random.normal(size=int(times[-1] * RATE)), np.hanning(24) / 60, 'same').astype(np.float32)
    recording = Recorded(times, sound=sound)
    path = write_overlay(tmp_path / 'a.mp4', recording, constant(times, 0.5, -0.5, (40, 30, 50, 60)))
    assert [one.name for one in tmp_path.iterdir()] == ['a.mp4']
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx(times, abs=1e-4)
    scale = frames[0].width / 160
    for k in (0, 30, 59):
        picture = frames[k].to_ndarray(format='rgb24')
        assert picture[4 : int(25 * scale)].mean() == pytest.approx(40 + 2 * k, abs=3)
        assert picture[int(120 * scale) + 4 :].mean() < 60
    with av.open(str(path)) as container:
        start = container.streams.audio[0].start_time or 0
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
        assert start == 0
    count = min(len(heard), len(sound))
    part = slice(RATE // 2, RATE)
    correlations = [
        np.corrcoef(heard[:count][part], np.roll(sound, lag)[:count][part])[0, 1] for lag in range(-1200, 1201, 8)
    ]
    assert abs(int(np.argmax(correlations)) * 8 - 1200) <= 8
    assert max(correlations) > 0.9


def test_a_silent_recording_has_no_sound_track(tmp_path):
    times = np.arange(5) / 25
    path = write_overlay(tmp_path / 'a.mp4', Recorded(times, 122, 321), constant(times, 0, 0))
    with av.open(str(path)) as container:
        assert len(container.streams.audio) == 0
        assert container.streams.video[0].width % 2 == container.streams.video[0].height % 2 == 0
        assert container.streams.video[0].pix_fmt == 'yuv420p'
        assert sum(1 for _ in container.decode(video=0)) == 5


def test_the_box_is_where_the_face_is():
    times = np.arange(10) / 25
    black = np.zeros((300, 400, 3), np.uint8)
    box = (100, 50, 80, 120)
    rows, columns = near(Overlay([constant(times, 0, 0, box)], 300, 400).draw(3, black)[:300], PRESENCE['face'])
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == pytest.approx((100, 180, 50, 170), abs=2)
    # Scaled with the picture, cut where it leaves it.
    large = Overlay([constant(times, 0, 0, box)], 100, 160).draw(3, np.zeros((100, 160, 3), np.uint8))
    rows, columns = near(large[:200], PRESENCE['face'])
    assert (columns.min(), columns.max(), rows.min()) == pytest.approx((200, 319, 100), abs=2)
    none = Overlay([constant(times, 0, 0)], 300, 400)
    assert not len(near(none.draw(3, black)[:300], PRESENCE['face'])[0])
    assert len(near(none.draw(3, black)[:300], WARNING)[0])
    # Of one of several faces, others may be in the picture.
    other = Overlay([constant(times, 0, 0, faces={'choice': 'all'})], 300, 400)
    widths = [np.ptp(near(one.draw(3, black)[:300], WARNING)[1]) for one in (none, other)]
    assert widths[1] > 2 * widths[0]
    unknown = Overlay([constant(times, 0, 0, flags=['face_unknown'])], 300, 400)
    assert not unknown.draw(3, black)[:300].any()


def test_curves_grow_to_the_cursor_and_stand_where_their_values_are():
    times = np.arange(100) / 25
    high = Strip([constant(times, 0.8, -0.8)], 640, 30.0)
    low = Strip([constant(times, -0.8, 0.8)], 640, 30.0)
    widths = []
    for index in (10, 50, 99):
        pictures = [np.zeros((strip.height, 640, 3), np.uint8) for strip in (high, low)]
        for strip, picture in zip((high, low), pictures, strict=True):
            strip.draw(picture, index)
        for k, target in enumerate(('valence', 'arousal')):
            _, top, height = high.panels[k]
            places = [
                near(picture[top : top + height, high.left : high.right], TARGETS[target]) for picture in pictures
            ]
            for rows, expected in zip((places[0][0], places[1][0]), ((0.8, -0.8), (-0.8, 0.8)), strict=True):
                assert np.median(rows) == pytest.approx((1 - expected[k]) / 2 * (height - 1), abs=1.5)
        widths.append(places[0][1].max() / (high.right - high.left))
    assert widths == pytest.approx([0.1, 0.5, 0.99], abs=0.02)


def test_pages_follow_each_other():
    times = np.arange(0, 10, 0.04)
    strip = Strip([constant(times, 0.9, 0.9)], 640, 4.0)
    picture = np.zeros((strip.height, 640, 3), np.uint8)
    ends = []
    _, top, height = strip.panels[0]
    for second in (1.0, 3.9, 4.0, 6.0, 9.96):
        strip.draw(picture, round(second * 25))
        columns = near(picture[top : top + height], BRIGHT)[1]
        ends.append((np.median(columns) - strip.left) / (strip.right - strip.left) * 4)
    assert ends == pytest.approx([1.0, 3.9, 0.0, 2.0, 1.96], abs=0.05)


def test_point_in_the_plane():
    times = np.arange(10) / 25
    for valence, arousal in ((0.7, 0.5), (-0.5, -0.7)):
        strip = Strip([constant(times, valence, arousal)], 640, 30.0)
        picture = np.zeros((strip.height, 640, 3), np.uint8)
        strip.draw(picture, 5)
        left, top, side = strip.plane
        rows, columns = near(picture[top : top + side, left : left + side], BRIGHT)
        found = 2 * columns.mean() / (side - 1) - 1, 1 - 2 * rows.mean() / (side - 1)
        assert found == pytest.approx((valence, arousal), abs=0.03)


def test_several_faces_have_their_colours():
    times = np.arange(20) / 25
    traces = [constant(times, 0.8, 0.5, (20, 60, 80, 80)), constant(times, -0.8, -0.5, (220, 60, 80, 80))]
    overlay = Overlay(traces, 240, 360)
    picture = overlay.draw(15, np.zeros((240, 360, 3), np.uint8))
    first, second = (near(picture[:240], colour)[1] for colour in FACES[:2])
    assert first.max() < 180
    assert second.max() == pytest.approx(300, abs=2)
    _, top, height = overlay.strip.panels[0]
    panel = picture[240 + top : 240 + top + height, overlay.strip.left : overlay.strip.right]
    first, second = (np.median(near(panel, colour, 60)[0]) for colour in FACES[:2])
    assert (first, second) == pytest.approx((0.1 * (height - 1), 0.9 * (height - 1)), abs=1.5)


@pytest.mark.parametrize('width', [32, 256, 641, 1920, 4000])
def test_any_width(width):
    times = np.arange(20) / 25
    trace = constant(times, 0.5, np.nan, (width * 0.9, -5, width, 30), synthetic=True)
    picture = Overlay([trace], 40, width).draw(7, np.full((40, width, 3), 90, np.uint8))
    assert picture.shape[1] == min(max(width + width % 2, 320), 1920)
    assert picture.shape[0] % 2 == 0
    single = Trace(
        {'trial': 'a', 'targets': ['arousal']},
        times,
        np.zeros((20, 1)),
        trace.face,
        trace.voice,
        trace.box,
        trace.track,
    )
    assert Overlay([single], 40, width).draw(7, np.full((40, width, 3), 90, np.uint8)).shape[0] < picture.shape[0]


def test_without_a_picture_there_are_traces(tmp_path):
    times = np.arange(8) / 25
    sound = np.zeros(RATE // 2, np.float32)
    path = write_overlay(tmp_path / 'a.mp4', Recorded(times, 0, 0, sound), constant(times, 0.5, 0.5))
    with av.open(str(path)) as container:
        assert container.streams.video[0].width == 640
        assert sum(1 for _ in container.decode(video=0)) == 8


def test_memory_does_not_grow_with_the_length():
    times = np.arange(20_000) / 25
    overlay = Overlay([constant(times, 0.1, 0.2, (10, 10, 50, 50))], 120, 320)
    frame = np.zeros((120, 320, 3), np.uint8)
    for index in range(0, 3000, 30):
        overlay.draw(index, frame)
    tracemalloc.start()
    for index in range(3000, 20_000, 30):
        overlay.draw(index, frame)
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert grown < 4 << 20


def test_what_does_not_fit_is_one_line_and_leaves_no_file(tmp_path):
    times = np.arange(5) / 25
    trace = constant(times, 0, 0)
    path = tmp_path / 'a.mp4'
    with pytest.raises(ValueError, match='no traces'):
        write_overlay(path, Recorded(times), [])
    with pytest.raises(ValueError, match='seconds is 0; expected more than 0'):
        write_overlay(path, Recorded(times), trace, seconds=0)
    with pytest.raises(ValueError, match='2 traces of different times or targets'):
        write_overlay(path, Recorded(times), [trace, dataclasses.replace(trace, times=times + 1)])
    with pytest.raises(MediaError, match='fake: 4 frames; expected 5, as in its trace'):
        write_overlay(path, Recorded(times[:4]), trace)
    with pytest.raises(MediaError, match='fake: more than 5 frames; expected 5'):
        write_overlay(path, Recorded(times, frames=6), trace)
    with pytest.raises(MediaError, match='4'):
        write_overlay(path, Recorded(times, frames=4), trace)
    assert list(tmp_path.iterdir()) == []


def test_text_is_cut_at_the_edges():
    width, height = text_size('valence', 14)
    picture = np.zeros((height + 20, width + 20, 3), np.uint8)
    write_line(picture, 'valence', 10, 10, 14, (255, 128, 0))
    rows, columns = np.nonzero(picture[..., 0])
    assert (rows.min() >= 10, rows.max() < 10 + height, columns.min() >= 9) == (True, True, True)
    assert picture[..., 0].max() == 255
    for x, y in ((-5, -3), (width, height), (1000, 0), (0, -1000)):
        write_line(picture, 'valence', x, y, 14, (255, 128, 0))
    assert text_size('+0.25', 14)[1] == height


def test_progress_is_told_of_each_frame(tmp_path):
    told = []
    times = np.arange(5) / 25
    progress = type('Counted', (), {'update': lambda self: told.append(1)})()
    write_overlay(tmp_path / 'a.mp4', Recorded(times), constant(times, 0, 0), progress=progress)
    assert told == list(repeat(1, 5))
