"""Real faces and real speech: what preparation reads of the GRID clips, against PyAV and OpenCV used directly."""

import json

import av
import cv2
import numpy as np
import pytest
from log_mel_reference import reference_paper, reference_vggish

from mmaffect.media import VideoReader, probe, read_sound, read_timestamps
from mmaffect.media.log_mel import get_front_end, log_mel


@pytest.fixture(scope='module')
def landmarks(clips):
    points = json.loads((clips / 'landmarks68.json').read_text())
    return {key.split()[0]: np.array(value) for key, value in points.items()}


def pyav_mono(path):
    """Samples of the sound track, channels averaged, placed on the container's clock."""
    with av.open(str(path)) as container:
        zero = container.start_time / av.time_base
        frames = list(container.decode(audio=0))
        data = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
        start = round((frames[0].time - zero) * frames[0].sample_rate)
    assert data.dtype == np.int16
    mono = (data / 32768).mean(axis=0)
    return np.concatenate([np.zeros(start), mono]) if start >= 0 else mono[-start:]


def test_log_mel_of_every_clip(grid):
    front_end = get_front_end('paper')
    for path in grid:
        result = log_mel(read_sound(path, front_end.sample_rate).samples, front_end)
        expected = reference_paper(pyav_mono(path))
        assert result.shape == expected.shape
        # Below -60 dB the rounding of float32 samples shows.
        loud = expected > -60
        assert loud.mean() > 0.5
        assert np.abs(result - expected)[loud].max() < 0.1


def test_vggish_log_mel_after_resampling(grid):
    from scipy.signal import resample_poly

    front_end = get_front_end('vggish')
    result = log_mel(read_sound(grid[0], front_end.sample_rate).samples, front_end).astype(float)
    expected = reference_vggish(resample_poly(pyav_mono(grid[0]), 160, 441))[: len(result)]
    assert len(result) - len(expected) in (0, 1)
    # Two resampling filters differ near the Nyquist frequency only.
    assert np.abs(result[: len(expected), :56] - expected[:, :56]).mean() < 0.02


def test_face_frames_of_every_clip(grid, landmarks):
    for path in grid:
        left, top = landmarks[path.name].min(axis=0)
        right, bottom = landmarks[path.name].max(axis=0)
        capture = cv2.VideoCapture(str(path))
        with VideoReader(path) as reader:
            for _, frame in reader:
                witness = capture.read()[1][..., ::-1]
                face = frame[top:bottom, left:right].astype(int)
                assert np.abs(face - witness[top:bottom, left:right]).mean() < 3
                assert face.std() > 15  # a face, not a flat patch
        assert not capture.read()[0]


def test_times_of_every_clip(grid):
    for path in grid:
        times = read_timestamps(path).seconds
        with av.open(str(path)) as container:
            zero = container.start_time / av.time_base
            expected = [frame.time - zero for frame in container.decode(video=0)]
        assert np.allclose(times, expected, atol=1e-6)
        capture = cv2.VideoCapture(str(path))
        assert len(times) == capture.get(cv2.CAP_PROP_FRAME_COUNT) or capture.get(cv2.CAP_PROP_FRAME_COUNT) <= 0
        assert np.diff(times) == pytest.approx(1 / capture.get(cv2.CAP_PROP_FPS), abs=1e-6)


def test_file_with_two_streams_and_no_face(clips):
    path = clips / 'negative' / 'nasa_13013.mp4'
    info = probe(path)
    assert (info.video_streams, info.audio_streams) == (2, 2)
    times = read_timestamps(path)
    with VideoReader(path) as reader:
        assert len(reader) == times.frames == 390
        assert len([0 for _ in reader]) == 390
    sound = read_sound(path, 16000)
    assert len(sound.samples) / 16000 == pytest.approx(info.duration, abs=0.2)
