import cv2
import numpy as np
import pytest
from skimage.data import astronaut
from skimage.transform import SimilarityTransform, warp

from mmaffect.demo import rendering
from mmaffect.errors import MediaError
from mmaffect.faces import align_face, crop_face
from mmaffect.faces.alignment import ARCFACE_POINTS, similarity

POINTS = np.array([[203.0, 107.0], [246.0, 105.0], [226.0, 130.0], [208.0, 153.0], [244.0, 152.0]])


def landmarks(points):
    """68 landmarks, of which the demo corpus takes these five points."""
    full = np.zeros((68, 2))
    full[36:42], full[42:48], full[30], full[48], full[54] = points
    return full


@pytest.mark.parametrize('seed', range(5))
def test_matrix_is_the_similarity_of_scikit_image(seed):
    g = np.random.default_rng(seed)
    points = POINTS * g.uniform(0.2, 5) + g.normal(0, 5, (5, 2))
    expected = SimilarityTransform.from_estimate(points, ARCFACE_POINTS).params[:2]
    np.testing.assert_allclose(similarity(points), expected, atol=1e-6)


def test_crop_is_the_demo_corpus_crop():
    frame = cv2.resize(astronaut(), (384, 384), interpolation=cv2.INTER_AREA)
    points = POINTS * 0.75 + np.array([[1.3, -0.7]])
    np.testing.assert_array_equal(align_face(frame, points), rendering.align_face(frame, landmarks(points)))


@pytest.mark.parametrize('factor', [1, 3, 6])
def test_known_warp_is_undone(factor):
    """The crop, turned, scaled and moved into a larger picture, comes out as it was, however large the face is."""
    y, x = np.mgrid[:112, :112]
    crop = np.stack([128 + 90 * np.sin(x / 9), 128 + 90 * np.cos(y / 7), 2.0 * x], axis=-1).clip(0, 255)
    known = SimilarityTransform(scale=factor * 1.2, rotation=0.3, translation=(40 * factor + 60, 20))
    side = 60 + 230 * factor
    frame = warp(crop, known.inverse, output_shape=(side, side), order=3, mode='edge', preserve_range=True)
    points = known(ARCFACE_POINTS)
    aligned = align_face(frame.round().clip(0, 255).astype(np.uint8), points)
    difference = np.abs(aligned.astype(float) - crop)[8:-8, 8:-8]
    assert difference.mean() < 1.0
    assert difference.max() < 8.0


@pytest.mark.parametrize('enlarge', [2, 4, 9])
def test_large_faces_do_not_alias(enlarge):
    """Lines of one pixel, finer than the crop can show, become even grey."""
    side = 112 * enlarge
    frame = np.zeros((side, side, 3), np.uint8)
    frame[:, ::2] = 255
    aligned = align_face(frame, (ARCFACE_POINTS + 0.5) * enlarge - 0.5)
    assert np.abs(aligned.astype(int) - 127.5).max() < 32
    assert abs(aligned.mean() - 127.5) < 2


def test_other_sizes_show_the_same_part():
    points = POINTS * 2
    frame = cv2.resize(astronaut(), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    small = align_face(frame, points, 56)
    expected = cv2.resize(align_face(frame, points), (56, 56), interpolation=cv2.INTER_AREA)
    assert small.shape == (56, 56, 3)
    assert np.abs(small.astype(float) - expected).mean() < 2.5


def test_stored_face_is_the_aligned_face_averaged():
    frame = astronaut()
    stored = crop_face(frame, POINTS, 28)
    blocks = align_face(frame, POINTS).reshape(28, 4, 28, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(stored, blocks, atol=0.51)


def test_beyond_the_frame_is_black():
    frame = np.full((40, 40, 3), 200, np.uint8)
    aligned = align_face(frame, ARCFACE_POINTS + np.array([60, 0]))
    assert aligned.max() == 0


@pytest.mark.parametrize('points', [np.zeros((5, 2)), np.full((5, 2), np.nan), np.zeros((4, 2))])
def test_points_of_no_face(points):
    with pytest.raises(MediaError, match='expected five different ones'):
        align_face(astronaut(), points)


def test_absurd_points_cost_bounded_memory():
    frame = np.full((50, 50, 3), 200, np.uint8)
    assert align_face(frame, ARCFACE_POINTS * 1e6).shape == (112, 112, 3)
