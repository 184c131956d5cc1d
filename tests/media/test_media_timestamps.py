import av
import cv2
import numpy as np
import pytest
from media_files import clicks, mux, pattern, rotated

from mmaffect.errors import MediaError
from mmaffect.media import probe, read_sound, read_timestamps, write_video

UNIFORM = np.arange(30) / 25


def test_grid_has_75_frames_at_25_and_44_khz(grid):
    for path in grid:
        info, times = probe(path), read_timestamps(path)
        assert (info.width, info.height, info.rotation, info.fps) == (360, 288, 0, 25.0)
        assert (info.has_video, info.has_audio, info.audio_rate, info.audio_channels) == (True, True, 44100, 2)
        np.testing.assert_allclose(times.seconds, np.arange(75) / 25, atol=1e-9)
        assert times.frames == 75
        # MPEG program streams declare no number of frames: that is said.
        assert times.flags == ('count_not_declared',)
        assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) == 25


def test_two_streams_the_best_is_read(clips):
    path = clips / 'negative' / 'nasa_13013.mp4'
    info, times = probe(path), read_timestamps(path)
    assert (info.video_streams, info.audio_streams, info.width, info.height) == (2, 2, 480, 270)
    assert times.frames == times.frames_declared == 390
    with av.open(str(path)) as container:
        stream = container.streams.best('video')
        decoded = [frame.time for frame in container.decode(stream)]
    np.testing.assert_allclose(times.seconds, decoded, atol=1e-9)
    assert times.flags == ()


def test_variable_frame_rate(tmp_path):
    steps = np.where(np.arange(30) % 3 == 0, 0.08, 0.02)
    expected = np.concatenate([[0], np.cumsum(steps)[:-1]])
    times = read_timestamps(mux(tmp_path / 'a.mp4', expected))
    np.testing.assert_allclose(times.seconds, expected, atol=1e-3)
    assert times.flags == ('variable_frame_rate',)
    assert np.abs(times.seconds - np.arange(30) / probe(tmp_path / 'a.mp4').fps).max() > 0.03


@pytest.mark.parametrize('suffix', ['mp4', 'mkv', 'ts'])
@pytest.mark.parametrize(('picture_at', 'sound_at'), [(0.5, 0.0), (0.0, 0.5), (1.0, 1.25)])
def test_picture_and_sound_share_the_clock(tmp_path, suffix, picture_at, sound_at):
    sound = clicks(1.2, 16000, 0.4)
    path = mux(tmp_path / f'a.{suffix}', UNIFORM + picture_at, sound, sound_at=sound_at)
    times, heard = read_timestamps(path), read_sound(path, 16000)
    first = np.abs(heard.samples).argmax() / 16000
    # Whatever the zero of the container, a click 0.4 s into the sound is this far from the first picture.
    assert first - times.seconds[0] == pytest.approx(sound_at + 0.4 - picture_at, abs=2e-3)
    assert times.seconds[0] >= 0
    assert heard.start >= 0
    # Transport streams do not mark the 1024 samples that AAC needs to start.
    late = 1024 / 16000 if suffix == 'ts' else 0
    assert min(times.seconds[0], heard.start) == pytest.approx(0, abs=2e-3 + late)
    np.testing.assert_allclose(np.diff(times.seconds), 0.04, atol=1e-3)


@pytest.mark.parametrize('degrees', [90, 180, 270])
def test_rotation_is_applied_to_the_size(tmp_path, degrees):
    info = probe(rotated(mux(tmp_path / 'a.mp4', UNIFORM), tmp_path / 'b.mp4', degrees))
    assert (info.width, info.height) == ((96, 64) if degrees == 180 else (64, 96))
    assert info.rotation == 360 - degrees


def test_without_sound_and_without_picture(tmp_path):
    silent = mux(tmp_path / 'silent.mp4', UNIFORM)
    assert not probe(silent).has_audio
    assert read_sound(silent, 16000) is None
    heard = mux(tmp_path / 'heard.mp4', None, clicks(1, 16000, 0.5))
    info = probe(heard)
    assert (info.has_video, info.has_audio, info.width, info.fps) == (False, True, 0, None)
    with pytest.raises(MediaError, match='no video stream'):
        read_timestamps(heard)


def test_fragmented_mp4_declares_no_count(tmp_path):
    path = mux(tmp_path / 'a.mp4', UNIFORM, options={'movflags': 'frag_keyframe+empty_moov'})
    times = read_timestamps(path)
    assert (times.frames, times.frames_declared) == (30, None)
    assert 'count_not_declared' in times.flags


def test_edit_list_hides_frames(tmp_path):
    data = bytearray(mux(tmp_path / 'a.mp4', UNIFORM).read_bytes())
    at = data.find(b'elst') + 12
    duration, media_time = int.from_bytes(data[at : at + 4], 'big'), int.from_bytes(data[at + 4 : at + 8], 'big')
    data[at : at + 8] = (duration - 200).to_bytes(4, 'big') + (media_time + 16000 // 5).to_bytes(4, 'big')
    path = tmp_path / 'b.mp4'
    path.write_bytes(data)
    times = read_timestamps(path)
    with av.open(str(path)) as container:
        shown = [frame.time for frame in container.decode(video=0)]
    assert times.frames_declared == 30
    assert times.frames == len(shown) == 25
    np.testing.assert_allclose(times.seconds, shown, atol=1e-9)
    assert 'declared_count_differs' in times.flags


def test_raw_stream_has_times_from_its_rate(tmp_path):
    times = read_timestamps(mux(tmp_path / 'a.h264', UNIFORM))
    assert times.frames == 30
    assert {'times_from_rate', 'duration_not_declared'} <= set(times.flags)


@pytest.mark.parametrize('fps', [0.5, 1000])
def test_extreme_rates(tmp_path, fps):
    write_video(tmp_path / 'a.mp4', (pattern(i) for i in range(5)), fps)
    np.testing.assert_allclose(read_timestamps(tmp_path / 'a.mp4').seconds, np.arange(5) / fps, atol=1e-4)


def test_one_frame(tmp_path):
    write_video(tmp_path / 'a.mp4', [pattern(0)], 25)
    times = read_timestamps(tmp_path / 'a.mp4')
    assert times.seconds.tolist() == [0.0]
    assert times.flags == ()


def test_times_are_read_only(small):
    with pytest.raises(ValueError, match='read-only'):
        read_timestamps(small).seconds[0] = 1
