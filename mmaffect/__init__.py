"""Continuous audio-visual affect estimation: valence and arousal for every video frame."""

from typing import TYPE_CHECKING

from .version import __version__

if TYPE_CHECKING:
    from .inference.shortcut import trace

__all__ = ['__version__', 'trace']


def __getattr__(name: str) -> object:
    # PyTorch and all that is needed to predict are imported when they are used.
    if name == 'trace':
        from .inference.shortcut import trace

        return trace
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
