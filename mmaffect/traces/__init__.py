"""Valence and arousal of every frame of a recording: the object, its files and its figures."""

from .trace import Trace

__all__ = ['Trace']
