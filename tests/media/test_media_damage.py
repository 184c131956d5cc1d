import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from media_files import mux, pattern

from mmaffect.errors import MediaError
from mmaffect.media import VideoReader, isolated, probe, read_sound, read_timestamps

READERS = [probe, read_timestamps, VideoReader, lambda path: read_sound(path, 16000)]
UNIFORM = np.arange(30) / 25


def read_whole(path, backend):
    """All that can be said of a file: counts, flags and whether every frame is finite in time."""
    with VideoReader(path, backend=backend) as reader:
        decoded = sum(1 for _ in reader)
        by_index = reader.get_frames([0, len(reader) - 1]).shape[0]
        sound = read_sound(path, 16000)
        return decoded, len(reader), reader.timestamps.frames_declared, reader.flags, by_index, sound and sound.flags


def one_line(error, path):
    text = str(error.value)
    assert str(path) in text
    assert '\n' not in text.replace(str(path), '')
    assert len(text) < 400 + len(str(path))


@pytest.mark.parametrize('reader', READERS)
@pytest.mark.parametrize(
    ('content', 'text'),
    [
        (b'', 'zero bytes'),
        (b'just some text\n' * 50, 'is text'),
        (b'\0' * 5000, 'starts with zeros'),
        (np.random.default_rng(0).bytes(5000), 'no media container|stream|damaged'),
        (b'#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n', 'is a playlist'),
        (cv2.imencode('.png', pattern(0))[1].tobytes(), 'is a PNG image'),
        (cv2.imencode('.jpg', pattern(0))[1].tobytes(), 'is a JPEG image'),
    ],
    ids=['zero', 'text', 'zeros', 'random', 'playlist', 'png', 'jpeg'],
)
def test_not_media(tmp_path, reader, content, text):
    path = tmp_path / 'a.mp4'
    path.write_bytes(content)
    with pytest.raises(MediaError, match=text) as error:
        reader(path)
    one_line(error, path)


@pytest.mark.parametrize('reader', READERS)
def test_not_a_file(tmp_path, reader):
    with pytest.raises(FileNotFoundError, match='missing'):
        reader(tmp_path / 'missing.mp4')
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        reader(tmp_path)
    os.mkfifo(tmp_path / 'fifo.mp4')
    with pytest.raises(MediaError, match='FIFO'):
        reader(tmp_path / 'fifo.mp4')
    (tmp_path / 'loop.mp4').symlink_to(tmp_path / 'loop.mp4')
    with pytest.raises(MediaError, match=r'loop\.mp4'):
        reader(tmp_path / 'loop.mp4')


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
def test_no_permission(tmp_path):
    path = tmp_path / 'a.mp4'
    path.write_bytes(b'x')
    path.chmod(0)
    with pytest.raises(PermissionError, match=r'a\.mp4'):
        probe(path)


def test_payload_cut_off(small, tmp_path):
    """The index comes first: the file still declares everything."""
    path = tmp_path / 'a.mp4'
    path.write_bytes(small.read_bytes()[: small.stat().st_size * 7 // 10])
    for reader in (read_timestamps, VideoReader):
        with pytest.raises(MediaError, match='cut off') as error:
            reader(path)
        one_line(error, path)


def test_index_cut_off(tmp_path):
    data = mux(tmp_path / 'a.mp4', UNIFORM).read_bytes()
    path = tmp_path / 'b.mp4'
    path.write_bytes(data[: len(data) * 7 // 10])
    with pytest.raises(MediaError, match='without an index'):
        read_timestamps(path)


def test_matroska_cut_off(tmp_path):
    data = mux(tmp_path / 'a.mkv', UNIFORM).read_bytes()
    path = tmp_path / 'b.mkv'
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match='cut off'):
        read_timestamps(path)


def test_cut_program_stream_says_that_no_count_is_declared(grid, tmp_path):
    data = grid[0].read_bytes()
    path = tmp_path / 'a.mpg'
    path.write_bytes(data[: len(data) // 3])
    times = read_timestamps(path)
    assert times.frames < 75
    assert 'count_not_declared' in times.flags


def test_zeroed_payload_is_not_silent(small, tmp_path):
    data = bytearray(small.read_bytes())
    start = data.find(b'mdat') + 4
    middle = (start + len(data)) // 2
    data[middle : middle + 1500] = bytes(1500)
    path = tmp_path / 'a.mp4'
    path.write_bytes(data)
    with pytest.raises(MediaError) as error:
        read_whole(path, 'pyav')
    one_line(error, path)


def outcomes(folder, original, backend, count):
    """Read mutants in this process, which the caller may lose."""
    results = []
    data = original.read_bytes()
    for seed in range(count):
        rng = np.random.default_rng(seed)
        mutant = bytearray(data)
        for at in rng.integers(0, len(data), rng.integers(1, 30)):
            mutant[at] ^= 1 << rng.integers(8)
        if seed % 5 == 0:
            del mutant[rng.integers(len(data) // 4, len(data)) :]
        path = folder / f'{backend}-{seed}.mp4'
        path.write_bytes(mutant)
        try:
            results.append(read_whole(path, backend))
        except MediaError as error:
            results.append(str(error))
    return results


@pytest.mark.parametrize('backend', ['pyav', 'auto'])
def test_mutants_end_in_an_error_or_a_stated_result(small, tmp_path, backend):
    count = 20
    results = isolated(outcomes, tmp_path, small, backend, count, timeout=60)
    assert len(results) == count
    errors = [result for result in results if isinstance(result, str)]
    assert len(errors) >= 5
    assert all('.mp4' in text and '\n' not in text for text in errors)
    for result in results:
        if not isinstance(result, str):
            decoded, indexed, declared, flags, by_index, _ = result
            assert decoded == indexed
            assert by_index == 2
            assert declared == indexed or 'declared_count_differs' in flags or 'count_not_declared' in flags


def test_decoders_write_nothing_to_stderr(small, tmp_path):
    path = tmp_path / 'a.mp4'
    data = bytearray(small.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 1500] = bytes(1500)
    path.write_bytes(data)
    code = (
        'import sys\n'
        'from mmaffect.media import VideoReader\n'
        'from mmaffect.errors import MediaError\n'
        'try:\n'
        '    list(VideoReader(sys.argv[1]))\n'
        'except MediaError as error:\n'
        '    print(error)\n'
    )
    done = subprocess.run([sys.executable, '-c', code, str(path)], capture_output=True, text=True, check=True)
    assert done.stderr == ''
    assert done.stdout.count('\n') == 1


def test_import_is_light():
    code = (
        "import sys, mmaffect.media; print([name for name in ('torch', 'av', 'decord', 'cv2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'
