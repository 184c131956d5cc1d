import os
import struct
import zlib

import cv2
import numpy as np
import pytest

from mmaffect.datasets.faces import read_faces
from mmaffect.errors import MediaError

COLOUR = (200, 60, 20)


def image(colour=COLOUR, side=112):
    return np.full((side, side, 3), colour[::-1], np.uint8)


def encoded(suffix, picture=None):
    return cv2.imencode(suffix, image() if picture is None else picture)[1].tobytes()


def png(width, height, depth, colour_type, data, *chunks):
    def chunk(kind, body):
        return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))

    header = struct.pack('>IIBBBBB', width, height, depth, colour_type, 0, 0, 0)
    parts = [
        chunk(b'IHDR', header),
        *chunks_of(chunk, chunks),
        chunk(b'IDAT', zlib.compress(data)),
        chunk(b'IEND', b''),
    ]
    return b'\x89PNG\r\n\x1a\n' + b''.join(parts)


def chunks_of(chunk, pairs):
    return [chunk(kind, body) for kind, body in pairs]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / 'trial'
    folder.mkdir()
    for number in (1, 2, 4):
        (folder / f'{number:05d}.jpg').write_bytes(encoded('.jpg'))
    return folder


def test_faces_stand_at_the_number_of_their_frame(folder):
    (folder / '00006.JPEG').write_bytes(encoded('.png', image((0, 0, 255))))
    (folder / '0000007.png').write_bytes(encoded('.jpg', image((0, 255, 0))))
    (folder / '00012.jpg').write_bytes(encoded('.jpg'))
    for name in ('.DS_Store', 'Thumbs.db', '._00001.jpg'):
        (folder / name).write_bytes(b'?')
    track = read_faces(folder, 8, 48)
    assert track.faces.shape == (8, 48, 48, 3)
    assert track.faces.dtype == np.uint8
    assert track.present.tolist() == [True, True, False, True, False, True, True, False]
    assert (track.num_files, track.num_beyond) == (6, 1)
    assert not track.faces[~track.present].any()
    np.testing.assert_allclose(track.faces[[0, 1, 3]], np.broadcast_to(COLOUR, (3, 48, 48, 3)), atol=3)
    np.testing.assert_allclose(track.faces[5], np.broadcast_to((0, 0, 255), (48, 48, 3)), atol=3)
    np.testing.assert_allclose(track.faces[6], np.broadcast_to((0, 255, 0), (48, 48, 3)), atol=3)


def test_resized_by_area(folder):
    picture = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    (folder / '00001.jpg').write_bytes(encoded('.png', picture))
    expected = picture[..., ::-1].reshape(48, 2, 48, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(read_faces(folder, 1, 48).faces[0], expected, atol=0.51)


@pytest.mark.parametrize(
    ('data', 'expected'),
    [
        (encoded('.png', np.full((8, 8), 90, np.uint8)), (90, 90, 90)),
        (encoded('.jpg', np.full((8, 8), 90, np.uint8)), (90, 90, 90)),
        (encoded('.png', image().astype(np.uint16) * 257), COLOUR),
        (encoded('.png', np.dstack([image(), np.full((112, 112), 77, np.uint8)])), COLOUR),
        (png(2, 2, 8, 3, b'\0\1\1\0\1\1', (b'PLTE', bytes((0, 0, 0, *COLOUR)))), COLOUR),
        (png(1, 1, 8, 2, bytes((0, *COLOUR))), COLOUR),
    ],
    ids=['gray png', 'gray jpg', '16 bit', 'alpha', 'palette', '1x1'],
)
def test_other_colours_become_rgb(folder, data, expected):
    (folder / '00001.jpg').write_bytes(data)
    face = read_faces(folder, 1, 48).faces[0]
    np.testing.assert_allclose(face, np.broadcast_to(expected, (48, 48, 3)), atol=2)


def test_cmyk(folder):
    pytest.importorskip('PIL')
    from PIL import Image

    Image.new('RGB', (64, 64), COLOUR).convert('CMYK').save(folder / '00001.jpg')
    face = read_faces(folder, 1, 48).faces[0]
    np.testing.assert_allclose(face, np.broadcast_to(COLOUR, (48, 48, 3)), atol=6)


def test_jpeg_with_preview_and_trailing_bytes(folder):
    whole = encoded('.jpg')
    preview = encoded('.jpg', image(side=16))
    with_preview = whole[:2] + b'\xff\xe1' + struct.pack('>H', len(preview) + 2) + preview + whole[2:]
    (folder / '00001.jpg').write_bytes(with_preview + b'\0\0')
    assert read_faces(folder, 1, 48).present.all()
    (folder / '00001.jpg').write_bytes(with_preview[:-40])
    with pytest.raises(MediaError, match=r'00001\.jpg: cut off'):
        read_faces(folder, 1, 48)


@pytest.mark.parametrize(
    ('name', 'data', 'message'),
    [
        ('00001.jpg', b'', 'zero bytes'),
        ('00001.jpg', encoded('.jpg')[:-200], 'cut off'),
        ('00001.jpg', encoded('.jpg')[:-2], 'cut off'),
        ('00003.png', encoded('.png')[:-12], 'cut off'),
        ('00003.png', png(4, 4, 8, 2, b'short'), 'damaged'),
        ('00003.jpg', b'\xff\xd8\xff\xe0 nothing of an image \xff\xd9', 'damaged'),
        ('00003.jpg', b'<html>not found</html>', 'neither JPEG nor PNG'),
        ('00003.jpg', b'GIF89a' + bytes(40), 'neither JPEG nor PNG'),
        ('00003.png', png(30_000, 30_000, 1, 0, bytes(3751 * 20_000) + os.urandom(1 << 17)), '900000000 pixels'),
        ('1.png', encoded('.png'), 'frame 1 is 00001.jpg too'),
        ('00001.jpeg', encoded('.jpg'), 'frame 1 is 00001.jpeg too'),
        ('00000.jpg', encoded('.jpg'), 'not named by a frame'),
        ('face.jpg', encoded('.jpg'), 'not named by a frame'),
        ('00003.bmp', encoded('.bmp'), 'not named by a frame'),
        ('-0003.jpg', encoded('.jpg'), 'not named by a frame'),
        ('٣.jpg', encoded('.jpg'), 'not named by a frame'),
    ],
)
def test_wrong_files_are_named(folder, name, data, message):
    (folder / name).write_bytes(data)
    with pytest.raises(MediaError) as error:
        read_faces(folder, 8, 48)
    assert message in str(error.value)
    assert str(folder) in str(error.value)


def test_never_leaves_its_folder(folder, tmp_path):
    (tmp_path / 'outside.jpg').write_bytes(encoded('.jpg'))
    (folder / '00003.jpg').symlink_to('00001.jpg')
    assert read_faces(folder, 4, 48).present.all()
    (folder / '00005.jpg').symlink_to(tmp_path / 'outside.jpg')
    with pytest.raises(MediaError, match=r'00005\.jpg: a link out of its folder'):
        read_faces(folder, 4, 48)
    (folder / '00005.jpg').unlink()
    (folder / '00005.jpg').symlink_to('00005.jpg')
    with pytest.raises(MediaError, match=r'00005\.jpg: not a regular file'):
        read_faces(folder, 4, 48)


@pytest.mark.parametrize('make', [os.mkfifo, os.mkdir], ids=['fifo', 'folder'])
def test_no_regular_file(folder, make):
    make(folder / '00003.jpg')
    with pytest.raises(MediaError, match=r'00003\.jpg: not a regular file'):
        read_faces(folder, 4, 48)


def test_no_folder_or_an_empty_one(tmp_path):
    with pytest.raises(MediaError, match='missing: No such file or directory; expected a folder of face images'):
        read_faces(tmp_path / 'missing', 4, 48)
    with pytest.raises(MediaError, match='no face images'):
        read_faces(tmp_path, 4, 48)
