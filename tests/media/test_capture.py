"""Captures: from files in the place of devices, from pipes, from a file that plays; and what breaks off."""

import errno
import os
import threading

import av
import numpy as np
import pytest
from media_files import clicks, pattern

from mmaffect.errors import MediaError
from mmaffect.live import sources
from mmaffect.live.sources import is_stream, open_devices, open_stream, play_file
from mmaffect.media import VideoReader, capture, read_sound, write_video
from mmaffect.media.capture import Capture, CaptureClock, Piece, container_pieces
from tests.transport_streams import as_transport_stream


def everything(source):
    """All pieces of a capture, to its end."""
    with source:
        pieces = []
        while True:
            ended = source.ended
            found = source.read(5)
            pieces += found
            if ended and not found:
                return pieces


def split(pieces):
    frames = [one for one in pieces if one.frame is not None]
    return frames, [one for one in pieces if one.sound is not None]


def test_a_file_as_fast_as_it_goes_gives_everything(small):
    source = play_file(small, 44100, None)
    frames, sound = split(everything(source))
    expected = list(VideoReader(small))
    assert [one.time for one in frames] == [time for time, _ in expected]
    assert all(np.array_equal(one.frame, frame) for one, (_, frame) in zip(frames, expected, strict=True))
    assert np.array_equal(np.concatenate([one.sound for one in sound]), read_sound(small, 44100).samples)
    starts = np.cumsum([0, *(len(one.sound) for one in sound)])[:-1] / 44100
    assert [one.time for one in sound] == pytest.approx(starts)
    assert (source.dropped_frames, source.dropped_sound, source.problem) == (0, 0, None)


def test_a_file_plays_no_sooner_than_its_clock(small):
    source = play_file(small, 16000, 20.0)
    with source:
        seen = 0
        while not source.ended or source.waiting_frames:
            for piece in source.read(1):
                length = 0 if piece.sound is None else len(piece.sound) / 16000
                assert piece.time + length <= source.clock.now() + 1e-6
                seen += piece.frame is not None
    assert seen + source.dropped_frames == 50


@pytest.mark.parametrize('speed', [0, -1, float('inf'), float('nan')])
def test_impossible_speeds(small, speed):
    with pytest.raises(MediaError, match='expected a number greater than 0'):
        play_file(small, 16000, speed)


def test_sound_only_and_picture_only(tmp_path):
    write_video(tmp_path / 'silent.mp4', (pattern(i) for i in range(5)), 25)
    silent = play_file(tmp_path / 'silent.mp4', 16000, None)
    assert (silent.sample_rate, silent.has_picture, len(everything(silent))) == (None, True, 5)
    with av.open(str(tmp_path / 'sound.wav'), 'w') as out:
        stream = out.add_stream('pcm_s16le', rate=16000, layout='mono')
        block = av.AudioFrame.from_ndarray(np.arange(8000, dtype=np.int16)[None], format='s16', layout='mono')
        block.sample_rate = 16000
        out.mux(stream.encode(block))
    sound = play_file(tmp_path / 'sound.wav', 16000, None)
    assert (sound.sample_rate, sound.has_picture) == (16000, False)
    assert np.concatenate([one.sound for one in everything(sound)]) == pytest.approx(np.arange(8000) / 32768)


def test_a_damaged_file_ends_with_one_line_and_keeps_what_came(small, tmp_path):
    data = bytearray(small.read_bytes())
    with av.open(str(small)) as whole:
        for packet in list(whole.demux(video=0))[20:40]:
            data[packet.pos : packet.pos + packet.size] = b'\xff' * packet.size
    path = tmp_path / 'damaged.mp4'
    path.write_bytes(data)
    source = play_file(path, 16000, None)
    frames, _ = split(everything(source))
    assert 0 < len(frames) < 50
    assert source.problem.startswith(f'{path}: ')
    assert '\n' not in source.problem


def pieces_of(count, stop=None):
    for i in range(count):
        yield Piece(i / 25, frame=np.full((2, 2, 3), i, np.uint8))
        yield Piece(i / 25, sound=np.full(400, i, np.float32))
    if stop is not None:
        raise stop


def test_a_full_queue_drops_the_oldest_and_counts():
    source = Capture(
        'x', [pieces_of(100)], CaptureClock(), sample_rate=10000, has_picture=True, max_frames=20, max_sound=1.0
    ).start()
    for thread in source._threads:
        thread.join()
    frames, sound = split(source.read())
    assert [one.frame[0, 0, 0] for one in frames] == list(range(80, 100))
    assert [one.sound[0] for one in sound] == list(range(75, 100))
    assert source.dropped_frames == 80
    assert source.dropped_sound == pytest.approx(3.0)
    assert source.ended
    assert source.read(0) == []


@pytest.mark.parametrize(
    ('error', 'line'),
    [
        (MediaError('x: broken'), 'x: broken'),
        (OSError(errno.EIO, 'Input/output error'), 'cam: the stream broke off (Input/output error)'),
        (av.InvalidDataError(1, 'Invalid data'), 'cam: the stream broke off (Invalid data)'),
    ],
)
def test_what_breaks_off_ends_with_one_line(error, line):
    source = Capture('cam', [pieces_of(3, error)], CaptureClock(), sample_rate=10000, has_picture=True)
    frames, sound = split(everything(source))
    assert (len(frames), len(sound)) == (3, 3)
    assert source.problem == line


def test_closing_does_not_wait_for_the_end(small):
    source = play_file(small, 16000, 0.01)
    with source:
        assert source.read(5)
    assert not any(thread.is_alive() for thread in source._threads)


def test_a_pipe_that_is_cut_off(small, tmp_path):
    """Half of a transport stream through a FIFO: its frames, then the end."""
    data = as_transport_stream(small, tmp_path / 'a.ts')
    fifo = tmp_path / 'pipe'
    os.mkfifo(fifo)
    assert is_stream(str(fifo))
    writer = threading.Thread(target=lambda: fifo.write_bytes(data[: len(data) * 3 // 5]), daemon=True)
    writer.start()
    source = open_stream(fifo)
    assert (source.sample_rate, source.has_picture) == (16000, True)
    source.lossless = True
    frames, sound = split(everything(source))
    writer.join()
    assert 5 < len(frames) < 50
    times = [one.time for one in frames]
    assert np.diff(times) == pytest.approx(1 / 25, abs=1e-4)
    assert sound


def test_what_is_no_stream(tmp_path, small):
    (tmp_path / 'a').write_text('x')
    assert not is_stream(str(small))
    assert not is_stream(str(tmp_path / 'none'))
    assert is_stream('-')
    assert is_stream('rtsp://localhost/x')
    with pytest.raises(MediaError, match='expected a pipe or an address'):
        open_stream(tmp_path / 'a')


def devices(monkeypatch, files, system='linux'):
    """Files in the place of devices, by FFmpeg's format."""
    opened, really = [], av.open

    def open_device(name, format=None, container_options=None, **_):
        opened.append((format, name, container_options))
        found = files.get(format)
        if isinstance(found, Exception):
            raise found
        return really(str(found))

    monkeypatch.setattr(sources.sys, 'platform', system)
    monkeypatch.setattr(sources, '_is_format', lambda name: name in files)
    monkeypatch.setattr(av, 'open', open_device)
    return opened


@pytest.mark.parametrize(
    ('system', 'camera', 'microphone', 'expected'),
    [
        ('linux', '', '', [('v4l2', '/dev/video0', {}), ('alsa', 'default', {})]),
        ('linux', '2', 'hw:1', [('v4l2', '/dev/video2', {}), ('alsa', 'hw:1', {})]),
        ('darwin', '', '1', [('avfoundation', '0:none', {'framerate': '30'}), ('avfoundation', 'none:1', {})]),
        ('win32', 'Cam', 'Mic', [('dshow', 'video=Cam', {}), ('dshow', 'audio=Mic', {})]),
    ],
)
def test_camera_and_microphone(monkeypatch, small, system, camera, microphone, expected):
    files = dict.fromkeys(('v4l2', 'alsa', 'avfoundation', 'dshow'), small)
    opened = devices(monkeypatch, files, system)
    source = open_devices(camera, microphone)
    assert opened == expected
    source.lossless = True
    frames, sound = split(everything(source))
    assert len(frames) == 50
    # Each device has a clock of its own: its first piece begins when it came.
    assert np.diff([one.time for one in frames]) == pytest.approx(1 / 25, abs=1e-6)
    assert frames[0].time >= 0
    assert source.sample_rate == 16000
    total = sum(len(one.sound) for one in sound)
    assert sound[-1].time + len(sound[-1].sound) / 16000 - sound[0].time == pytest.approx(total / 16000, abs=1e-3)
    assert source.name.startswith('camera ')


def test_what_a_camera_is_asked_for(monkeypatch, small):
    opened = devices(monkeypatch, {'v4l2': small})
    source = open_devices('/dev/video1', None, size=(640, 480), fps=15)
    source.close()
    assert opened == [('v4l2', '/dev/video1', {'video_size': '640x480', 'framerate': '15'})]


@pytest.mark.parametrize(
    ('error', 'why'),
    [
        (FileNotFoundError(errno.ENOENT, 'x'), 'no such device'),
        (PermissionError(errno.EACCES, 'x'), 'no permission to use it'),
        (OSError(errno.EBUSY, 'x'), 'another program uses it'),
        (OSError(errno.EIO, 'Input/output error'), r'cannot be opened \(Input/output error\)'),
    ],
)
def test_devices_that_cannot_be_opened(monkeypatch, small, error, why):
    devices(monkeypatch, {'v4l2': small, 'alsa': error})
    with pytest.raises(MediaError, match=f'^microphone default: {why}; found here: '):
        open_devices('', '')
    devices(monkeypatch, {'v4l2': error})
    with pytest.raises(MediaError, match=f'^camera /dev/video0: {why}; found here: '):
        open_devices('', None)


def test_no_devices_at_all(monkeypatch):
    devices(monkeypatch, {})
    with pytest.raises(MediaError, match='has no devices for it here; expected v4l2'):
        open_devices('', None)
    with pytest.raises(MediaError, match='neither camera nor microphone'):
        open_devices(None, None)


def test_a_device_that_has_no_frame_yet(small, monkeypatch):
    class Hesitant:
        def __init__(self, container):
            self.container, self.times = container, 0

        def __getattr__(self, name):
            return getattr(self.container, name)

        def decode(self, *streams):
            self.times += 1
            if self.times < 4:
                raise av.BlockingIOError(errno.EAGAIN, 'not yet')
            return self.container.decode(*streams)

    def pieces():
        clock = CaptureClock()
        return container_pieces(Hesitant(av.open(str(small))), 'cam', clock, arrival=True, picture=True, sound=False)

    assert len(list(pieces())) == 50
    monkeypatch.setattr(capture, 'SILENT_DEVICE', 0.0)
    with pytest.raises(MediaError, match='cam: nothing came for 0 s'):
        list(pieces())


def test_a_clock_starts_once():
    ticks = iter([10.0, 12.0, 13.0]).__next__
    clock = CaptureClock(ticks, speed=2.0)
    assert clock.now() == 0
    clock.start(at=1.0)
    assert clock.now() == pytest.approx(5.0)
    clock.start(at=7.0)
    assert clock.now() == pytest.approx(7.0)


def test_clicks_keep_their_place(small):
    """Sound of a stream is on the clock of its picture."""
    source = open_stream_of(small)
    _, sound = split(everything(source))
    samples = np.concatenate([one.sound for one in sound])
    found = np.flatnonzero(np.abs(samples) > 0.5 * np.abs(samples).max())
    expected = np.flatnonzero(clicks(2, 16000, 0.5, 1.5))
    assert abs(found[0] / 16000 + sound[0].time - expected[0] / 16000) < 0.005


def open_stream_of(path):
    clock = CaptureClock()
    pieces = container_pieces(av.open(str(path)), 'x', clock, arrival=False, picture=True, sound=True)
    return Capture('x', [pieces], clock, sample_rate=16000, has_picture=True, lossless=True)


def test_a_defect_in_a_thread_is_heard_of():
    def pieces():
        yield Piece(0.0, frame=np.zeros((2, 2, 3), np.uint8))
        raise ZeroDivisionError('a defect')

    source = Capture('cam', [pieces()], CaptureClock(), sample_rate=None, has_picture=True, lossless=True)
    with pytest.raises(ZeroDivisionError, match='a defect'):
        everything(source)


def test_what_is_damaged_in_a_stream_is_left_out(small, tmp_path):
    path = tmp_path / 'a.ts'
    with av.open(str(path), 'w', format='mpegts') as out, av.open(str(small)) as whole:
        streams = {one.index: out.add_stream_from_template(one) for one in whole.streams}
        for packet in whole.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    data = bytearray(path.read_bytes())
    count, g = len(data) // 188, np.random.default_rng(0)
    for number in g.choice(np.arange(8, count), count // 10, replace=False):
        data[number * 188 + 12 : number * 188 + 188] = g.bytes(176)
    path.write_bytes(data)
    with pytest.raises(av.InvalidDataError), av.open(str(path)) as plain:
        list(plain.decode(*plain.streams.video, *plain.streams.audio))
    source = open_stream(f'file://{path}', lossless=True)
    frames, _ = split(everything(source))
    assert source.problem is None
    assert 25 < len(frames) <= 50
    assert frames[-1].time > 1.5


def test_an_interrupt_while_a_pipe_has_no_writer(monkeypatch, tmp_path):
    def interrupted(*_, **__):
        raise InterruptedError(errno.EINTR, 'Interrupted system call')

    monkeypatch.setattr(av, 'open', interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_stream(tmp_path / 'pipe')
