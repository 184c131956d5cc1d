import av
import numpy as np
import pytest
from media_files import blue, clicks, pattern

from mmaffect.errors import MediaError
from mmaffect.media import write_video


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


def test_same_input_gives_the_same_bytes(tmp_path):
    for name in ('a.mp4', 'b.mp4'):
        write_video(tmp_path / name, images(12), 25, clicks(0.48, 16000, 0.1), 16000)
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
