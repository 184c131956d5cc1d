import wave

import av
import numpy as np
import pytest
from media_files import clicks, mux

from mmaffect.errors import MediaError
from mmaffect.media import SoundReader, open_sound, read_sound, write_video

UNIFORM = np.arange(30) / 25


def pcm(path, samples, rate, width=2):
    """A WAV file of ``(N, channels)`` integers, written by the standard library."""
    with wave.open(str(path), 'wb') as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def sine(frequency, seconds, rate):
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def test_grid_against_pyav(grid):
    sound = read_sound(grid[0], 44100)
    with av.open(str(grid[0])) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    witness = np.concatenate(frames, axis=1).mean(axis=0) / 32768
    assert sound.samples.shape == witness.shape
    np.testing.assert_allclose(sound.samples, witness, atol=1e-6)
    assert (sound.native_rate, sound.start, sound.flags) == (44100, 0.0, ())
    assert len(sound.samples) / 44100 == pytest.approx(75 / 25, abs=0.05)


def test_exact_samples_and_scale(tmp_path):
    ramp = np.arange(-32768, 32768, 7, dtype=np.int16)
    sound = read_sound(pcm(tmp_path / 'a.wav', ramp[:, None], 16000), 16000)
    np.testing.assert_array_equal(sound.samples, (ramp / 32768).astype(np.float32))
    eight = np.array([[0], [128], [255]], np.uint8)
    sound = read_sound(pcm(tmp_path / 'b.wav', eight, 8000, width=1), 8000)
    np.testing.assert_allclose(sound.samples, [-1, 0, 127 / 128])


@pytest.mark.parametrize('channels', [1, 2, 6, 8])
def test_mono_is_the_mean_of_the_channels(tmp_path, channels):
    samples = np.random.default_rng(0).integers(-9000, 9000, (4000, channels), dtype=np.int16)
    path = pcm(tmp_path / 'a.wav', samples, 16000)
    np.testing.assert_allclose(read_sound(path, 16000).samples, samples.mean(axis=1) / 32768, atol=1e-6)
    np.testing.assert_allclose(read_sound(path, 16000, mono=False).samples, samples.T / 32768, atol=1e-6)


@pytest.mark.parametrize('rate', [8000, 11025, 22050, 44100, 48000, 192000])
def test_resampling_in_blocks_is_that_of_the_whole(tmp_path, rate, monkeypatch):
    import torch
    from torchaudio.functional import resample

    monkeypatch.setattr('mmaffect.media.sound.BLOCK_SAMPLES', 3000)
    tone = (sine(440, 1.37, rate) * 20000).astype(np.int16)
    sound = read_sound(pcm(tmp_path / 'a.wav', tone[:, None], rate), 16000)
    whole = resample(torch.from_numpy((tone / 32768).astype(np.float32)), rate, 16000).numpy()
    assert sound.samples.shape == whole.shape
    np.testing.assert_allclose(sound.samples, whole, atol=1e-5)
    expected = sine(440, 1.37, 16000) * 20000 / 32768
    length = min(len(expected), len(whole))
    np.testing.assert_allclose(sound.samples[200 : length - 200], expected[200 : length - 200], atol=5e-3)


def test_padding_of_the_codec_is_cut(small):
    sound = read_sound(small, 16000)
    assert sound.samples.shape == (32000,)
    assert sound.samples.dtype == np.float32
    assert sound.flags == ()
    assert abs(int(np.abs(sound.samples[:16000]).argmax()) - 8000) <= 1


def test_non_finite_samples_become_zero(tmp_path):
    samples = np.full(3000, 0.25, np.float32)
    samples[[10, 20, 30]] = np.nan, np.inf, -np.inf
    path = mux(tmp_path / 'a.mkv', None, samples, audio_codec='pcm_f32le')
    sound = read_sound(path, 16000)
    assert sound.flags == ('non_finite',)
    assert sound.samples[[10, 20, 30]].tolist() == [0, 0, 0]
    assert sound.samples[11] == 0.25


def test_late_sound_is_preceded_by_zeros(tmp_path):
    sound = read_sound(mux(tmp_path / 'a.mkv', UNIFORM, clicks(1, 16000, 0.5), sound_at=0.25), 16000)
    # FFmpeg before 8 counts the 1024 samples that AAC needs to start.
    assert 0.25 - 1024 / 16000 - 2e-3 <= sound.start <= 0.25 + 2e-3
    assert not sound.samples[:2900].any()
    assert abs(int(np.abs(sound.samples).argmax()) - 12000) <= 20


def test_missing_packets_are_zeros(tmp_path):
    source = mux(tmp_path / 'a.mkv', UNIFORM, sound=np.full(16000, 0.5, np.float32), audio_codec='pcm_f32le')
    path = tmp_path / 'b.mkv'
    with av.open(str(source)) as read, av.open(str(path), 'w') as out:
        targets = {stream.index: out.add_stream_from_template(stream) for stream in read.streams}
        for packet in read.demux():
            lost = (
                packet.stream.type == 'audio' and packet.pts is not None and 0.3 < packet.pts * packet.time_base < 0.6
            )
            if packet.dts is not None and not lost:
                packet.stream = targets[packet.stream_index]
                out.mux(packet)
    sound = read_sound(path, 16000)
    assert sound.flags == ('gaps',)
    assert not sound.samples[6000:9000].any()
    assert sound.samples[10400:15900].min() == 0.5
    assert len(sound.samples) == pytest.approx(16000, abs=20)


def test_sound_shorter_than_declared_is_flagged(tmp_path):
    data = mux(tmp_path / 'a.mkv', None, np.zeros(64000, np.float32), audio_codec='pcm_f32le').read_bytes()
    path = tmp_path / 'b.mkv'
    path.write_bytes(data[: len(data) // 2])
    sound = read_sound(path, 16000)
    assert sound.duration == pytest.approx(4, abs=0.1)
    assert len(sound.samples) == pytest.approx(32000, abs=2048)
    assert sound.truncated


def test_sound_may_be_longer_than_the_picture(tmp_path):
    write_video(tmp_path / 'a.mp4', (np.zeros((64, 64, 3), np.uint8) for _ in range(10)), 25, clicks(2, 8000, 1), 8000)
    assert len(read_sound(tmp_path / 'a.mp4', 8000).samples) == 16000


def test_rate_out_of_range(small):
    with pytest.raises(ValueError, match='sample_rate is 0'):
        read_sound(small, 0)


def gapped(tmp_path):
    """PCM whose packets from 0.3 to 0.6 s are missing, and which begins after the picture."""
    tone = (0.5 * sine(300, 1, 16000)).astype(np.float32)
    source = mux(tmp_path / 'a.mkv', UNIFORM, sound=tone, audio_codec='pcm_f32le', sound_at=0.2)
    path = tmp_path / 'b.mkv'
    with av.open(str(source)) as read, av.open(str(path), 'w') as out:
        targets = {stream.index: out.add_stream_from_template(stream) for stream in read.streams}
        for packet in read.demux():
            time = packet.pts and packet.pts * packet.time_base
            if packet.dts is not None and not (packet.stream.type == 'audio' and time and 0.3 < time < 0.6):
                packet.stream = targets[packet.stream_index]
                out.mux(packet)
    return path


@pytest.mark.parametrize('block', [1, 1000, 1 << 16])
@pytest.mark.parametrize('rate', [16000, 44100])
def test_blocks_are_the_sound_whatever_their_size(tmp_path, rate, block, monkeypatch):
    path = gapped(tmp_path)
    whole = read_sound(path, rate)
    monkeypatch.setattr('mmaffect.media.sound.BLOCK_SAMPLES', block)
    reader = open_sound(path, rate)
    assert (reader.native_rate, reader.start, reader.flags) == (None, None, ())
    for _ in range(2):
        blocks = list(reader.blocks())
        assert all(block.ndim == 1 and len(block) and block.dtype == np.float32 for block in blocks)
        np.testing.assert_array_equal(np.concatenate(blocks), whole.samples)
        assert (reader.native_rate, reader.start, reader.duration) == (16000, whole.start, whole.duration)
        assert reader.flags == whole.flags == ('gaps',)
    assert whole.start > 0.1
    assert np.abs(whole.samples[: round(whole.start * rate) - 20]).max() < 1e-6


def test_blocks_have_all_channels(tmp_path):
    samples = np.random.default_rng(0).integers(-9000, 9000, (200_000, 2), dtype=np.int16)
    blocks = list(SoundReader(pcm(tmp_path / 'a.wav', samples, 16000), 16000, mono=False).blocks())
    assert len(blocks) > 1
    np.testing.assert_allclose(np.concatenate(blocks, axis=1), samples.T / 32768, atol=1e-6)


def test_padding_is_cut_from_blocks_too(small, monkeypatch):
    monkeypatch.setattr('mmaffect.media.sound.BLOCK_SAMPLES', 1)
    blocks = list(open_sound(small, 16000).blocks())
    assert len(blocks) > 20
    assert sum(map(len, blocks)) == 32000


def test_more_than_padding_is_kept(tmp_path, monkeypatch):
    path = mux(tmp_path / 'a.mp4', None, clicks(1, 16000, 0.5))
    monkeypatch.setattr('mmaffect.media.sound.declared_end', lambda container, stream: 0.5)
    reader = open_sound(path, 16000)
    with av.open(str(path)) as container:
        expected = sum(frame.samples for frame in container.decode(audio=0))
    assert sum(map(len, reader.blocks())) == expected
    assert reader.flags == ('longer_than_declared',)
    # Up to 4096 samples may be the padding of a codec.
    monkeypatch.setattr('mmaffect.media.sound.declared_end', lambda container, stream: (expected - 4000) / 16000)
    reader = open_sound(path, 16000)
    assert sum(map(len, reader.blocks())) == expected - 4000
    assert reader.flags == ()


def test_reading_may_be_left_and_begun_anew(small):
    reader = open_sound(small, 8000)
    blocks = reader.blocks()
    first = next(blocks)
    blocks.close()
    np.testing.assert_array_equal(next(reader.blocks()), first)


def test_without_sound_there_is_no_reader(tmp_path):
    silent = mux(tmp_path / 'a.mp4', UNIFORM)
    assert open_sound(silent, 16000) is None
    with pytest.raises(MediaError, match='has no sound stream'):
        SoundReader(silent, 16000)
