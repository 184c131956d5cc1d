"""A live trace: what is shown, what is written while it grows, and how it ends."""

import errno
import io
import os
import threading

import av
import cv2
import numpy as np
import pytest

from mmaffect.errors import ConfigError, MediaError
from mmaffect.inference.loading import LoadedModel
from mmaffect.live.loop import LiveStep
from mmaffect.live.session import LiveSession
from mmaffect.live.sources import without_password
from mmaffect.live.view import TextView, WindowView, draw, spark
from mmaffect.live.writing import GrowingTrace
from mmaffect.media import write_video
from mmaffect.media.capture import Capture, CaptureClock, Piece
from mmaffect.streaming.values import StreamValues
from mmaffect.traces import Trace
from tests.streaming_material import DETECTOR, make_model
from tests.transport_streams import as_transport_stream


@pytest.fixture(scope='module')
def loaded():
    model = make_model('both')
    model.dataset_meta = {'face_size': 48, 'synthetic': True}
    return LoadedModel(model, 'toy', 'toy.pth', 'abc')


@pytest.fixture(scope='module')
def clip(tmp_path_factory):
    """50 white pictures with 2 s of sound."""
    path = tmp_path_factory.mktemp('clip') / 'clip.mp4'
    time = np.arange(2 * 16000) / 16000
    tone = (0.3 * np.sin(2 * np.pi * 300 * time)).astype(np.float32)
    write_video(path, (np.full((64, 72, 3), 255, np.uint8) for _ in range(50)), 25, tone, 16000)
    return path


class Terminal(io.StringIO):
    def isatty(self):
        return True


def follow(loaded, source, out=None, seconds=None, view=None, **arguments):
    """Run a session; status and what it said."""
    stream = io.StringIO()
    arguments = {'speed': 'max', 'hop': 4, 'detector': DETECTOR, 'voice': False, **arguments}
    session = LiveSession(loaded, source=str(source), out=out, **arguments)
    status = session.run([view or TextView(stream=stream, every=0.0)], seconds)
    return status, stream.getvalue()


@pytest.mark.parametrize('suffix', ['csv', 'json', 'npz'])
def test_a_file_to_its_end(loaded, clip, tmp_path, suffix):
    out = tmp_path / 'new' / f'trace.{suffix}'
    status, said = follow(loaded, clip, out)
    assert status == 0
    trace = Trace.load(out)
    assert len(trace) == 50
    assert trace.times == pytest.approx(np.arange(50) / 25, abs=1e-6)
    assert trace.face.all()
    assert os.listdir(out.parent) == [out.name]
    header = trace.header
    assert header['frames'] == {'declared': None, 'decoded': 50, 'with_face': 50, 'with_voice': None, 'predicted': 50}
    assert (header['trial'], header['input'], header['model']) == ('clip', str(clip), 'toy')
    assert (header['fps'], header['duration']) == pytest.approx((25, 2))
    assert trace.flags == ('stream', 'voice_unknown')
    lines = said.splitlines()
    assert 'values come at most 0.67 s or 17 frames at 25 fps after their frames' in lines[0]
    assert 'perceived' in lines[1]
    assert 'synthetic' in lines[1]
    assert lines[2].startswith('0.')
    assert 'valence' in lines[2]
    assert lines[-2:] == ['50 frames, 50 predicted, 50 with a face, 0 dropped', f'written: {out}']


def test_what_was_written_is_whole_at_any_moment(tmp_path):
    out = tmp_path / 'trace.json'
    growing = GrowingTrace(out, {'trial': 'x', 'flags': ['stream']})
    g = np.random.default_rng(0)
    affect = g.uniform(-1, 1, (12, 2)).astype(np.float32)
    assert not growing.finish({'trial': 'x'})
    for start in range(0, 12, 3):
        growing.append(values_of(start, affect[start : start + 3]))
        found = Trace.load(tmp_path / 'trace.json.csv')
        assert found.affect == pytest.approx(affect[: start + 3], abs=1e-6)
        assert found.flags == ('stream', 'interrupted')
    assert not out.exists()
    assert growing.finish({'trial': 'y', 'flags': ['stream']})
    assert not (tmp_path / 'trace.json.csv').exists()
    found = Trace.load(out)
    assert (found.trial, found.flags) == ('y', ('stream',))
    assert found.affect == pytest.approx(affect, abs=1e-6)
    assert found.gates['audio/iteration_1'] == pytest.approx(np.abs(affect[:, 0]), abs=1e-6)
    with pytest.raises(ConfigError, match=r"found '\.txt'"):
        GrowingTrace(tmp_path / 'a.txt', {})


def values_of(first, affect, box=True):
    count = len(affect)
    return StreamValues(
        first,
        np.arange(first, first + count) / 25,
        affect,
        np.ones(count, bool),
        np.zeros(count, bool),
        np.tile(np.float32([20, 10, 30, 40] if box else [np.nan] * 4), (count, 1)),
        np.zeros(count, np.int32),
        {'audio/iteration_1': np.abs(affect[:, 0])},
    )


def test_a_pipe_that_breaks_off_keeps_what_was_predicted(loaded, clip, tmp_path):
    data = as_transport_stream(clip, tmp_path / 'a.ts')
    fifo = tmp_path / 'pipe'
    os.mkfifo(fifo)
    threading.Thread(target=lambda: fifo.write_bytes(data[: len(data) // 2]), daemon=True).start()
    status, said = follow(loaded, fifo, tmp_path / 'pipe.csv')
    trace = Trace.load(tmp_path / 'pipe.csv')
    received = trace.header['frames']['decoded']
    assert status == 0
    assert 1 < received <= 50
    assert len(trace) == received
    assert f'{received} frames, {received} predicted' in said
    assert f'{fifo}: the stream ended\n' in said
    assert 'interrupted' not in trace.flags


def test_a_source_that_fails_says_so_and_keeps_what_was_predicted(loaded, clip, tmp_path, capsys):
    data = bytearray(clip.read_bytes())
    with av.open(str(clip)) as whole:
        for packet in list(whole.demux(video=0))[30:45]:
            data[packet.pos : packet.pos + packet.size] = b'\xff' * packet.size
    path = tmp_path / 'damaged.mp4'
    path.write_bytes(data)
    status, _ = follow(loaded, path, tmp_path / 'damaged.npz')
    assert status == 1
    error = capsys.readouterr().err
    assert error.startswith(f'error: {path}: ')
    assert error.count('\n') == 1
    trace = Trace.load(tmp_path / 'damaged.npz')
    assert 0 < len(trace) < 50
    assert 'broke_off' in trace.flags


def test_it_stops_when_told(loaded, clip, tmp_path):
    session = LiveSession(
        loaded, source=str(clip), speed='0.01', hop=4, detector=DETECTOR, voice=False, out=tmp_path / 'a.csv'
    )
    session.stop()
    stream = io.StringIO()
    assert session.run([TextView(stream=stream)]) == 0
    assert ' frames, ' in stream.getvalue()
    if session.inferencer.received:
        assert Trace.load(tmp_path / 'a.csv').flags[-1] == 'stopped'
    status, said = follow(loaded, clip, seconds=1e-9, speed='10')
    assert status == 0
    assert ' frames, ' in said


def test_what_cannot_be_followed(loaded, clip, tmp_path):
    with pytest.raises(ConfigError, match="speed 'fast'; expected a number, or max"):
        follow(loaded, clip, speed='fast')
    with pytest.raises(MediaError, match='expected a number greater than 0'):
        follow(loaded, clip, speed='0')
    for size in ('big', '0x0', '640x²'):
        with pytest.raises(ConfigError, match='expected <width>x<height>'):
            LiveSession(loaded, camera='', size=size)
    with pytest.raises(ConfigError, match='fps=0; expected'):
        follow(loaded, clip, fps=0)
    with pytest.raises(ConfigError, match='seconds=0; expected a number greater than 0'):
        follow(loaded, clip, seconds=0)
    (tmp_path / 'folder.csv').mkdir()
    with pytest.raises(IsADirectoryError):
        follow(loaded, clip, tmp_path / 'folder.csv')
    (tmp_path / 'text.mp4').write_text('not a video')
    with pytest.raises(MediaError, match='is text'):
        follow(loaded, tmp_path / 'text.mp4')
    with pytest.raises(FileNotFoundError):
        follow(loaded, tmp_path / 'none.mp4')
    with pytest.raises(ConfigError, match='delay=40'):
        follow(loaded, clip, delay=40)


def step_of(affect=None, dropped=0, now=1.0, latency=0.5, first=0):
    values = values_of(first, np.zeros((0, 2), np.float32) if affect is None else np.float32(affect))
    return LiveStep(values, np.zeros((60, 80, 3), np.uint8), now, latency, dropped)


def test_plain_lines_now_and_then():
    stream, clock = io.StringIO(), iter([0.0, 1.0, 2.0, 6.0, 7.0, 30.0])
    view = TextView(stream=stream, every=5.0, clock=lambda: next(clock))
    view.show(step_of())
    for number in range(3):
        view.show(step_of([[0.1 * number, -0.25]], first=number))
    view.show(step_of([[0.5, 0.5]], dropped=7))
    view.show(step_of(dropped=9))
    view.close()
    assert stream.getvalue().splitlines() == [
        '0.0 s  valence +0.00  arousal -0.25  face  no voice  latency 0.50 s  dropped 0',
        '0.1 s  valence +0.20  arousal -0.25  face  no voice  latency 0.50 s  dropped 0',
        'falls behind: 7 frames dropped so far; a larger --hop or --every costs less',
        'falls behind: 9 frames dropped so far; a larger --hop or --every costs less',
        '0.0 s  valence +0.50  arousal +0.50  face  no voice  latency 0.50 s  dropped 9',
    ]


def test_one_line_that_changes_on_a_terminal(monkeypatch):
    monkeypatch.setenv('COLUMNS', '60')
    stream = Terminal()
    view = TextView(stream=stream)
    view.show(step_of())
    view.show(step_of([[-1.0, 1.0]]))
    view.say('hello')
    view.close()
    first, second = stream.getvalue().split('\r')[1:3]
    assert first.rstrip() == '1.0 s  no values yet'
    assert second == '0.0 s  valence -1.00 ▁  arousal +1.00 █  face  no voice  late'[:59]
    assert stream.getvalue().endswith('\rhello\n\n')
    assert '\n' not in stream.getvalue().split('hello')[0]
    assert spark(np.linspace(-1, 1, 8)) == '▁▂▃▄▅▆▇█'


def test_a_window_needs_a_display(monkeypatch):
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr('sys.platform', 'linux')
    with pytest.raises(ConfigError, match='--window: there is no display here'):
        WindowView()


def test_a_window_shows_the_newest_picture(monkeypatch):
    monkeypatch.setenv('DISPLAY', ':7')
    shown, keys = [], iter([-1, -1, ord('q')])
    monkeypatch.setattr(cv2, 'namedWindow', lambda *_: None)
    monkeypatch.setattr(cv2, 'destroyWindow', shown.append)
    monkeypatch.setattr(cv2, 'imshow', lambda title, picture: shown.append(picture.copy()))
    monkeypatch.setattr(cv2, 'waitKey', lambda _: next(keys))
    view = WindowView('w')
    assert view.show(step_of())
    assert view.show(step_of([[0.0, 0.0]]))
    assert not view.show(step_of())
    view.close()
    assert not shown[0].any()
    assert (shown[1][10, 20:51] == 255).all()
    assert shown[-1] == 'w'


def test_drawing_leaves_the_picture_alone():
    frame = np.full((80, 100, 3), 90, np.uint8)
    step = step_of([[1.0, -1.0]])
    drawn = draw(frame, step)
    assert (frame == 90).all()
    assert drawn.shape == frame.shape
    # The point lies in the lower right corner of the plane, 20 pixels wide, 4 from the edges.
    assert drawn[75, 23].tolist() == [255, 200, 0]
    assert np.array_equal(draw(frame, None), frame)
    without = LiveStep(values_of(0, np.float32([[np.nan, 0]]), box=False), frame, 0.0, None, 0)
    assert (draw(frame, without)[:50] == 90).all()


def test_a_model_of_one_target_shows_what_it_knows():
    stream = io.StringIO()
    view = TextView(('arousal',), ('face',), stream=stream, every=0.0)
    values = values_of(0, np.float32([[0.25]]))
    view.show(LiveStep(values, None, 1.0, None, 0))
    view.show(LiveStep(values_of(1, np.float32([[np.nan]])), None, 1.0, None, 0))
    assert stream.getvalue().splitlines() == [
        '0.0 s  arousal +0.25  face  dropped 0',
        '0.0 s  arousal +nan  face  dropped 0',
    ]
    assert spark(np.array([np.nan, 1.0])) == ' █'


def test_what_is_looked_and_listened_for(loaded, clip):
    silent = LiveSession(loaded, source=str(clip), detector=DETECTOR, voice=False)
    assert silent.presence == ('face',)
    deaf = LoadedModel(make_model('audio'), 'toy', None, None)
    assert LiveSession(deaf, source=str(clip), voice=True).presence == ('voice',)


def test_a_csv_is_finished_with_its_header_only(tmp_path):
    out = tmp_path / 'a.csv'
    out.write_text('what was there')
    growing = GrowingTrace(out, {'trial': 'x', 'targets': ['valence', 'arousal']})
    assert out.read_text() == 'what was there'
    growing.append(values_of(0, np.float32([[0.1, 0.2], [0.3, 0.4]])))
    grown = out.read_text().splitlines()
    assert growing.finish({'trial': 'y', 'flags': ['stopped']})
    assert out.read_text().splitlines()[1:] == grown[1:]
    assert len(grown) == 4
    found = Trace.load(out)
    assert (found.trial, found.flags) == ('y', ('stopped',))
    assert os.listdir(tmp_path) == ['a.csv']


def test_a_full_disk_leaves_what_was_written_whole(tmp_path):
    class Full(io.FileIO):
        room = 400

        def write(self, data):
            if self.room == 0:
                raise OSError(errno.ENOSPC, 'No space left on device')
            written = super().write(data[: self.room])
            self.room -= written
            return written

    out = tmp_path / 'a.csv'
    growing = GrowingTrace(out, {'trial': 'x'})
    affect = np.full((9, 2), 0.5, np.float32)
    growing.append(values_of(0, affect[:3]))
    growing._file.close()
    growing._file = Full(out, 'ab')
    growing._file.room = 30
    with pytest.raises(OSError, match='No space left'):
        growing.append(values_of(3, affect[3:]))
    assert len(Trace.load(out)) == 3


def test_passwords_are_not_written():
    line = 'live.py rtsp://me:secret@camera:554/a?b=1 --out a.csv'
    assert without_password(line) == 'live.py rtsp://me:***@camera:554/a?b=1 --out a.csv'
    for text in ('http://camera:80/a@b', 'a.mp4', 'udp://@239.0.0.1:1234', '/a:b@c'):
        assert without_password(text) == text


def test_times_that_jump_end_a_trace_that_is_kept(loaded, tmp_path, monkeypatch):
    def pieces():
        for i in range(60):
            yield Piece(i / 25 + (1e5 if i > 50 else 0), frame=np.full((64, 72, 3), 255, np.uint8))
            yield Piece(i / 25, sound=np.zeros(640, np.float32))

    made = Capture('cam', [pieces()], CaptureClock(), sample_rate=16000, has_picture=True, lossless=True)
    monkeypatch.setattr('mmaffect.live.session.open_stream', lambda *_, **__: made)
    status, said = follow(loaded, '-', tmp_path / 'a.json')
    assert status == 1
    found = Trace.load(tmp_path / 'a.json')
    assert 0 < len(found) <= 51
    assert 'broke_off' in found.flags
    assert found.trial == 'stream'
    assert ' frames, ' in said


def test_while_it_grows_a_trace_claims_no_counts(loaded, clip, tmp_path):
    """What is there after a kill says neither that there was no face nor that nothing came."""
    out, headers = tmp_path / 'a.csv', []

    class Peeking(TextView):
        def show(self, step):
            if out.exists():
                headers.append(Trace.load(out).header)
            return True

    follow(loaded, clip, out, view=Peeking(stream=io.StringIO()))
    assert headers[-1]['flags'] == ['stream', 'voice_unknown', 'interrupted']
    assert set(headers[-1]['frames'].values()) == {None}
    assert Trace.load(out).header['frames']['with_face'] == 50


def test_of_a_pipe_nothing_is_dropped_if_asked_for(loaded, clip, tmp_path):
    source = f'file://{clip}'
    status, said = follow(loaded, source, tmp_path / 'a.csv', speed='max')
    assert status == 0
    trace = Trace.load(tmp_path / 'a.csv')
    assert len(trace) == 50
    assert 'frames_dropped' not in trace.flags
    assert 'latency -' not in said
