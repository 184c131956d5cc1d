"""From any video to valence and arousal of every frame, offline and live.

Names are imported when they are first used: the parts of a trace need neither PyTorch nor a decoder.
"""

from importlib import import_module

_MODULES = {
    'AffectInferencer': 'inferencer',
    'ArrayRecording': 'recording',
    'CorpusTrial': 'recording',
    'FileRecording': 'recording',
    'FrameEncoder': 'encoder',
    'NOTICE': 'notice',
    'Recording': 'recording',
    'StreamingInferencer': 'streaming',
    'Trace': 'trace',
    'open_recording': 'sources',
    'plan_windows': 'windows',
    'predict_windows': 'windows',
}

__all__ = [
    'NOTICE',
    'AffectInferencer',
    'ArrayRecording',
    'CorpusTrial',
    'FileRecording',
    'FrameEncoder',
    'Recording',
    'StreamingInferencer',
    'Trace',
    'open_recording',
    'plan_windows',
    'predict_windows',
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'.{_MODULES[name]}', __name__), name)


def __dir__() -> list[str]:
    return __all__
