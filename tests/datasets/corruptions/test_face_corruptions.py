import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from mmaffect.datasets import Corpus
from mmaffect.datasets.corruptions import SEVERITIES, FaceBlur, FaceDropout, FaceJPEG, FaceOcclusion
from tests.datasets.corruptions.spoken_corpus import write_spoken_corpus

FPS, SIDE = 30.0, 48


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
    return Corpus(write_spoken_corpus(tmp_path_factory.mktemp('corpus'), fps=FPS, side=SIDE))


@pytest.mark.parametrize('severity', SEVERITIES)
def test_blur_is_scipys(corpus, severity):
    trial = corpus['b']
    damaged = FaceBlur(severity).apply(trial, corpus)
    sigma = SIDE * (0.015, 0.025, 0.04, 0.07, 0.12)[severity - 1]
    for i in (0, 6, 8, -1):
        witness = gaussian_filter(
            trial.faces[i].astype(float), (sigma, sigma, 0), radius=(round(4 * sigma),) * 2 + (0,)
        )
        # Rounded to whole levels.
        assert np.abs(damaged.faces[i] - witness).max() < 0.51
    assert np.array_equal(damaged.faces.reshape(len(trial.faces), -1).any(1), trial.face_present)


@pytest.mark.parametrize('quality', [50, 20, 5])
def test_jpeg_is_that_of_another_library(corpus, quality):
    trial = corpus['b']
    damaged = FaceJPEG(quality=quality).apply(trial, corpus)
    for i in (0, 8, -1):
        file = io.BytesIO()
        Image.fromarray(np.array(trial.faces[i])).save(file, 'JPEG', quality=quality, subsampling='4:2:0')
        witness = np.asarray(Image.open(file)).astype(int)
        # Both are libjpeg's scheme; builds differ in how they round.
        assert np.abs(damaged.faces[i] - witness).mean() < 1
        assert np.abs(trial.faces[i] - witness).mean() > 2
    assert np.array_equal(damaged.faces.reshape(len(trial.faces), -1).any(1), trial.face_present)


def test_a_grey_rectangle_of_the_share_wanders_slowly(corpus):
    trial = corpus['b']
    before = np.zeros(trial.faces.shape[:3], bool)
    for severity in SEVERITIES:
        share = (0.1, 0.2, 0.3, 0.45, 0.6)[severity - 1]
        damaged = FaceOcclusion(severity).apply(trial, corpus).faces
        grey = damaged[trial.face_present][0]
        values, counts = np.unique(grey.reshape(-1, 3), axis=0, return_counts=True)
        level = values[counts.argmax()]
        assert len(set(level.tolist())) == 1
        covered = (damaged == level).all(-1) & trial.face_present[:, None, None]
        corners = []
        for i in np.flatnonzero(trial.face_present):
            rows, columns = (np.flatnonzero(covered[i].any(axis)) for axis in (1, 0))
            box = covered[i, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            assert box.all()
            # The sides are whole pixels.
            assert abs(box.mean() * box.size / SIDE**2 - share) < 0.03
            corners.append((rows[0], columns[0]))
        assert np.array_equal(np.where(covered[..., None], trial.faces, damaged), trial.faces)
        moves = np.abs(np.diff(corners, axis=0))
        assert moves.max() <= 1
        assert severity == 5 or moves.sum() > 10
        assert (covered | ~before).all()
        before = covered
    assert not damaged[~trial.face_present].any()


def test_dropout_leaves_black_frames_without_a_face(corpus):
    trial = corpus['a']
    before = np.zeros(len(trial.faces), bool)
    for share in (0.0, 0.1, 0.5, 0.9, 1.0):
        damaged = FaceDropout(share=share).apply(trial, corpus)
        lost = ~damaged.faces.reshape(len(trial.faces), -1).any(1)
        assert np.array_equal(damaged.face_present, ~lost)
        assert damaged.info.faces_present == damaged.face_present.sum()
        assert np.array_equal(damaged.faces[~lost], trial.faces[~lost])
        spans = np.flatnonzero(np.diff(np.pad((lost & trial.face_present).astype(int), 1)) == 1)
        assert abs((lost & trial.face_present).sum() + 3 * share - share * len(lost)) <= 2 * len(spans) + 3
        assert (lost | ~before).all()
        before = lost
    assert trial.info.faces_present == len(lost) - 3
