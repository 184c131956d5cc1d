"""From any recording to valence and arousal of every frame. Names are imported when they are first used."""

from importlib import import_module

_MODULES = {
    'AffectInferencer': 'inferencer',
    'ArrayRecording': 'recording',
    'CorpusTrial': 'recording',
    'FileRecording': 'recording',
    'FrameEncoder': 'encoder',
    'NOTICE': 'notice',
    'Recording': 'recording',
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
