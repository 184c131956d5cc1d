"""Weak spans: stretches of time in which one modality says nothing true, and what they do to the sound."""

from dataclasses import dataclass

import numpy as np

from .affect import FPS
from .voice import SAMPLE_RATE

NORMAL = 'normal'
AUDIO_KINDS = ('unrelated_voice', 'silence', 'noise')
VISUAL_KINDS = ('covered_face', 'frozen_face')
AV_OFFSET = 'av_offset'
KINDS = (*AUDIO_KINDS, *VISUAL_KINDS, AV_OFFSET)
SHORTEST, LONGEST = 2 * FPS, 6 * FPS
"""Frames of the shortest and of the longest weak span."""


@dataclass(frozen=True)
class Span:
    """A stretch of frames with one condition.

    Args:
        start, stop: first frame and the one after the last.
        kind: one of `AUDIO_KINDS`, `VISUAL_KINDS` or `AV_OFFSET`.
        offset: for `AV_OFFSET`, seconds that the sound is ahead of the picture (negative: behind).
    """

    start: int
    stop: int
    kind: str
    offset: float = 0.0


def draw_spans(
    rng: np.random.Generator, num_frames: int, weak: float, has_sound: bool, kinds: tuple[str, ...] = KINDS
) -> tuple[Span, ...]:
    """Weak spans of 2 to 6 seconds in random places, which share no frame.

    Args:
        rng: its state decides everything.
        num_frames: length of the trial.
        weak: expected share of weak frames, in [0, 1).
        has_sound: without sound only the face can be weak.
        kinds: those of `KINDS` that are drawn from.
    """
    kinds = kinds if has_sound else tuple(kind for kind in kinds if kind in VISUAL_KINDS)
    if not kinds:
        return ()
    total = weak * num_frames
    if total < SHORTEST:
        # A span has its least length; trials too short for a share of it have one now and then.
        total = SHORTEST if rng.random() < total / SHORTEST else 0
    total = int(min(round(total), num_frames))
    if total == 0:
        return ()
    most, fewest = max(1, total // SHORTEST), int(np.ceil(total / LONGEST))
    count = int(rng.integers(fewest, max(fewest, min(most, fewest + 2)) + 1))
    lengths = _parts(rng, total, count, SHORTEST, LONGEST)
    gaps = _parts(rng, num_frames - total, count + 1, 0, num_frames)
    spans, start = [], 0
    for gap, length in zip(gaps, lengths, strict=False):
        start += gap
        kind = str(rng.choice(kinds))
        offset = float(rng.choice([-1, 1]) * rng.uniform(1.5, 3.0)) if kind == AV_OFFSET else 0.0
        spans.append(Span(start, start + length, kind, round(offset, 3)))
        start += length
    return tuple(spans)


def frame_conditions(spans: tuple[Span, ...], num_frames: int) -> list[str]:
    """One word for every frame.

    Args:
        spans: from `draw_spans`.
        num_frames: length of the trial.
    """
    words = [NORMAL] * num_frames
    for span in spans:
        words[span.start : span.stop] = [span.kind] * (span.stop - span.start)
    return words


def weaken_sound(
    rng: np.random.Generator, sound: np.ndarray, spans: tuple[Span, ...], unrelated: np.ndarray | None
) -> np.ndarray:
    """The sound with its weak spans exchanged, float32 (N,).

    Args:
        rng: its state decides the noise.
        sound: float32 (N,) in [-1, 1] at `SAMPLE_RATE`.
        spans: from `draw_spans`; those of the face change nothing.
        unrelated: (N,), another voice; needed where a span asks for it.
    """
    sound, original = sound.copy(), sound
    for span in spans:
        start, stop = (frame * SAMPLE_RATE // FPS for frame in (span.start, span.stop))
        if span.kind == 'unrelated_voice':
            sound[start:stop] = unrelated[start:stop]
        elif span.kind == 'silence':
            sound[start:stop] = 0.0
        elif span.kind == 'noise':
            sound[start:stop] = 0.07 * rng.standard_normal(stop - start).clip(-3, 3)
        elif span.kind == AV_OFFSET:
            sound[start:stop] = np.roll(original, -round(span.offset * SAMPLE_RATE))[start:stop]
    return sound


def _parts(rng: np.random.Generator, total: int, count: int, least: int, most: int) -> list[int]:
    """`count` whole numbers in [least, most] that sum to `total`, where bounds allow it."""
    free = total - count * least
    if free < 0:
        return [total // count + (index < total % count) for index in range(count)]
    cuts = np.sort(rng.integers(0, free + 1, count - 1))
    parts = np.diff([0, *cuts, free]) + least
    while parts.max() > most:
        over, under = parts.argmax(), parts.argmin()
        move = min(parts[over] - most, most - parts[under])
        parts[over] -= move
        parts[under] += move
    return parts.tolist()
