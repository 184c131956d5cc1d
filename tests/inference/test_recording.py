"""What a trace can be made of."""

import numpy as np
import pytest
import torchaudio

from mmaffect.errors import DownloadError, MediaError
from mmaffect.inference import ArrayRecording, FileRecording, open_recording
from mmaffect.inference.sources import unique_names, without_repeats
from mmaffect.media import write_video
from tests.loopback import Server

RATE = 16000


def picture(count=6, height=32, width=48):
    return [np.full((height, width, 3), 20 * i, np.uint8) for i in range(count)]


def tone(seconds=0.24):
    return (0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.fixture
def clip(tmp_path):
    write_video(tmp_path / 'clip.mp4', iter(picture()), 25, tone(), RATE)
    return tmp_path / 'clip.mp4'


def test_a_file(clip):
    (recording,) = open_recording(str(clip))
    assert (recording.name, recording.path, recording.source) == ('clip', clip, str(clip))
    assert (recording.height, recording.width, recording.frames_declared) == (32, 48, 6)
    assert (recording.has_picture, recording.has_sound, recording.flags) == (True, True, ())
    np.testing.assert_allclose(recording.times, np.arange(6) / 25, atol=1e-6)
    for _ in range(2):
        colours = [frame.mean() for frame in recording.frames()]
        np.testing.assert_allclose(colours, 20 * np.arange(6), atol=4)
        assert abs(sum(len(block) for block in recording.sound_blocks(8000)) - 1920) < 600


def test_sound_alone_ticks_at_25_frames_a_second(tmp_path):
    import wave

    with wave.open(str(tmp_path / 'voice.wav'), 'wb') as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((tone(1.01) * 32767).astype(np.int16).tobytes())
    (recording,) = open_recording(tmp_path / 'voice.wav')
    assert (recording.has_picture, recording.height, recording.frames_declared) == (False, 0, None)
    np.testing.assert_allclose(recording.times, np.arange(26) / 25)
    assert list(recording.frames()) == []


def test_picture_alone(tmp_path):
    write_video(tmp_path / 'mute.mp4', iter(picture()), 25)
    (recording,) = open_recording(tmp_path / 'mute.mp4')
    assert (recording.has_sound, recording.sound_blocks(RATE)) == (False, None)


def test_a_folder_is_read_in_order_without_hidden_files(tmp_path):
    for name in ('b/clip.mp4', 'a/clip.MKV', 'a/clip_2.mp4', '.hidden.mp4', '.git/x.mp4', 'a/notes.txt', 'c.wav'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b'x')
    found = open_recording(tmp_path)
    names = [(one.path.relative_to(tmp_path).as_posix(), one.name) for one in found]
    assert names == [('a/clip.MKV', 'a_clip'), ('a/clip_2.mp4', 'clip_2'), ('b/clip.mp4', 'b_clip'), ('c.wav', 'c')]


def test_files_of_one_name_are_named_by_their_folders(tmp_path):
    def names(*paths):
        return [one.name for one in unique_names(FileRecording(tmp_path / path) for path in paths)]

    assert names('p1/talk/x.mp4', 'p2/talk/x.mp4', 'p2/talk/y.mp4') == ['p1_talk_x', 'p2_talk_x', 'y']
    assert names('p2/talk/x.mp4', 'p1/talk/x.mp4') == ['p2_talk_x', 'p1_talk_x']
    assert names('p/x.mp4', 'p/x.mkv', 'x_2.mp4') == ['x', 'x_2', 'x_2_2']
    assert names('a/x.mp4', 'b/X.mp4', 'a_x.mp4') == ['a_x', 'b_X', 'a_x_2']


def test_a_file_that_is_named_twice(tmp_path):
    (tmp_path / 'clip.mp4').write_bytes(b'x')
    (tmp_path / 'link.mp4').symlink_to('clip.mp4')
    (tmp_path / 'a').mkdir()
    paths = [tmp_path / 'clip.mp4', tmp_path / 'link.mp4', tmp_path / 'a/../clip.mp4', tmp_path / 'other.mp4']
    arrays = [ArrayRecording(picture()) for _ in range(2)]
    found = without_repeats([*map(FileRecording, paths), *arrays])
    assert found[2:] == arrays
    assert [one.path for one in found[:2]] == [paths[0], paths[3]]


def test_long_names_leave_room():
    for name in ('a' * 300, 'ü' * 150, '語' * 90):
        safe = ArrayRecording(picture(), name=name).name
        assert 197 <= len(safe.encode()) <= 200
        assert name.startswith(safe)


@pytest.mark.parametrize('suffix', ['mkv', 'avi'])
def test_a_sound_stream_without_samples_is_no_sound(suffix, tmp_path):
    import av

    path = tmp_path / f'muted.{suffix}'
    with av.open(str(path), 'w') as out:
        stream = out.add_stream('mpeg4', rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, 'yuv420p'
        out.add_stream('pcm_s16le', rate=RATE, layout='mono')
        for frame in picture():
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')))
        out.mux(stream.encode(None))
    (recording,) = open_recording(path)
    assert (recording.has_picture, recording.has_sound, recording.sound_blocks(RATE)) == (True, False, None)
    assert recording.flags[-1] == 'sound_empty'


def test_several_streams_are_flagged(tmp_path):
    import av

    with av.open(str(tmp_path / 'two.mkv'), 'w') as out:
        streams = [out.add_stream('mpeg4', rate=25) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
        for frame in picture(height=48, width=64):
            for stream in streams:
                out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')))
        for stream in streams:
            out.mux(stream.encode(None))
    (recording,) = open_recording(tmp_path / 'two.mkv')
    assert 'several_pictures' in recording.flags
    assert 'several_sounds' not in recording.flags


def test_names_are_safe_and_different():
    given = ['a/b', '..', 'A_b', 'x\ny', '']
    recordings = unique_names([ArrayRecording(picture(), name=name) for name in given])
    assert [one.name for one in recordings] == ['a_b', '_.', 'A_b_2', 'x_y', 'recording']


def test_an_address(clip, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    server = Server(clip.read_bytes())
    (recording,) = open_recording(server.url.replace('weights.pth', 'talk%20one.mp4') + '?x=1')
    assert recording.name == 'talk one'
    assert len(recording.times) == 6
    assert recording.path.is_relative_to(tmp_path / 'cache')
    assert recording.source == server.url.replace('weights.pth', 'talk%20one.mp4')
    (local,) = open_recording(clip.as_uri())
    assert (local.name, local.path) == ('clip', clip)
    server.faults.append(404)
    with pytest.raises(DownloadError, match='404'):
        open_recording(server.url.replace('weights.pth', 'gone.mp4'))
    with pytest.raises(DownloadError, match="scheme 'rtsp'"):
        open_recording('rtsp://somewhere/clip.mp4')


def test_arrays():
    sound = np.stack([tone(), -0.5 * tone()], axis=1)
    recording = ArrayRecording(np.stack(picture()), fps=30, sound=sound, sample_rate=RATE)
    np.testing.assert_allclose(recording.times, np.arange(6) / 30)
    found = np.concatenate(list(recording.sound_blocks(8000)))
    import torch

    expected = torchaudio.functional.resample(torch.from_numpy(sound.mean(1)), RATE, 8000).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    (same,) = open_recording((picture(), tone()))
    assert (len(same.times), same.has_sound, same.width) == (6, True, 48)
    (whole,) = open_recording(dict(frames=picture(), times=[0, 0.1, 0.1, 0.5, 2, 3], name='mine'))
    assert (whole.name, whole.has_sound, whole.times[-1]) == ('mine', False, 3)
    numbers = ArrayRecording(sound=np.full(RATE, 16384, np.int16), sample_rate=RATE)
    assert len(numbers.times) == 25
    assert np.concatenate(list(numbers.sound_blocks(RATE))).max() == pytest.approx(0.5)
    assert numbers.flags == ()
    holes = np.where(np.arange(RATE) % 2, np.nan, 0.25).astype(np.float32)
    odd = ArrayRecording(sound=holes, sample_rate=RATE)
    assert odd.flags == ('sound_non_finite',)
    assert set(np.concatenate(list(odd.sound_blocks(RATE)))) == {0.0, 0.25}


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (dict(), 'neither a frame nor a sample'),
        (dict(frames=np.zeros((2, 4, 4), np.uint8)), r'frame 0 is uint8 \(4, 4\); expected uint8 \(H, W, 3\)'),
        (dict(frames=np.zeros((2, 4, 4, 3))), 'frame 0 is float64'),
        (dict(frames=picture(), times=[0, 1]), r'times \(2,\); expected one for each of 6 frames'),
        (dict(frames=picture(), times=[0, 1, 2, 3, 5, 4]), 'times are not ascending'),
        (dict(frames=picture(), fps=0), 'fps=0; expected a positive number'),
        (dict(sound=np.zeros((1, 2, 3))), 'sound is float64'),
        (dict(sound=np.zeros(8, np.int64)), 'sound is int64'),
        (dict(sound=np.zeros((2, 16000))), r'float64 \(2, 16000\); expected float or int16 \(N,\) or \(N, channels\)'),
        (dict(sound=tone(), sample_rate=0), 'sample_rate=0; expected 1000 to 384000 Hz'),
        (dict(frames=[*picture(2), picture()[0][..., 0]]), r'frame 2 is uint8 \(32, 48\)'),
        (dict(frames=[[1, 2]]), 'frame 0 is list'),
        (dict(frames=iter(picture())), 'frames are a list_iterator; expected an array or a list'),
        (dict(frames=picture(), fps=float('inf')), 'fps=inf'),
        (dict(sounds=tone()), 'unexpected keyword'),
    ],
)
def test_arrays_that_do_not_fit(arguments, text):
    with pytest.raises(MediaError, match=text):
        open_recording(arguments)


def test_what_is_no_recording(tmp_path):
    with pytest.raises(MediaError, match='no media file in this folder'):
        open_recording(tmp_path)
    with pytest.raises(MediaError, match='input is a int'):
        open_recording(3)
    with pytest.raises(MediaError, match='expected \\(frames, sound\\)'):
        open_recording((1, 2, 3))
    with pytest.raises(FileNotFoundError):
        open_recording(tmp_path / 'none.mp4')
    (tmp_path / 'text.mp4').write_text('no video, but some text in a file')
    (recording,) = open_recording(tmp_path / 'text.mp4')
    with pytest.raises(MediaError, match='is text; expected a whole video'):
        recording.times  # noqa: B018
