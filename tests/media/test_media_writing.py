import av
import cv2
import numpy as np
import pytest
from media_files import blue, clicks, pattern

from mmaffect.errors import MediaError
from mmaffect.media import isolated, read_timestamps, write_video


def images(count, height=64, width=96):
    return (pattern(index, height, width) for index in range(count))


def test_pictures_and_sound_come_back(small):
    with av.open(str(small)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.frames, video.average_rate, video.width, video.height) == (50, 25, 96, 64)
        assert (audio.rate, audio.channels) == (16000, 1)
        frames = list(container.decode(video))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(50) / 25)
    for index, frame in enumerate(frames):
        image = frame.to_ndarray(format='rgb24')
        assert np.abs(image.astype(int) - pattern(index)).mean() < 4
        assert abs(blue(image) - index) < 1
    with av.open(str(small)) as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    first, second = np.abs(sound[:16000]).argmax(), 16000 + np.abs(sound[16000:]).argmax()
    assert abs(first - 8000) <= 1
    assert abs(second - 24000) <= 1


def write_twelve(path):
    write_video(path, images(12), 25, clicks(0.48, 16000, 0.1), 16000)


def test_same_input_gives_the_same_bytes(tmp_path):
    # libx264 reads memory that was used before: rarely, in a process with a past, it makes other bytes.
    for name in ('a.mp4', 'b.mp4'):
        isolated(write_twelve, tmp_path / name)
    assert (tmp_path / 'a.mp4').read_bytes() == (tmp_path / 'b.mp4').read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.mp4', 'b.mp4']


@pytest.mark.parametrize('fps', [30000 / 1001, 7.5, 100])
def test_rate_is_exact(tmp_path, fps):
    write_video(tmp_path / 'a.mp4', images(10), fps)
    with av.open(str(tmp_path / 'a.mp4')) as container:
        times = [frame.time for frame in container.decode(video=0)]
    np.testing.assert_allclose(times, np.arange(10) / fps, atol=1e-4)


def test_odd_sizes_keep_every_pixel(tmp_path):
    write_video(tmp_path / 'ü\nodd.mp4', images(3, 51, 33), 25, crf=0)
    with av.open(str(tmp_path / 'ü\nodd.mp4')) as container:
        frames = [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
    assert [frame.shape for frame in frames] == [(51, 33, 3)] * 3
    assert np.abs(frames[2].astype(int) - pattern(2, 51, 33)).mean() < 1


VARIABLE = 0.7 + np.cumsum(np.random.default_rng(0).uniform(0.004, 0.3, 40))


@pytest.mark.parametrize('times', [VARIABLE, 1.5 + np.arange(20) * 1001 / 24000, np.array([2.0])])
@pytest.mark.parametrize('with_sound', [False, True])
def test_times_are_kept(tmp_path, times, with_sound):
    path = tmp_path / 'a.mp4'
    sound = {'sound': clicks(3, 16000, 2.5), 'sample_rate': 16000} if with_sound else {}
    write_video(path, images(len(times)), None, times=times, **sound)
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        frames = list(container.decode(video))
        end = float((video.start_time + video.duration) * video.time_base)
    np.testing.assert_allclose([frame.time for frame in frames], times, atol=0.5 / 360000 + 1e-9, rtol=0)
    assert round(blue(frames[-1].to_ndarray(format='rgb24'))) == len(times) - 1
    assert times[-1] < end < times[-1] + 0.4
    if with_sound:
        with av.open(str(path)) as container:
            heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
        assert abs(int(np.abs(heard).argmax()) - 40000) <= 1
        # Sound from 0 s on makes 0 s the zero of the clock, however late the picture is.
        np.testing.assert_allclose(read_timestamps(path).seconds, times, atol=3e-6)


def test_times_that_cannot_be_shown_follow_closely(tmp_path):
    times = np.array([-0.04, 0.0, 0.04, 0.04, 0.04, 0.08])
    write_video(tmp_path / 'a.mp4', images(6), 25, times=times)
    with av.open(str(tmp_path / 'a.mp4')) as container:
        found = [frame.time for frame in container.decode(video=0)]
    np.testing.assert_allclose(found, np.maximum(times, 0), atol=1e-5)
    assert (np.diff(found) > 0).all()


@pytest.mark.parametrize('size', [1, 700, 20000])
def test_sound_in_blocks_is_the_same_sound(tmp_path, size):
    tone = (0.3 * np.sin(np.arange(16000) / 9)).astype(np.float32)
    blocks = (tone[start : start + size] for start in range(0, len(tone), size))
    write_video(tmp_path / 'a.mp4', images(25), 25, tone, 16000)
    write_video(tmp_path / 'b.mp4', images(25), 25, blocks, 16000)
    whole, pieces = sound_packets(tmp_path / 'a.mp4'), sound_packets(tmp_path / 'b.mp4')
    assert len(whole) > 16
    assert whole == pieces


def sound_packets(path):
    with av.open(str(path)) as container:
        return [(packet.pts, bytes(packet)) for packet in container.demux(audio=0) if packet.size]


def test_frames_and_sound_are_asked_for_in_step(tmp_path):
    heard = []

    def blocks():
        for index in range(100):
            heard.append(index)
            yield np.zeros(1600, np.float32)

    def frames():
        for index in range(250):
            # Sound of 0.1 s a block: never more than the encoder needs to go on.
            assert len(heard) <= index / 25 * 10 + 2
            yield pattern(index % 50, 32, 32)

    write_video(tmp_path / 'a.mp4', frames(), 25, blocks(), 16000)
    assert len(heard) == 100


@pytest.mark.parametrize(
    ('size', 'limit', 'expected'),
    [((64, 96), 32, (32, 48)), ((64, 96), 64, (64, 96)), ((51, 33), 100, (50, 32)), ((90, 160), 45, (44, 78))],
)
def test_pictures_are_scaled_down(tmp_path, size, limit, expected):
    write_video(tmp_path / 'a.mp4', images(5, *size), 25, max_height=limit, crf=1)
    with av.open(str(tmp_path / 'a.mp4')) as container:
        assert container.streams.video[0].pix_fmt == 'yuv420p'
        last = list(container.decode(video=0))[4].to_ndarray(format='rgb24')
    witness = cv2.resize(pattern(4, *size), expected[::-1], interpolation=cv2.INTER_AREA)
    assert last.shape == (*expected, 3)
    assert np.abs(last.astype(int) - witness).mean() < 5


def test_preset_changes_the_work_not_the_picture(tmp_path):
    for preset in ('ultrafast', 'medium'):
        write_video(tmp_path / f'{preset}.mp4', images(20), 25, preset=preset)
    assert (tmp_path / 'ultrafast.mp4').stat().st_size > (tmp_path / 'medium.mp4').stat().st_size
    with av.open(str(tmp_path / 'ultrafast.mp4')) as container:
        found = [round(blue(frame.to_ndarray(format='rgb24'))) for frame in container.decode(video=0)]
    assert found == list(range(20))


def failing():
    yield pattern(0)
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ('frames', 'error', 'text'),
    [
        ([], MediaError, 'no frames'),
        ([pattern(0), pattern(1)[:32]], MediaError, r'frame 1 has shape \(32, 96, 3\); expected \(64, 96, 3\)'),
        ([pattern(0).astype(float)], MediaError, 'frame 0 is float64'),
        ([pattern(0)[..., 0]], MediaError, r'shape \(64, 96\)'),
        ([None], MediaError, 'frame 0 is NoneType'),
        (failing(), KeyboardInterrupt, None),
    ],
)
def test_failure_leaves_what_was_there(tmp_path, frames, error, text):
    path = tmp_path / 'a.mp4'
    path.write_bytes(b'before')
    with pytest.raises(error, match=text):
        write_video(path, frames, 25)
    assert path.read_bytes() == b'before'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        ({'fps': 0}, 'fps is 0'),
        ({'fps': float('nan')}, 'fps is nan'),
        ({'crf': 60}, 'crf is 60'),
        ({'sound': np.zeros(10, np.float32)}, 'sample_rate is None'),
        ({'sound': np.zeros(10, np.float32), 'sample_rate': 1234}, 'sample_rate is 1234'),
        ({'sound': np.zeros((2, 10), np.float32), 'sample_rate': 16000}, r'shape \(2, 10\)'),
        ({'sound': np.zeros(10, np.int16), 'sample_rate': 16000}, 'int16'),
        ({'sound': np.array([np.nan]), 'sample_rate': 16000}, 'NaN'),
        ({'sound': iter([np.zeros(9), np.array([np.inf])]), 'sample_rate': 16000}, 'infinite'),
        ({'fps': None}, 'fps is None'),
        ({'times': np.array([0.1, 0.0])}, 'ascend'),
        ({'times': np.array([0.0, np.nan])}, 'finite'),
        ({'times': np.array([])}, r'shape \(0,\)'),
        ({'times': np.array([0.0])}, 'more frames than the 1 times'),
        ({'times': np.array([0.0, 0.1, 0.2])}, '2 frames for 3 times'),
        ({'max_height': 1}, 'max_height is 1'),
        ({'preset': 'fastest'}, "preset is 'fastest'"),
    ],
)
def test_arguments_are_checked(tmp_path, arguments, text):
    with pytest.raises(ValueError, match=text):
        write_video(**{'path': tmp_path / 'a.mp4', 'frames': images(2), 'fps': 25, **arguments})
    assert not list(tmp_path.iterdir())


def test_folder_is_made_and_one_that_cannot_be_is_named(tmp_path):
    write_video(tmp_path / 'new' / 'a.mp4', images(2), 25)
    assert (tmp_path / 'new' / 'a.mp4').is_file()
    (tmp_path / 'file').write_text('not a folder')
    with pytest.raises(MediaError, match=r'file.a\.mp4: cannot be written'):
        write_video(tmp_path / 'file' / 'a.mp4', images(2), 25)
