"""Cameras, microphones, streams and files played at their own speed: what ``tools/live.py`` is made of."""
