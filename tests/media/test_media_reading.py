import sys

import av
import cv2
import numpy as np
import pytest
from media_files import blue, mux, pattern, rotated

from mmaffect.errors import MediaError
from mmaffect.media import VideoReader, write_video

BACKENDS = ['pyav', 'decord', 'auto']
UNIFORM = np.arange(30) / 25


@pytest.fixture(params=BACKENDS)
def backend(request):
    if request.param == 'decord':
        pytest.importorskip('decord', reason='decord is not installed')
    return request.param


def difference(a, b):
    return np.abs(np.asarray(a).astype(int) - np.asarray(b).astype(int))


def test_grid_against_pyav_and_opencv(grid):
    path = grid[0]
    with VideoReader(path) as reader:
        times, frames = zip(*reader, strict=True)
        order = np.random.default_rng(0).permutation(len(reader))
        by_index = reader.get_frames(order)
        # decord would give frames that are 12 too late in this container, see DecordDecoder.
        assert 'decord_refused' in reader.flags or 'decord' not in sys.modules
    np.testing.assert_array_equal(by_index, np.stack(frames)[order])
    with av.open(str(path)) as container:
        witness = [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
    assert len(frames) == len(witness) == 75
    assert difference(frames, witness).max() == 0
    capture = cv2.VideoCapture(str(path))
    for frame in frames:
        assert difference(frame, capture.read()[1][..., ::-1]).mean() < 3
    assert not capture.read()[0]
    np.testing.assert_allclose(times, np.arange(75) / 25, atol=1e-9)


def test_decord_is_refused_where_it_gives_other_frames(grid):
    pytest.importorskip('decord')
    with pytest.raises(MediaError, match='cannot be trusted'):
        VideoReader(grid[0], backend='decord')


def test_backends_agree_on_grid_as_mp4(grid, tmp_path):
    pytest.importorskip('decord')
    with VideoReader(grid[1]) as reader:
        write_video(tmp_path / 'a.mp4', (frame for _, frame in reader), 25)
    a, b = (VideoReader(tmp_path / 'a.mp4', backend=backend) for backend in ('pyav', 'decord'))
    order = np.random.default_rng(1).permutation(75)
    assert difference(a.get_frames(order), b.get_frames(order)).max() <= 3
    for (time_a, frame_a), (time_b, frame_b) in zip(a, b, strict=True):
        assert time_a == time_b
        assert difference(frame_a, frame_b).max() <= 3


def test_order_repetition_and_range(small, backend):
    with VideoReader(small, backend=backend) as reader:
        assert len(reader) == 50
        frames = reader.get_frames([49, 0, 13, 13, 2])
        assert frames.shape == (5, 64, 96, 3)
        assert frames.dtype == np.uint8
        np.testing.assert_allclose([blue(frame) for frame in frames], [49, 0, 13, 13, 2], atol=1)
        assert [round(blue(reader.get_frames([index])[0])) for index in (40, 3, 41, 20)] == [40, 3, 41, 20]
        assert reader.get_frames([]).shape == (0, 64, 96, 3)
        for index in (50, -1):
            with pytest.raises(IndexError, match=f'frame {index} does not exist; expected 0 to 49'):
                reader.get_frames([index])
    assert reader.get_frames([7]).shape == (1, 64, 96, 3)


@pytest.mark.parametrize('name', ['offset.mkv', 'variable.mp4', 'stream.ts', 'fragments.mp4', 'a.avi', 'raw.h264'])
def test_index_and_order_agree(tmp_path, name):
    times = {'offset.mkv': UNIFORM + 0.7, 'variable.mp4': np.cumsum(0.02 + 0.06 * (np.arange(30) % 3 == 0))}
    options = {'movflags': 'frag_keyframe+empty_moov'} if name == 'fragments.mp4' else None
    path = mux(tmp_path / name, times.get(name, UNIFORM), options=options)
    with VideoReader(path) as reader:
        stamps, frames = zip(*reader, strict=True)
        order = np.random.default_rng(2).permutation(30)
        np.testing.assert_allclose([blue(frame) for frame in reader.get_frames(order)], order, atol=1)
        assert [round(blue(reader.get_frames([index])[0])) for index in order[:8]] == order[:8].tolist()
    np.testing.assert_allclose([blue(frame) for frame in frames], np.arange(30), atol=1)
    np.testing.assert_array_equal(stamps, reader.timestamps.seconds)


@pytest.mark.parametrize('degrees', [90, 180, 270])
def test_rotation_is_applied(tmp_path, backend, degrees):
    plain = mux(tmp_path / 'a.mp4', UNIFORM)
    turned = rotated(plain, tmp_path / 'b.mp4', degrees)
    upright = np.rot90(VideoReader(plain, backend=backend).get_frames([5])[0], -degrees // 90)
    with VideoReader(turned, backend=backend) as reader:
        by_index = reader.get_frames([5])[0]
        in_order = [frame for _, frame in reader][5]
    assert by_index.shape == upright.shape
    assert difference(by_index, upright).mean() < 2
    assert difference(in_order, upright).mean() < 2


@pytest.mark.parametrize('sizes', [((32, 48), (64, 96)), ((64, 96), (64, 96))])
def test_one_of_two_streams_is_read(tmp_path, sizes):
    path = mux(tmp_path / 'a.mp4', UNIFORM, streams=2, sizes=sizes)
    with VideoReader(path) as reader:
        in_order = [frame for _, frame in reader]
        assert difference(reader.get_frames(range(30)), in_order).max() == 0
    # The first is marked as default; decord would choose the larger one.
    assert in_order[0].shape == (*sizes[0], 3)
    assert round(blue(in_order[7])) == 7
    pytest.importorskip('decord')
    with pytest.raises(MediaError, match='2 video streams'):
        VideoReader(path, backend='decord')


def test_best_of_two_real_streams(clips):
    with VideoReader(clips / 'negative' / 'nasa_13013.mp4') as reader:
        assert reader.get_frames([0, 389]).shape == (2, 270, 480, 3)
        assert len(reader) == sum(1 for _ in reader) == 390


def test_without_decord_pyav_reads(small, monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with VideoReader(small) as reader:
        assert round(blue(reader.get_frames([31])[0])) == 31
        assert type(reader._by_index).__name__ == 'PyAVDecoder'


def test_decoded_count_is_compared(small, monkeypatch):
    reader = VideoReader(small)
    whole = reader.timestamps.seconds
    monkeypatch.setattr(
        'mmaffect.media.reading.PyAVDecoder', lambda path, info, times, pts: _decoder_of(path, info, whole[:-2])
    )
    with pytest.raises(MediaError, match='50 frames decoded; expected 48'):
        list(reader)


def _decoder_of(path, info, seconds):
    from mmaffect.media import FrameTimes
    from mmaffect.media.pyav_decoder import PyAVDecoder

    return PyAVDecoder(path, info, FrameTimes(seconds, None, None, ()), None)


def test_unknown_backend(small):
    with pytest.raises(ValueError, match="'opencv'"):
        VideoReader(small, backend='opencv')


def test_odd_size_and_odd_name(tmp_path, backend):
    path = tmp_path / 'ü x.mp4'
    write_video(path, (pattern(i, 51, 33) for i in range(5)), 25)
    assert VideoReader(path, backend=backend).get_frames([4]).shape == (1, 51, 33, 3)
