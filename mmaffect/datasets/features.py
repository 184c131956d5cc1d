"""Arrays beside the prepared corpus, one ``.npy`` a trial: cached features, our own or of others, and face masks.

::

    <corpus>/features/<name>/<trial>.npy       float16, float32 or float64 (T, d)
    <corpus>/features/<name>/features.json     where they come from (only with those of tools/extract_features.py)
    <corpus>/masks/<name>/<trial>.npy          uint8 (T, S, S)
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePath
from tokenize import TokenError

import numpy as np

from ..errors import ConfigError, CorpusError
from ..utils.files import write_array, write_text
from .corpus import check_trial_name

INDEX = 'features.json'


def corpus_folder(corpus: str | Path, kind: str, name: str | Path) -> Path:
    """Folder of a set of arrays that belongs to a corpus.

    Args:
        corpus: folder of the prepared corpus.
        kind: ``'features'`` or ``'masks'``.
        name: name of the set, such as ``'demo/visual'``, a folder under ``<corpus>/<kind>``; or the absolute path of
            any folder.

    Raises:
        ConfigError: if a name leads out of the corpus.

    Examples:
        >>> corpus_folder('data/demo', 'features', 'ir50/visual').as_posix()
        'data/demo/features/ir50/visual'
    """
    if PurePath(name).is_absolute():
        return Path(name)
    if not PurePath(name).parts or '..' in PurePath(name).parts:
        raise ConfigError(f'{kind} {str(name)!r}: expected the name of a folder under {corpus}/{kind}, or a full path')
    return Path(corpus) / kind / name


class TrialArrays:
    """One array a trial, with one row a frame, read by memory map: ``arrays.of(trial, num_frames)``.

    Args:
        folder: holds ``<trial>.npy``.
        max_open: trials whose files stay open.

    Raises:
        CorpusError: if there is no such folder.
    """

    what = 'arrays'
    how = ''

    def __init__(self, folder: str | Path, *, max_open: int = 128) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise CorpusError(f'{self.folder}: no such {self.what}{self.how}')
        self._max_open = max_open
        self._open = lru_cache(maxsize=max_open)(self._load)

    def of(self, trial: str, num_frames: int) -> np.ndarray:
        """Array of a trial.

        Args:
            trial: name of the trial.
            num_frames: its frames, T.

        Returns:
            ``(T, ...)``, as stored.

        Raises:
            CorpusError: if the file is missing or damaged, or its array is not what is expected.
        """
        return self._open(trial, num_frames)

    def check(self, path: Path, array: np.ndarray) -> None:
        """Raise CorpusError if an array, opened for the first time or again, cannot be used."""

    def __getstate__(self) -> dict:
        # Maps do not travel to a worker; it opens its own.
        return {key: value for key, value in self.__dict__.items() if key != '_open'}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._open = lru_cache(maxsize=self._max_open)(self._load)

    def _load(self, trial: str, num_frames: int) -> np.ndarray:
        array = self._read(path := self.folder / f'{check_trial_name(trial)}.npy')
        if len(array) != num_frames:
            raise CorpusError(f'{path}: {self.what} of {len(array)} frames; trial {trial} has {num_frames}')
        return array

    def _read(self, path: Path) -> np.ndarray:
        try:
            array = np.load(path, mmap_mode='c', allow_pickle=False)
        except FileNotFoundError:
            raise CorpusError(f'{path}: missing; the corpus has the trial, these {self.what} do not') from None
        except (ValueError, SyntaxError, OSError, EOFError, TokenError) as error:
            raise CorpusError(f'{path}: not a .npy file ({error})') from None
        self.check(path, array)
        return array


def feature_files(folder: Path) -> Iterator[Path]:
    """Arrays of a folder, without those that are being written, or were when a run was killed."""
    return folder.glob('[!.]*.npy')


class Features(TrialArrays):
    """Features of the trials of a corpus: ``(T, d)`` floating-point, all finite, of one width."""

    what = 'features'
    how = '; extract them with "python tools/extract_features.py CONFIG CHECKPOINT CORPUS --name NAME"'

    def __init__(self, folder: str | Path, *, max_open: int = 128) -> None:
        super().__init__(folder, max_open=max_open)
        self._seen: set[Path] = set()
        self._channels: int | None = None

    def channels(self) -> int:
        """Length d of a feature.

        Raises:
            CorpusError: if there are no features, or the first file holds none.
        """
        first = min(feature_files(self.folder), default=None)
        if first is None:
            raise CorpusError(f'{self.folder}: holds no .npy files')
        return self._read(first).shape[1]

    def check(self, path: Path, array: np.ndarray) -> None:
        """Raise CorpusError unless it is ``(T, d)``, floating-point, finite and as wide as those before."""
        if array.ndim != 2 or array.dtype not in (np.float16, np.float32, np.float64):
            raise CorpusError(f'{path}: {array.dtype} {array.shape}; expected floating-point features (T, d)')
        if self._channels not in (None, array.shape[1]):
            raise CorpusError(f'{path}: {array.shape[1]} features a frame, other trials have {self._channels}')
        self._channels = array.shape[1]
        # Reads the whole file, hence only once.
        if path not in self._seen and not np.isfinite(array).all():
            raise CorpusError(f'{path}: has values that are not finite')
        self._seen.add(path)


class FaceMasks(TrialArrays):
    """Drawn landmarks of the faces of a corpus, ``(T, S, S)`` uint8."""

    what = 'masks'
    how = '; expected one uint8 array (T, S, S) a trial'

    def check(self, path: Path, array: np.ndarray) -> None:
        """Raise CorpusError unless it is ``(T, S, S)`` uint8."""
        if array.ndim != 3 or array.dtype != np.uint8 or array.shape[1] != array.shape[2]:
            raise CorpusError(f'{path}: {array.dtype} {array.shape}; expected uint8 masks (T, S, S)')


class FeatureWriter:
    """Writes the features of a corpus trial by trial; a killed run continues with the trials that are not there yet.

    Args:
        folder: made if needed.
        source: what the features come from: config, checkpoint and so on, stored in ``features.json``.

    Raises:
        CorpusError: if the folder holds features of another source.
    """

    def __init__(self, folder: str | Path, source: dict[str, object]) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / INDEX
        if path.is_file():
            try:
                found = json.loads(path.read_text(encoding='utf-8'))
            except ValueError:
                found = {}
            found = found if isinstance(found, dict) else {}
            different = [key for key, value in source.items() if found.get(key) != value]
            if different:
                raise CorpusError(
                    f'{self.folder}: holds features with {different[0]} = {found.get(different[0])!r}, not '
                    f'{source[different[0]]!r}; give another name or delete the folder'
                )
        elif any(feature_files(self.folder)):
            raise CorpusError(f'{self.folder}: holds features that others made; give another name')
        else:
            write_text(path, json.dumps(source, indent=1))

    def done(self, trial: str) -> bool:
        """Whether a trial is written."""
        return (self.folder / f'{check_trial_name(trial)}.npy').is_file()

    def write(self, trial: str, features: np.ndarray) -> None:
        """Write ``(T, d)`` features.

        Raises:
            CorpusError: if a value is not finite.
            OSError: if the file cannot be written; nothing half-written stays.
        """
        if not np.isfinite(features).all():
            raise CorpusError(f'{trial}: the features have values that are not finite; was the checkpoint trained?')
        write_array(self.folder / f'{check_trial_name(trial)}.npy', features)
