"""What a trace can be made of."""

import numpy as np
import pytest
import torchaudio

from mmaffect.errors import DownloadError, MediaError
from mmaffect.inference import ArrayRecording, open_recording
from mmaffect.inference.sources import unique_names
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
    assert names == [('a/clip.MKV', 'clip'), ('a/clip_2.mp4', 'clip_2'), ('b/clip.mp4', 'clip_3'), ('c.wav', 'c')]


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


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (dict(), 'neither a frame nor a sample'),
        (dict(frames=np.zeros((2, 4, 4), np.uint8)), r'a frame is uint8 \(4, 4\); expected uint8 \(H, W, 3\)'),
        (dict(frames=np.zeros((2, 4, 4, 3))), 'a frame is float64'),
        (dict(frames=picture(), times=[0, 1]), r'times \(2,\); expected one for each of 6 frames'),
        (dict(frames=picture(), times=[0, 1, 2, 3, 5, 4]), 'times are not ascending'),
        (dict(frames=picture(), fps=0), 'fps=0; expected a positive number'),
        (dict(sound=np.zeros((1, 2, 3))), 'sound is float64'),
        (dict(sound=np.zeros(8, np.int64)), 'sound is int64'),
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
