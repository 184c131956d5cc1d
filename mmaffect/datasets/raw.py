"""What a preparation begins with: the trials of a raw corpus and the files of each."""

from dataclasses import dataclass, field
from pathlib import Path

from .annotation_table import AnnotationScale
from .corpus import Split
from .face_source import FoundFaces


@dataclass(frozen=True)
class RawTrial:
    """A trial as it is distributed.

    Attributes:
        name: the trial, as its annotation file is named.
        split: ``'train'``, ``'val'`` or ``'test'``.
        video: its video, which two trials may share; ``None`` if there is none.
        annotation: its annotation file; ``None`` for a trial without one.
        faces: the folder of its face images; ``None`` if there is none.
        subject: the person, where it is known.
        found: where its faces are found in the video itself; ``None``: ``faces`` holds them.
        scale: how a table of times is read; ``None``: the annotation is a file of Aff-Wild2, whose rows are the frames
            of the trial.
        conditions: a file with the condition of each frame of the video; ``None`` where they are not known.
        label: what the corpus calls its video; trials of one label share people. ``None``: its file name.
    """

    name: str
    split: Split
    video: Path | None
    annotation: Path | None
    faces: Path | None
    subject: str | None = None
    found: FoundFaces | None = None
    scale: AnnotationScale | None = None
    label: str | None = None
    conditions: Path | None = None


@dataclass(frozen=True)
class RawCorpus:
    """What a raw corpus holds.

    Attributes:
        root: its folder.
        trials: training, validation, test, each in lexicographic order.
        unused: files of no trial, by what they are.
        face_folders: the folders that hold a folder of face images for each trial.
        synthetic: whether its people are made up (the demo corpus).
        notes: facts that ``corpus.json`` keeps.
    """

    root: Path
    trials: list[RawTrial]
    unused: dict[str, list[Path]]
    face_folders: list[Path]
    synthetic: bool
    notes: dict[str, object] = field(default_factory=dict)
