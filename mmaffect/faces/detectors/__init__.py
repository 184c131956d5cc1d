"""Face detectors; :func:`build_detector` makes one from a name, a file or a config."""

from pathlib import Path

from ...errors import ConfigError
from ...registry import FACE_DETECTORS
from ..types import FaceDetector
from .base import NetworkDetector
from .mtcnn_detector import MTCNNDetector
from .retinaface_detector import RetinaFaceDetector
from .yunet_detector import YuNetDetector

SHORT_NAMES = {'retinaface': 'RetinaFaceDetector', 'mtcnn': 'MTCNNDetector'}

__all__ = ['MTCNNDetector', 'NetworkDetector', 'RetinaFaceDetector', 'YuNetDetector', 'build_detector']


def build_detector(detector: str | Path | dict = 'retinaface') -> FaceDetector:
    """A face detector.

    RetinaFace is the default: on GRID and the demo corpus it found a face as often as MTCNN, in a fifth to a third of
    the time, and its points jitter half as much (``tools/analysis/benchmark_faces.py``).

    Args:
        detector: ``'retinaface'``, ``'mtcnn'``, the path of a YuNet file that ends in ``.onnx``, or a config
            ``dict(type='RetinaFaceDetector', ...)``.

    Raises:
        ConfigError: if it is none of these, an argument does not fit, or a package or file is missing.
    """
    if isinstance(detector, dict) and 'type' in detector:
        config = detector
    elif str(detector).endswith('.onnx'):
        config = dict(type='YuNetDetector', path=str(detector))
    elif isinstance(detector, str) and detector in SHORT_NAMES:
        config = dict(type=SHORT_NAMES[detector])
    else:
        names = ', '.join(map(repr, SHORT_NAMES))
        raise ConfigError(f'detector={detector!r}; expected one of {names}, a file *.onnx or a config dict(type=...)')
    try:
        return FACE_DETECTORS.build(config)
    except (KeyError, TypeError) as error:
        raise ConfigError(f'detector={config!r}: {error.args[0]}') from None
