"""What is played in a report."""

import wave

import av
import numpy as np
import pytest

from mmaffect.errors import MediaError
from mmaffect.media import write_video
from mmaffect.report.playable import browser_type, playable
from tests.report.traces import grey_frames, grey_video

LIMITS = dict(max_bytes=1 << 30, max_height=480)


def encode(path, codec, pix_fmt='yuv420p', first=0, **options):
    """20 frames, by PyAV alone."""
    with av.open(str(path), 'w') as out:
        stream = out.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        for i, image in enumerate(grey_frames(20)):
            frame = av.VideoFrame.from_ndarray(image, format='rgb24')
            frame.pts = i + first
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def test_what_browsers_play_is_embedded_as_it_is(tmp_path):
    source = grey_video(tmp_path / 'clip.mp4', 10)
    with playable(source, **LIMITS) as media:
        assert (media.path, media.mime, media.picture) == (source, 'video/mp4', (64, 48))
    assert browser_type(encode(tmp_path / 'a.webm', 'libvpx-vp9')) == 'video/webm'


@pytest.mark.parametrize(
    ('name', 'codec', 'pix_fmt'),
    [('a.avi', 'mpeg4', 'yuv420p'), ('a.mp4', 'libx264', 'yuv444p'), ('a.mkv', 'libx264', 'yuv420p'),
     ('a.mov', 'libx264', 'yuv420p')],
)  # fmt: skip
def test_what_some_browser_does_not_play_is_copied(tmp_path, name, codec, pix_fmt):
    source = encode(tmp_path / name, codec, pix_fmt)
    assert browser_type(source) is None
    with playable(source, max_bytes=1 << 30, max_height=24) as media:
        assert media.picture == (64, 48)
        assert browser_type(media.path) == 'video/mp4'
        with av.open(str(media.path)) as copy:
            frames = list(copy.decode(video=0))
            assert (frames[0].width, frames[0].height) == (32, 24)
            assert [frame.time for frame in frames] == pytest.approx(np.arange(20) / 25, abs=1e-3)
    assert not media.path.exists()


def test_a_large_file_is_copied_with_its_sound(tmp_path):
    source = grey_video(tmp_path / 'clip.mp4', 10)
    with playable(source, max_bytes=100, max_height=480) as media, av.open(str(media.path)) as copy:
        assert [stream.type for stream in copy.streams] == ['video', 'audio']
        assert sum(frame.samples for frame in copy.decode(audio=0)) == pytest.approx(0.4 * 44100, abs=2048)


def test_frames_that_begin_late_begin_late_in_the_copy(tmp_path):
    source = tmp_path / 'a.mp4'
    times = np.array([0.5, 0.54, 0.7])
    write_video(source, grey_frames(3), None, np.zeros(16000, np.float32), 16000, times=times)
    with playable(source, max_bytes=0, max_height=480) as media, av.open(str(media.path)) as copy:
        assert [frame.time for frame in copy.decode(video=0)] == pytest.approx([0, 0.5, 0.54, 0.7], abs=1e-4)


def test_a_clock_that_begins_elsewhere_is_not_the_browsers(tmp_path):
    source = encode(tmp_path / 'a.webm', 'libvpx-vp9', first=25)
    assert browser_type(source) is None
    with playable(source, **LIMITS) as media, av.open(str(media.path)) as copy:
        assert next(copy.decode(video=0)).time == 0


@pytest.mark.parametrize(('codec', 'suffix', 'mime'), [('pcm_s16le', 'wav', 'audio/wav'), ('pcm_s24le', 'wav', None),
                                                       ('flac', 'flac', 'audio/flac')])  # fmt: skip
def test_sound_alone(tmp_path, codec, suffix, mime):
    source = tmp_path / f'voice.{suffix}'
    sound = (0.5 * np.sin(np.arange(16000) / 20)).astype(np.float32)
    with av.open(str(source), 'w') as out:
        stream = out.add_stream(codec, rate=16000, layout='mono')
        kind = 's32' if codec == 'pcm_s24le' else 's16'
        scale = 2**31 - 1 if kind == 's32' else 32767
        values = (sound[None] * scale).astype(np.int32 if kind == 's32' else np.int16)
        for start in range(0, 16000, 1600):
            part = np.ascontiguousarray(values[:, start : start + 1600])
            frame = av.AudioFrame.from_ndarray(part, format=kind, layout='mono')
            frame.sample_rate, frame.pts = 16000, start
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert browser_type(source) == mime
    with playable(source, **LIMITS) as media:
        assert media.picture is None
        assert media.mime == (mime or 'audio/wav')
        if mime is None:
            with wave.open(str(media.path)) as file:
                assert (file.getframerate(), file.getnframes()) == (16000, 16000)
                found = np.frombuffer(file.readframes(16000), '<i2') / 32767
                np.testing.assert_allclose(found, sound, atol=1e-4)


def test_no_media(tmp_path):
    (tmp_path / 'a.mp4').write_text('words')
    with pytest.raises(MediaError, match=r'a\.mp4'), playable(tmp_path / 'a.mp4', **LIMITS):
        pass
