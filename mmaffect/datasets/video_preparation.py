"""From videos of any origin to a prepared corpus, with faces of our own detection."""

from pathlib import Path

from .annotation_table import AnnotationScale
from .face_source import Choice, FaceSettings
from .preparation import Preparation, prepare_corpus
from .preparation_settings import PreparationSettings
from .videos import SplitDraw, read_videos


def corpus_from_csv(
    videos: str | Path,
    out: str | Path,
    *,
    table: str | Path | None = None,
    annotations: str | Path | None = None,
    lag: float = 0.0,
    scale: tuple[float, float] = (-1.0, 1.0),
    val_share: float | None = None,
    split_seed: int = 3407,
    faces: Choice = 'largest',
    detector: str | dict = 'retinaface',
    detect_every: int = 1,
    min_seconds: float = 1.0,
    jobs: int = 1,
    front_end: str = 'paper',
    face_size: int = 48,
    waveform: bool = False,
    shard: tuple[int, int] = (1, 1),
    skip_broken: bool = False,
    name: str = 'own',
) -> Preparation:
    """Prepare a corpus from videos and, where there are some, annotations as CSV files.

    Trials that an earlier run finished with the same settings are kept. Run it under ``if __name__ == '__main__':``,
    since it works in processes.

    Args:
        videos: folder of the videos; those in subfolders count too.
        out: the folder of the prepared corpus.
        table: CSV file with the columns ``video`` and any of ``trial``, ``split``, ``subject``, ``annotation`` and
            ``person``, see :func:`mmaffect.datasets.videos.read_videos`; ``None``: all videos, without annotation.
        annotations: folder with ``<trial>.csv`` of each trial that has an annotation, instead of the table's column.
        lag: seconds by which annotators lag behind what they see; annotations are moved earlier by it.
        scale: numbers of the annotations that become -1 and 1.
        val_share: share of the annotated trials of no split that validate, drawn by subject and video.
        split_seed: of that draw.
        faces: ``'largest'``, ``'longest'``, or ``'all'`` for a trial of each face.
        detector: as of :func:`mmaffect.faces.build_detector`.
        detect_every: every how many frames faces are detected; in between they are interpolated.
        min_seconds: for ``'all'``, how long a face has to be seen.
        jobs: worker processes.
        front_end: name of the audio front end, ``'paper'`` or ``'vggish'``.
        face_size: side of the stored faces, pixels.
        waveform: keep the sound itself too, mono at 16 kHz.
        shard: ``(i, n)``: only every ``n``-th video, beginning with the ``i``-th (from 1).
        skip_broken: leave broken trials out instead of stopping at the first.
        name: name of the corpus in reports.

    Raises:
        AnnotationError, MediaError: the first broken trial, unless ``skip_broken``.
        ConfigError: if a setting is out of range, or annotated trials have no split.
        CorpusError: if the table does not fit the videos, ``out`` holds a corpus of other settings or has too little
            space, or all trials are broken.
        OSError: if ``out`` cannot be written to.
    """
    settings = PreparationSettings(jobs, front_end, face_size, waveform, shard, skip_broken)
    layout = read_videos(
        videos,
        out,
        table=table,
        annotations=annotations,
        faces=FaceSettings(detector, detect_every, faces, min_seconds),
        scale=AnnotationScale(lag, *scale),
        draw=None if val_share is None else SplitDraw(val_share, split_seed),
    )
    return prepare_corpus(layout, out, name, settings)
