"""Continuous audio-visual affect estimation: valence and arousal for every video frame."""

from .version import __version__

__all__ = ['__version__']
