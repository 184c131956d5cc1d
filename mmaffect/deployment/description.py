"""What goes into an exported model and what comes out, as numbers and names that JSON can hold."""

from dataclasses import asdict

from ..faces.alignment import ALIGNED_SIZE, ARCFACE_POINTS
from ..inference.notice import NOTICE, SYNTHETIC_MODEL_NOTICE
from ..models import AffectEstimator
from ..version import __version__
from .graphs import gate_names
from .settings import Settings


def describe(model: AffectEstimator, settings: Settings, synthetic: bool) -> dict:
    """What ``metadata.json`` says beside the files.

    Args:
        model: the estimator.
        settings: how its data are cut.
        synthetic: whether it was trained on a synthetic corpus.
    """
    preprocessor = model.data_preprocessor
    found: dict = {
        'schema': 'mmaffect.onnx',
        'version': 1,
        'mmaffect': __version__,
        'targets': list(model.head.targets),
        'window': {'length': settings.window, 'hop': settings.hop, 'stride': settings.stride},
        'streams': list(model.streams),
        'gates': gate_names(model, settings.window),
    }
    if settings.face_size is not None:
        clips = settings.clips
        found['faces'] = {
            'size': settings.face_size,
            'colour': 'RGB',
            'crop': preprocessor.crop_size,
            'aligned_at': ALIGNED_SIZE,
            'aligned_points': ARCFACE_POINTS.tolist(),
            'clip_frames': settings.clip_frames,
            'clip_dilation': settings.clip_dilation,
            'frames_of_a_window': None if clips is None else clips[0].tolist(),
        }
    if settings.front_end is not None:
        found['sound'] = {
            'front_end': asdict(settings.front_end),
            'patch_rows': preprocessor.patch_rows,
            'align': settings.align,
            'beyond_the_recording': preprocessor.audio_fill,
            'mean': float(preprocessor.audio_mean),
            'std': float(preprocessor.audio_std),
        }
    return found | {'synthetic': synthetic, 'notice': f'{NOTICE} {SYNTHETIC_MODEL_NOTICE}' if synthetic else NOTICE}
