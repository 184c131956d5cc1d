"""The prepared corpus: plain arrays on disk that training opens by memory map.

::

    <root>/corpus.json             version, audio front end, face size, trials (written last)
    <root>/faces/<trial>.npy       uint8 (T, S, S, 3), RGB
    <root>/logmel/<trial>.npy      float16 (T_mel, n_mels); absent where the trial has no sound
    <root>/waveform/<trial>.npy    int16 (N,), mono; only where the corpus was prepared with it
    <root>/frames/<trial>.npy      T records: timestamp, target, valid, face_present
    <root>/conditions/<trial>.npy  uint8 (T,), codes of the frames' conditions; only where the raw corpus tells them
    <root>/index/<trial>.json      the trial's entry, written when its arrays are complete
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from tokenize import TokenError
from typing import Literal

import numpy as np

from ..errors import CorpusError
from ..media.log_mel import FrontEnd
from ..utils.files import sha256
from .conditions import ordered_words

FORMAT_VERSION = 1
Split = Literal['train', 'val', 'test']
SPLITS = ('train', 'val', 'test')

FRAME_RECORD = np.dtype(
    [('timestamp', 'f8'), ('target', 'f4', (2,)), ('valid', '?'), ('face_present', '?')],
)


@dataclass(frozen=True)
class TrialInfo:
    """A trial's entry in ``corpus.json``.

    Attributes:
        name: the trial, as the annotation file is named.
        video: its video, by file name or, where subfolders tell videos apart, by path in their folder.
        split: ``'train'``, ``'val'`` or ``'test'``.
        num_frames: number of frames, T.
        num_rows: rows of the log-mel spectrogram; 0 without sound.
        fps: mean frames a second, for information only: time is ``timestamps``.
        has_audio: whether the video has a sound track.
        faces_present: frames that have a face image.
        valid_frames: frames with a valid annotation.
        bytes: size of each array file.
        checksum: SHA-256 of each array file.
        subject: the person, where it is known; not in corpora that were prepared before it was kept.
        conditions: words of the codes of its frames' conditions, ``'normal'`` first; ``None`` where they are not known.
    """

    name: str
    video: str
    split: Split
    num_frames: int
    num_rows: int
    fps: float
    has_audio: bool
    faces_present: int
    valid_frames: int
    bytes: Mapping[str, int]
    checksum: Mapping[str, str]
    subject: str | None = None
    conditions: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Trial:
    """One trial, its arrays memory-mapped.

    Attributes:
        info: the entry in ``corpus.json``.
        faces: ``(T, S, S, 3)`` uint8, RGB; black where no face was found.
        logmel: ``(T_mel, n_mels)`` float16; ``(0, n_mels)`` without sound.
        waveform: ``(N,)`` int16, full scale 32768; ``(0,)`` without sound or where it was not kept.
        timestamps: ``(T,)`` float64, presentation time, seconds.
        targets: ``(T, 2)`` float32, valence and arousal in [-1, 1], NaN where invalid.
        valid: ``(T,)`` bool.
        face_present: ``(T,)`` bool.
        conditions: ``(T,)`` uint8, codes of ``info.conditions``; ``(0,)`` where they are not known.
    """

    info: TrialInfo
    faces: np.ndarray
    logmel: np.ndarray
    waveform: np.ndarray
    timestamps: np.ndarray
    targets: np.ndarray
    valid: np.ndarray
    face_present: np.ndarray
    conditions: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))


def check_trial_name(name: str) -> str:
    """Return ``name`` if it can name a file inside the corpus and nothing outside it.

    Raises:
        CorpusError: if it is empty, hidden, or holds a separator, a control character or bytes that are no text.

    Examples:
        >>> check_trial_name('10-60-1280x720_right')
        '10-60-1280x720_right'
    """
    if not name or name.startswith('.') or any(c in '/\\:' or ord(c) < 32 or '\ud800' <= c <= '\udfff' for c in name):
        raise CorpusError(f'{name!r} cannot name a trial: expected a file name without separators')
    return name


class Corpus(Mapping[str, Trial]):
    """A prepared corpus, read by memory map: ``corpus[trial]`` costs no decoding and no copy.

    Args:
        root: folder that holds ``corpus.json``.
        max_open: trials whose files stay open; bounds file handles, since every map holds one.

    Raises:
        CorpusError: if the folder, its index or its format version is not what is expected; and on access, if an
            array file is missing, cut, or leads out of the folder.
    """

    def __init__(self, root: str | Path, *, max_open: int = 128) -> None:
        self.root = Path(root)
        path = self.root / 'corpus.json'
        if not path.is_file():
            raise CorpusError(_missing(self.root))
        try:
            index = json.loads(path.read_text(encoding='utf-8'))
            version = index['version']
        except (ValueError, KeyError, TypeError) as error:
            raise CorpusError(f'{path}: not an index of a corpus ({error}); prepare the corpus again') from None
        if version != FORMAT_VERSION:
            raise CorpusError(
                f'{path}: format version {version!r}, this mmaffect reads version {FORMAT_VERSION}; '
                'prepare the corpus again'
            )
        try:
            self.name: str = index['name']
            self.synthetic: bool = index['synthetic']
            self.face_size: int = index['face_size']
            self.front_end = FrontEnd(**index['audio']['front_end'])
            self.audio_mean = float(index['audio']['mean'])
            self.audio_std = float(index['audio']['std'])
            self.waveform_rate: int | None = index.get('waveform_rate')
            infos = [_info(entry) for entry in index['trials']]
            self.conditions = ordered_words(word for info in infos for word in info.conditions or ())
        except (KeyError, TypeError, ValueError) as error:
            raise CorpusError(f'{path}: damaged index ({error}); prepare the corpus again') from None
        self._infos = {check_trial_name(info.name): info for info in infos}
        if len(self._infos) != len(infos):
            raise CorpusError(f'{path}: a trial is listed twice')
        for info in infos:
            if info.split not in SPLITS:
                raise CorpusError(f'{path}: trial {info.name} is in split {info.split!r}; expected {", ".join(SPLITS)}')
            if not isinstance(info.subject, str | None):
                raise CorpusError(f'{path}: trial {info.name} has subject {info.subject!r}; expected a name, or null')
        self._max_open = max_open
        self._open = lru_cache(maxsize=max_open)(self._load)

    @property
    def trials(self) -> list[str]:
        """Names of all trials: training, validation, test, each in lexicographic order."""
        return list(self._infos)

    def info(self, trial: str) -> TrialInfo:
        """Return a trial's entry without opening its arrays.

        Raises:
            CorpusError: if there is no such trial.
        """
        if trial not in self._infos:
            raise CorpusError(f'{self.root}: no trial {trial!r}')
        return self._infos[trial]

    def split(self, split: Split) -> list[str]:
        """Names of the trials of a split, in lexicographic order."""
        return [name for name, info in self._infos.items() if info.split == split]

    @cached_property
    def videos(self) -> dict[str, tuple[str]]:
        """By trial, its video."""
        return {name: (info.video,) for name, info in self._infos.items()}

    @cached_property
    def people(self) -> dict[str, frozenset[str]]:
        """By trial, who is in it: everybody known of its video, since the sound holds all their voices.

        Once anybody is known, a video without a known person counts as a person of its own, so that its trials stay
        together.
        """
        found: dict[str, set[str]] = {}
        for info in self._infos.values():
            found.setdefault(info.video, set()).update([info.subject] if info.subject else ())
        if any(found.values()):
            found = {video: who or {f'somebody of {video}'} for video, who in found.items()}
        return {name: frozenset(found[info.video]) for name, info in self._infos.items()}

    def __getitem__(self, trial: str) -> Trial:
        return self._open(trial)

    def __iter__(self):
        return iter(self._infos)

    def __len__(self) -> int:
        return len(self._infos)

    def __getstate__(self) -> dict:
        # Maps do not travel to a worker; it opens its own.
        return {key: value for key, value in self.__dict__.items() if key != '_open'}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._open = lru_cache(maxsize=self._max_open)(self._load)

    def verify(self, trial: str) -> None:
        """Compare a trial's files with their checksums.

        Raises:
            CorpusError: if a file was changed.
        """
        info = self.info(trial)
        for kind, expected in info.checksum.items():
            path = self._path(kind, info)
            if sha256(path) != expected:
                raise CorpusError(f'{path}: was changed since it was prepared (SHA-256 differs from corpus.json)')

    def _path(self, kind: str, info: TrialInfo) -> Path:
        path = self.root / kind / f'{info.name}.npy'
        try:
            size = path.stat().st_size
        except OSError as error:
            raise CorpusError(f'{path}: {error.strerror}; corpus.json lists it') from None
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise CorpusError(f'{path}: leads out of the corpus, to {path.resolve()}')
        if size != info.bytes.get(kind):
            raise CorpusError(f'{path}: {size} bytes, corpus.json expects {info.bytes.get(kind)}')
        return path

    def _map(self, kind: str, info: TrialInfo, dtype: np.dtype, shape: tuple[int, ...] | None = None) -> np.ndarray:
        path = self._path(kind, info)
        try:
            # Copy-on-write: torch warns about read-only arrays, and a stray write must not reach the file.
            array = np.load(path, mmap_mode='c', allow_pickle=False)
        except (ValueError, SyntaxError, OSError, TokenError) as error:
            # NumPy parses a damaged header as Python.
            raise CorpusError(f'{path}: not a .npy file ({error})') from None
        # The index does not know the length of a waveform, only its bytes.
        if array.dtype != dtype or (array.ndim != 1 if shape is None else array.shape != shape):
            raise CorpusError(f'{path}: {array.dtype} {array.shape}, corpus.json expects {dtype} {shape or "(N,)"}')
        return array

    def _load(self, trial: str) -> Trial:
        info = self.info(trial)
        size = self.face_size
        frames = self._map('frames', info, FRAME_RECORD, (info.num_frames,))
        bands = self.front_end.n_mels
        return Trial(
            info=info,
            faces=self._map('faces', info, np.dtype('u1'), (info.num_frames, size, size, 3)),
            logmel=self._map('logmel', info, np.dtype('f2'), (info.num_rows, bands))
            if info.has_audio
            else np.zeros((0, bands), np.float16),
            waveform=self._map('waveform', info, np.dtype('i2')) if 'waveform' in info.bytes else np.zeros(0, np.int16),
            timestamps=frames['timestamp'],
            targets=frames['target'],
            valid=frames['valid'],
            face_present=frames['face_present'],
            conditions=self._conditions(info),
        )

    def _conditions(self, info: TrialInfo) -> np.ndarray:
        if info.conditions is None:
            return np.zeros(0, np.uint8)
        codes = self._map('conditions', info, np.dtype('u1'), (info.num_frames,))
        if (codes >= len(info.conditions)).any():
            path, count = self._path('conditions', info), len(info.conditions)
            raise CorpusError(f'{path}: code {codes.max()}; corpus.json has {count} conditions')
        return codes


def _info(entry: dict) -> TrialInfo:
    info = TrialInfo(**entry)
    if info.conditions is None:
        return info
    if not isinstance(info.conditions, list) or not all(isinstance(word, str) for word in info.conditions):
        raise TypeError(f'conditions {info.conditions!r} of trial {info.name}')
    return replace(info, conditions=tuple(info.conditions))


def _missing(root: Path) -> str:
    state = 'no corpus.json in it' if root.is_dir() else 'no such folder'
    return (
        f'{root}: {state}. Aff-Wild2 is given to researchers who sign its licence (https://ibug.doc.ic.ac.uk/'
        f'resources/aff-wild2); prepare it with "python tools/dataset/prepare_affwild2.py RAW {root}", or try the '
        'demo corpus with "bash tools/quickstart.sh"'
    )
