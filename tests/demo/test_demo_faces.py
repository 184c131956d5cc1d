import dataclasses
import sys

import cv2
import numpy as np
import pytest

from mmaffect.demo.expressions import Pose, express
from mmaffect.demo.faces import draw_identity, make_face
from mmaffect.demo.portrait import load_portrait, mirror_points
from mmaffect.demo.rendering import CROP_SIZE, Renderer, align_face, cover_face
from mmaffect.errors import MMAffectError

pytest.importorskip('skimage', reason='the demo portrait comes with scikit-image')


@pytest.fixture(params=range(4))
def face(request):
    return make_face(draw_identity(np.random.default_rng(request.param)), load_portrait())


def _corner_lift(points):
    """Pixels that the mouth's corners are above the middle of the lips."""
    return points[[51, 57], 1].mean() - points[[48, 54], 1].mean()


def _eye_height(points):
    return (points[[40, 41, 46, 47], 1] - points[[38, 37, 44, 43], 1]).mean()


def test_valence_lifts_the_corners_of_the_mouth(face):
    lifts = [_corner_lift(express(face.neutral, valence, 0.0)) for valence in np.linspace(-1, 1, 9)]
    assert np.all(np.diff(lifts) > 0.3)
    assert lifts[0] < lifts[4] - 3 < lifts[8] - 6


def test_arousal_opens_the_eyes_and_the_mouth(face):
    points = [express(face.neutral, 0.0, arousal) for arousal in np.linspace(-1, 1, 9)]
    assert np.all(np.diff([_eye_height(each) for each in points]) > 0.1)
    assert points[8][66, 1] - points[8][62, 1] > points[4][66, 1] - points[4][62, 1] + 3
    assert points[8][19, 1] < points[4][19, 1]


def test_blink_closes_the_eyes(face):
    assert _eye_height(express(face.neutral, 0.0, 0.0, blink=1.0)) < 0.4 * _eye_height(face.neutral)


@pytest.mark.parametrize('landmark', [8, 19, 24, 30, 36])
def test_the_picture_has_its_landmarks_where_it_says(landmark):
    face = make_face(draw_identity(np.random.default_rng(1)), load_portrait())
    dot = cv2.circle(
        np.zeros_like(face.picture), np.round(face.source[landmark]).astype(int).tolist(), 3, (255,) * 3, -1
    )
    renderer, head = Renderer(dataclasses.replace(face, picture=dot)), Pose((4, -3), 5, 1.03, (0.5, -0.5))
    landmarks = renderer.landmarks(-0.8, 0.7, 0.3, 0.0, head)
    picture = renderer.frame(landmarks, head)[..., 1].astype(float)
    # Less than 40 is what is painted into the mouth.
    picture[picture < 40] = 0
    rows, columns = np.indices(picture.shape)
    found = np.array([(picture * columns).sum(), (picture * rows).sum()]) / picture.sum()
    np.testing.assert_allclose(found, landmarks[landmark], atol=1.5)


def test_crop_has_eyes_and_mouth_where_arcface_wants_them(face):
    renderer = Renderer(face)
    landmarks = renderer.landmarks(0.5, 0.0, 0.0, 0.0, Pose((5, 2), -6, 1.05))
    crop = align_face(renderer.frame(landmarks, Pose()), landmarks)
    assert crop.shape == (CROP_SIZE, CROP_SIZE, 3)
    marked = np.zeros((256, 256, 3), np.uint8)
    cv2.circle(marked, np.round(landmarks[36:42].mean(0)).astype(int).tolist(), 2, (255, 255, 255), -1)
    row, column = (axis.mean() for axis in np.nonzero(align_face(marked, landmarks)[..., 0]))
    assert (column, row) == pytest.approx((38, 52), abs=6)


def test_covered_face_keeps_the_rest_of_the_picture(face):
    renderer = Renderer(face)
    landmarks = renderer.landmarks(0, 0, 0, 0, Pose())
    frame = renderer.frame(landmarks, Pose())
    covered = cover_face(frame, landmarks, (10, 200, 30))
    assert (covered[tuple(landmarks[30].round().astype(int)[::-1])] == (10, 200, 30)).all()
    np.testing.assert_array_equal(covered[:40], frame[:40])


def test_mirroring_twice_changes_nothing():
    landmarks = load_portrait().landmarks
    np.testing.assert_allclose(mirror_points(mirror_points(landmarks)), landmarks)
    assert mirror_points(landmarks)[36, 0] < mirror_points(landmarks)[45, 0]


def test_missing_scikit_image_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'skimage.data', None)
    load_portrait.cache_clear()
    with pytest.raises(MMAffectError, match=r'pip install mmaffect\[demo\]'):
        load_portrait()
