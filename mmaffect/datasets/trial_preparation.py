"""One trial of a raw corpus, from its files to the arrays of the prepared corpus."""

import os
from collections import Counter
from pathlib import Path

import numpy as np

from ..errors import AnnotationError, MediaError
from ..media.log_mel import LogMelStream
from ..media.types import FrameTimes
from ..utils.files import sha256
from .affwild2 import check_files
from .annotation import read_annotation
from .annotation_table import annotation_at, read_annotation_table
from .conditions import fit_conditions, ordered_words, read_conditions
from .corpus_writer import CorpusWriter
from .face_source import read_found_faces
from .faces import FaceTrack, read_faces
from .raw import RawTrial

# Seconds by which an annotation may end before or behind its video before that is told.
END_TOLERANCE = 1.0
# Times of an annotation that goes on for so many times the length of its video are no seconds.
MAX_LENGTHS = 10


def prepare_trial(trial: RawTrial, writer: CorpusWriter) -> dict:
    """Prepare one trial.

    Aff-Wild2's annotation decides on the number of frames (for a test trial, the video): a longer video is cut, the
    time stamps of a shorter one are continued at its median frame interval; ``notes`` of the entry tell. With a table
    of times, the frames are those of the video. Conditions, one a frame of the video or of the annotation, are fitted
    as the time stamps are.

    Returns:
        The entry that is written to the corpus.

    Raises:
        CorpusError, AnnotationError, MediaError: if a file of the trial is missing or broken.
        OSError: if the corpus cannot be written to; nothing half-written stays.
    """
    from ..media import read_timestamps

    check_files(trial)
    try:
        source = trial_source(trial)
        times = read_timestamps(trial.video)
        targets, valid, odd = read_targets(trial, times)
        if times.frames < min(2, len(valid)):
            raise MediaError(f'{trial.video}: {times.frames} frames for {len(valid)} rows of {trial.annotation}')
        conditions = None
        if trial.conditions is not None:
            words = read_conditions(trial.conditions, (times.frames, len(valid)))
            conditions = fit_conditions(words, len(valid))
        track = _faces(trial, len(valid), writer.face_size)
        logmel, waveform, sound_flags = read_sound_arrays(trial.video, writer)
    except OSError as error:
        raise MediaError(f'{error.filename or trial.video}: {error.strerror or error}') from None
    try:
        writer.discard(trial.name)
        return writer.write_trial(
            trial.name,
            video=trial.label or trial.video.name,
            split=trial.split,
            faces=track.faces,
            logmel=logmel,
            waveform=waveform,
            timestamps=fit_timestamps(times.seconds, len(valid)),
            targets=targets,
            valid=valid,
            face_present=track.present,
            subject=trial.subject,
            conditions=conditions,
            notes={
                'video_frames': times.frames,
                'faces_beyond': track.num_beyond,
                'flags': [*times.flags, *(f'sound_{flag}' for flag in sound_flags), *odd],
                'source': source,
                **({} if conditions is None else {'conditions': _counts(conditions)}),
            },
        )
    except OSError as error:
        # A write that fails does not say where.
        raise OSError(error.errno, f'{error.strerror}; trial {trial.name} is not written', str(writer.root)) from None


def trial_source(trial: RawTrial) -> dict[str, object]:
    """What tells that a trial was prepared from these very files, with these very settings."""
    source = {
        'annotation': None if trial.annotation is None else sha256(trial.annotation),
        'video_bytes': os.path.getsize(trial.video),
    }
    if trial.scale is not None and trial.annotation is not None:
        source |= {'lag': trial.scale.lag, 'scale': [trial.scale.low, trial.scale.high]}
    if trial.found is not None:
        source['faces'] = trial.found.source
    if trial.conditions is not None:
        source['conditions'] = sha256(trial.conditions)
    return source


def read_sound_arrays(
    video: Path, writer: CorpusWriter
) -> tuple[np.ndarray | None, np.ndarray | None, tuple[str, ...]]:
    """What a corpus keeps of the sound of a video.

    Args:
        video: the file.
        writer: tells the front end, and the rate of the waveform, if one is kept.

    Returns:
        Log-mel spectrogram, ``None`` without sound; waveform, ``None`` if none is kept; flags of the sound.

    Raises:
        MediaError: if the sound cannot be decoded.
    """
    from ..media.sound import open_sound

    rate = writer.front_end.sample_rate
    sound = open_sound(video, rate)
    if sound is None:
        return None, None, ()
    stream = LogMelStream(writer.front_end)
    rows, samples = [], []
    for block in sound.blocks():
        rows.append(stream.push(block))
        if writer.waveform_rate == rate:
            samples.append(_integers(block))
    logmel = np.concatenate([*rows, stream.flush()])
    if writer.waveform_rate not in (None, rate):
        samples = [_integers(block) for block in open_sound(video, writer.waveform_rate).blocks()]
    return logmel, np.concatenate(samples) if samples else None, tuple(sound.flags)


def fit_timestamps(seconds: np.ndarray, num_frames: int) -> np.ndarray:
    """Cut time stamps, or continue them at their median interval.

    Args:
        seconds: ``(N,)`` ascending; two at least where they have to be continued.
        num_frames: length of the result, T.

    Examples:
        >>> fit_timestamps(np.array([0.0, 0.5, 1.0]), 5)
        array([0. , 0.5, 1. , 1.5, 2. ])
    """
    missing = num_frames - len(seconds)
    if missing <= 0:
        return seconds[:num_frames]
    interval = np.median(np.diff(seconds))
    return np.concatenate([seconds, seconds[-1] + interval * np.arange(1, missing + 1)])


def read_targets(trial: RawTrial, times: FrameTimes) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The annotation of a trial, in step with the frames that the corpus holds of it.

    Args:
        trial: the trial.
        times: of the frames of its video.

    Returns:
        Targets ``(T, 2)`` float32, NaN where invalid; ``(T,)`` bool, where they are valid; and flags:
        ``annotation_beyond`` and ``annotation_short`` tell of a table that ends more than a second after or before
        the video.

    Raises:
        AnnotationError: if the file is no annotation, or none of this video.
    """
    if trial.annotation is None:
        return np.full((times.frames, 2), np.nan, np.float32), np.zeros(times.frames, bool), []
    if trial.scale is None:
        return *read_annotation(trial.annotation), []
    table = read_annotation_table(trial.annotation, trial.scale)
    targets, valid = annotation_at(table, times.seconds, trial.scale)
    last, end = table.at[-1], times.frames if table.by_frame else times.seconds[-1]
    if not valid.any() and not np.isnan(table.values).all():
        unit, what = ('', 'frames') if table.by_frame else (' s', 'times')
        raise AnnotationError(
            f'{trial.annotation}: its {what} are {table.at[0]:g} to {last:g}{unit} (lag {trial.scale.lag:g} s), of no '
            f'use for {trial.video}; expected some within 0 to {end:g}{unit}'
        )
    if not table.by_frame and last > MAX_LENGTHS * max(end, END_TOLERANCE):
        raise AnnotationError(
            f'{trial.annotation}: its times go on to {last:g}, but {trial.video} is {end:g} s long; expected seconds '
            '(milliseconds? numbers of frames?)'
        )
    tolerance = END_TOLERANCE
    if table.by_frame and len(times.seconds) > 1:
        tolerance /= np.median(np.diff(times.seconds))
    if abs(last - end) <= tolerance:
        return targets, valid, []
    return targets, valid, ['annotation_beyond' if last > end else 'annotation_short']


def _faces(trial: RawTrial, num_frames: int, size: int) -> FaceTrack:
    if trial.found is None:
        return read_faces(trial.faces, num_frames, size)
    return read_found_faces(trial.video, trial.found, num_frames, size)


def _counts(conditions: list[str]) -> dict[str, int]:
    counts = Counter(conditions)
    return {word: counts[word] for word in ordered_words(counts)}


def _integers(samples: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(samples, -1, 1) * 32767).astype(np.int16)
