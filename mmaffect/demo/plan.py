"""What a demo corpus will hold: subjects, trials, splits and every blemish, drawn before anything is made."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from .affect import FPS
from .conditions import KINDS, Span, draw_spans
from .faces import Identity, draw_identity
from .voice import Voice, draw_voice

FORMAT = 1
MIN_TRIALS, MIN_SECONDS = 10, 4.0
TRAIN, VALIDATION, TEST = 'train', 'validation', 'test'
_SHORT_SECONDS = 3.0
# Of training, what the special cases need.
MIN_TRAIN, MIN_VALIDATION, NUM_TEST = 6, 2, 2
# Trials of one subject after another: most have one, so that there are many faces.
_TRIALS_PER_SUBJECT = (1, 1, 2)


@dataclass(frozen=True)
class Settings:
    """What decides a demo corpus.

    Args:
        trials: number of trials, at least `MIN_TRIALS`; two of them have no annotation.
        seconds: mean length of a trial, at least `MIN_SECONDS`.
        weak: share of time in which one modality says nothing true, in [0, 1).
        seed: 0 or more; another seed draws other people.
        kinds: what makes a modality weak, in the order of `KINDS`.
        validation: how many trials are for validation, at least 2; `None`: a quarter of those with annotation. The
            training trials depend on their own number alone.

    Raises:
        ValueError: one of them is out of range.
    """

    trials: int = 48
    seconds: float = 14.0
    weak: float = 0.1
    seed: int = 0
    kinds: tuple[str, ...] = KINDS
    validation: int | None = None

    def __post_init__(self) -> None:
        if self.trials < MIN_TRIALS:
            raise ValueError(f'trials is {self.trials}; expected at least {MIN_TRIALS}, one for each special case')
        if not MIN_SECONDS <= self.seconds <= 3600:
            raise ValueError(f'seconds is {self.seconds}; expected {MIN_SECONDS:g} to 3600')
        if not 0 <= self.weak < 1:
            raise ValueError(f'weak is {self.weak}; expected a share in [0, 1)')
        if self.seed < 0:
            raise ValueError(f'seed is {self.seed}; expected 0 or more')
        if not self.kinds or set(self.kinds) - set(KINDS):
            raise ValueError(f'kinds is {", ".join(self.kinds) or "empty"}; expected some of {", ".join(KINDS)}')
        most = self.trials - NUM_TEST - MIN_TRAIN
        if self.validation is not None and not MIN_VALIDATION <= self.validation <= most:
            raise ValueError(
                f'validation is {self.validation}; expected {MIN_VALIDATION} to {most} of {self.trials} trials'
            )
        object.__setattr__(self, 'kinds', tuple(kind for kind in KINDS if kind in self.kinds))

    @property
    def counts(self) -> dict[str, int]:
        """Number of trials of each split."""
        validation = self.validation
        if validation is None:
            validation = max(MIN_VALIDATION, round(0.25 * (self.trials - NUM_TEST)))
        return {TRAIN: self.trials - NUM_TEST - validation, VALIDATION: validation, TEST: NUM_TEST}

    @classmethod
    def of_record(cls, found: Mapping[str, object]) -> 'Settings':
        """The settings of a `demo.json`; those that were made before `kinds` was there have all.

        Raises:
            TypeError, ValueError: it holds no settings.
        """
        return cls(**{**found, 'kinds': tuple(found.get('kinds', KINDS))})


@dataclass(frozen=True)
class Subject:
    """A person of the corpus: a face and a voice."""

    identity: Identity
    voice: Voice


@dataclass(frozen=True)
class Trial:
    """One annotated person of one video.

    Args:
        name: of annotation and face folder; a video of two people adds `_left` or `_right`.
        subject: who it is.
        index: number of the trial, which seeds its random numbers.
        extra_rows: annotation rows beside one a frame: -1, 0 or 1.
        invalid: (start, stop) frames annotated -5.
        lost: (start, stop) frames without a face crop.
    """

    name: str
    subject: str
    index: int
    extra_rows: int
    invalid: tuple[tuple[int, int], ...]
    lost: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Video:
    """One video file with its one or two trials.

    Args:
        path: under the corpus, such as `batch1/p01_1.mp4`.
        split: `TRAIN`, `VALIDATION` or `TEST`.
        num_frames: at `FPS`.
        has_sound: False for a file without a sound track.
        spans: when which modality is weak.
        trials: from left to right.
    """

    path: str
    split: str
    num_frames: int
    has_sound: bool
    spans: tuple[Span, ...]
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Plan:
    """A whole demo corpus before it is made."""

    settings: Settings
    subjects: dict[str, Subject]
    videos: tuple[Video, ...]

    def as_dict(self, complete: bool) -> dict:
        """The content of `demo.json`.

        Args:
            complete: whether every file has been written.
        """
        return {
            'format': FORMAT,
            'about': 'synthetic demo corpus of mmaffect; a CCC on it is no accuracy on people',
            'complete': complete,
            'settings': asdict(self.settings),
            'fps': FPS,
            'subjects': {name: asdict(subject) for name, subject in self.subjects.items()},
            'videos': [asdict(video) for video in self.videos],
        }


def draw_plan(settings: Settings) -> Plan:
    """The plan that these settings decide.

    Args:
        settings: checked arguments.
    """
    members = _members(settings.counts)
    subjects = {
        name: _draw_subject(np.random.default_rng([settings.seed, 1, index]))
        for index, name in enumerate(dict.fromkeys(subject for _, _, subject in members))
    }
    train = [name for name, split, _ in members if split == TRAIN]
    validation = [name for name, split, _ in members if split == VALIDATION]
    # Every special case has a trial of its own, so that one can be looked at without the others.
    single = [name for name in train if not name.endswith(('_left', '_right'))]
    short, silent, longer, shorter = single[3], single[2], single[0], validation[-1]
    invalid = {single[1], 'p02_1_right', validation[0]}
    containers = {single[1]: 'avi', validation[0]: 'mkv'}
    videos: dict[str, list[Trial]] = {}
    facts: dict[str, tuple[str, int, bool, tuple[Span, ...]]] = {}
    for index, (name, _, subject) in enumerate(members):
        rng = np.random.default_rng([settings.seed, 2, index])
        stem = name.removesuffix('_left').removesuffix('_right')
        if stem not in videos:
            seconds = _SHORT_SECONDS if name == short else settings.seconds * rng.uniform(0.75, 1.25)
            num_frames = round(seconds * FPS)
            spans = draw_spans(rng, num_frames, settings.weak, name != silent, settings.kinds)
            path = f'batch{1 + len(videos) % 2}/{stem}.{containers.get(name, "mp4")}'
            facts[stem] = (path, num_frames, name != silent, spans)
        num_frames = facts[stem][1]
        trial = Trial(
            name=name,
            subject=subject,
            index=index,
            extra_rows={longer: 1, shorter: -1}.get(name, 0),
            invalid=_draw_runs(rng, num_frames, 1, (10, 26)) if name in invalid else (),
            lost=() if name == short else _draw_runs(rng, num_frames, int(rng.integers(1, 4)), (2, 13)),
        )
        videos.setdefault(stem, []).append(trial)
    splits = {name.removesuffix('_left').removesuffix('_right'): split for name, split, _ in members}
    made = tuple(
        Video(path, splits[stem], num_frames, has_sound, spans, tuple(videos[stem]))
        for stem, (path, num_frames, has_sound, spans) in facts.items()
    )
    return Plan(settings, subjects, made)


def _members(counts: Mapping[str, int]) -> list[tuple[str, str, str]]:
    """Name, split and subject of every trial, in the order of their names, which keeps a person's trials together."""
    members, person = [], 0
    for split, count in counts.items():
        done, turn = 0, 0
        if split == TRAIN:
            # Two people share the video p02_1; its left one has no other trial.
            members += [('p01_1', split, 'p01'), ('p02_1_left', split, 'p02'), ('p02_1_right', split, 'p03')]
            person, done, turn = 3, 3, 1
        while done < count:
            person += 1
            take = min(_TRIALS_PER_SUBJECT[turn % len(_TRIALS_PER_SUBJECT)], count - done)
            members += [(f'p{person:02d}_{number}', split, f'p{person:02d}') for number in range(1, take + 1)]
            done, turn = done + take, turn + 1
    return members


def _draw_subject(rng: np.random.Generator) -> Subject:
    return Subject(draw_identity(rng), draw_voice(rng))


def _draw_runs(
    rng: np.random.Generator, num_frames: int, count: int, length: tuple[int, int]
) -> tuple[tuple[int, int], ...]:
    starts = np.sort(rng.integers(5, num_frames - length[1] - 5, count))
    return tuple((int(start), int(start + rng.integers(*length))) for start in starts)
