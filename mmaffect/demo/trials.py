"""One demo video: its frames, its sound, its face crops and its annotations."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .affect import FPS, annotate, displayed, draw_latent, smooth_noise
from .conditions import weaken_sound
from .expressions import Pose
from .faces import make_face
from .plan import Subject, Trial, Video
from .portrait import load_portrait
from .rendering import Renderer, align_face, cover_face
from .voice import Speech, draw_voice, speak

# What face and voice add of their own: neither modality is enough for a perfect estimate, valence is hard to hear.
FACE_NOISE = (0.18, 0.22)
VOICE_NOISE = (0.4, 0.22)
INVALID = -5


@dataclass(frozen=True)
class Performance:
    """What one person does in one video.

    Args:
        rows: (T, 2), annotated valence and arousal, one row a frame.
        shown: (T, 2), valence and arousal of the face.
        speech: what the person says.
        blinks: (T,) in [0, 1].
        heads: pose of every frame.
        jitter: (T, 68, 2), pixels by which the landmark detector errs.
    """

    rows: np.ndarray
    shown: np.ndarray
    speech: Speech
    blinks: np.ndarray
    heads: list[Pose]
    jitter: np.ndarray


def perform(seed: int, trial: Trial, subject: Subject, num_frames: int) -> Performance:
    """What the person of a trial does.

    Args:
        seed: of the corpus.
        trial: its index seeds everything else.
        subject: whose voice it is.
        num_frames: length at `FPS`.
    """
    rng = np.random.default_rng([seed, 3, trial.index])
    latent = draw_latent(rng, num_frames)
    shown, spoken = displayed(rng, latent, FACE_NOISE), displayed(rng, latent, VOICE_NOISE)
    return Performance(
        rows=annotate(rng, latent),
        shown=shown,
        speech=speak(rng, subject.voice, spoken),
        blinks=_draw_blinks(rng, num_frames),
        heads=_draw_heads(rng, shown[:, 1]),
        jitter=rng.normal(0, 0.4, (num_frames, 68, 2)),
    )


def annotation_text(trial: Trial, rows: np.ndarray) -> str:
    """The annotation file of a trial.

    Args:
        trial: says which rows are invalid, and whether one is missing or too many.
        rows: (T, 2), valence and arousal in [-1, 1].
    """
    rows = np.concatenate([rows, rows[-1:]])[: len(rows) + trial.extra_rows]
    lines = [f'{valence:.4f},{arousal:.4f}' for valence, arousal in rows]
    for start, stop in trial.invalid:
        lines[start:stop] = [f'{INVALID},{INVALID}'] * (stop - start)
    return '\n'.join(['valence,arousal', *lines]) + '\n'


def mix_sound(seed: int, video: Video, performances: list[Performance]) -> np.ndarray:
    """The sound track of a video, float32 (N,): all its voices, with its weak spans.

    Args:
        seed: of the corpus.
        video: says when the sound is weak.
        performances: one for each trial of the video.
    """
    rng = np.random.default_rng([seed, 4, video.trials[0].index])
    sound = sum(performance.speech.sound for performance in performances)
    unrelated = None
    if any(span.kind == 'unrelated_voice' for span in video.spans):
        unrelated = speak(rng, draw_voice(rng), draw_latent(rng, video.num_frames)).sound
    return weaken_sound(rng, np.clip(sound, -1, 1).astype(np.float32), video.spans, unrelated)


def draw_frames(
    seed: int, video: Video, subjects: list[Subject], performances: list[Performance], crops: list[Path]
) -> Iterator[np.ndarray]:
    """Frames uint8 (256, 256 or 512, 3) RGB of a video; writes the face crops of each as it is drawn.

    Args:
        seed: of the corpus.
        video: says when the face is weak, and which frames lose the face.
        subjects, performances: one for each trial of the video.
        crops: existing folder for the crops of each trial.
    """
    rng = np.random.default_rng([seed, 5, video.trials[0].index])
    renderers = [Renderer(make_face(subject.identity, load_portrait())) for subject in subjects]
    colours = [tuple(int(part) for part in rng.integers(30, 200, 3)) for _ in subjects]
    covered = _frames_of(video, 'covered_face')
    # A frozen face is the last frame before its span, again and again.
    moment = np.arange(video.num_frames)
    for span in video.spans:
        if span.kind == 'frozen_face':
            moment[span.start : span.stop] = max(span.start - 1, 0)
    lost = [_in_runs(trial.lost, video.num_frames) for trial in video.trials]
    for index in range(video.num_frames):
        parts = []
        for person, (renderer, performance) in enumerate(zip(renderers, performances, strict=True)):
            frame, landmarks = _picture(renderer, performance, int(moment[index]))
            if covered[index]:
                frame = cover_face(frame, landmarks, colours[person])
            parts.append(frame)
            if not lost[person][index]:
                crop = align_face(frame, landmarks + performance.jitter[index])
                _write_jpeg(crops[person] / f'{index + 1:05d}.jpg', crop)
        yield np.concatenate(parts, axis=1)


def _picture(renderer: Renderer, performance: Performance, index: int) -> tuple[np.ndarray, np.ndarray]:
    valence, arousal = performance.shown[index]
    opening, head = performance.speech.opening[index], performance.heads[index]
    landmarks = renderer.landmarks(valence, arousal, opening, performance.blinks[index], head)
    return renderer.frame(landmarks, head), landmarks


def _write_jpeg(path: Path, picture: np.ndarray) -> None:
    # imencode, because imwrite returns False instead of saying why a disk took nothing.
    path.write_bytes(cv2.imencode('.jpg', picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())


def _frames_of(video: Video, kind: str) -> np.ndarray:
    return _in_runs(tuple((span.start, span.stop) for span in video.spans if span.kind == kind), video.num_frames)


def _in_runs(runs: tuple[tuple[int, int], ...], num_frames: int) -> np.ndarray:
    inside = np.zeros(num_frames, bool)
    for start, stop in runs:
        inside[start:stop] = True
    return inside


def _draw_blinks(rng: np.random.Generator, num_frames: int) -> np.ndarray:
    blinks, frame = np.zeros(num_frames + 8), int(rng.uniform(0, 3 * FPS))
    while frame < num_frames:
        blinks[frame : frame + 5] = (0.5, 1.0, 1.0, 0.7, 0.3)
        frame += int(rng.uniform(1.5, 6.0) * FPS)
    return blinks[:num_frames]


def _draw_heads(rng: np.random.Generator, arousal: np.ndarray) -> list[Pose]:
    """Aroused heads move further and faster."""
    excited = (arousal[:, None] + 1) / 2
    slow, fast = (
        np.stack([smooth_noise(rng, len(arousal), cutoff) for _ in range(6)], axis=1) for cutoff in (0.25, 1.2)
    )
    moves = np.clip((0.5 + 0.3 * excited) * slow + 0.45 * excited * fast, -2, 2)
    return [
        Pose((3.0 * x, 2.0 * y), 2.5 * roll, 1 + 0.015 * scale, (0.5 * yaw, 0.5 * pitch))
        for x, y, roll, scale, yaw, pitch in moves.tolist()
    ]
