"""Faces of raw video: found, tracked, chosen and aligned as training data has them."""

from .alignment import align_face, crop_face
from .choice import choose_faces
from .detectors import MTCNNDetector, RetinaFaceDetector, YuNetDetector, build_detector
from .finding import find_faces
from .online import OnlineFaces
from .tracking import FaceTracker
from .types import ChosenFaces, Face, FaceDetector, FaceTracks

__all__ = [
    'ChosenFaces',
    'Face',
    'FaceDetector',
    'FaceTracker',
    'FaceTracks',
    'MTCNNDetector',
    'OnlineFaces',
    'RetinaFaceDetector',
    'YuNetDetector',
    'align_face',
    'build_detector',
    'choose_faces',
    'crop_face',
    'find_faces',
]
