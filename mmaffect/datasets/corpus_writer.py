"""Writing the prepared corpus (see :mod:`mmaffect.datasets.corpus`)."""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..errors import CorpusError
from ..media.log_mel import FrontEnd
from ..utils.files import write_array, write_items, write_text
from .conditions import encode_conditions, ordered_words
from .corpus import FORMAT_VERSION, FRAME_RECORD, SPLITS, Split, TrialInfo, check_trial_name

FOLDERS = ('faces', 'logmel', 'waveform', 'frames', 'conditions', 'index', 'index/.broken', 'detections')
# As utils.files.replacing names them.
TEMPORARY = re.compile(r'\.(.+)\.\d+\.tmp\.\w+')


class CorpusWriter:
    """Writes a prepared corpus trial by trial; a killed run continues with the trials that are not there yet.

    Args:
        root: folder, made if needed.
        name: name of the corpus, shown in reports.
        front_end: audio front end of all its trials.
        face_size: side of the square face images, pixels.
        synthetic: whether the people in it are made up; reports then say that CCC is no accuracy on people.
        waveform_rate: Hz of the waveforms that are kept too; ``None``: none are.

    Raises:
        CorpusError: if the folder holds a corpus that was prepared with other settings.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        name: str,
        front_end: FrontEnd,
        face_size: int = 48,
        synthetic: bool = False,
        waveform_rate: int | None = None,
    ) -> None:
        self.root = Path(root)
        self.front_end = front_end
        self.face_size = face_size
        self.waveform_rate = waveform_rate
        self.settings = {
            'version': FORMAT_VERSION,
            'name': name,
            'synthetic': synthetic,
            'face_size': face_size,
            'front_end': asdict(front_end),
            'waveform_rate': waveform_rate,
        }
        for kind in ('faces', 'logmel', 'frames', 'index'):
            (self.root / kind).mkdir(parents=True, exist_ok=True)
        path = self.root / 'index' / '.settings.json'
        if path.is_file():
            found = _read_json(path)
            for key, value in self.settings.items():
                if found.get(key) != value:
                    old, new = (v.get('name', v) if isinstance(v, dict) else v for v in (found.get(key), value))
                    raise CorpusError(
                        f'{self.root}: holds a corpus prepared with {key} = {old!r}, not {new!r}'
                        f'{" as it is now" if old == new else ""}; give another folder or delete this one'
                    )
        else:
            write_text(path, json.dumps(self.settings, indent=1))

    def entry(self, trial: str) -> dict | None:
        """Return the finished trial's entry, or ``None`` if the trial has to be prepared."""
        path = self.root / 'index' / f'{check_trial_name(trial)}.json'
        try:
            return _read_json(path)
        except (FileNotFoundError, CorpusError):
            # A power cut may leave an empty file; its trial is then prepared again.
            return None

    def rename_subject(self, trial: str, subject: str | None) -> None:
        """Note who is in a finished trial, whose arrays stay as they are; ``None`` if that is not known."""
        entry = self.entry(trial)
        entry['info']['subject'] = subject
        write_text(self.root / 'index' / f'{trial}.json', json.dumps(entry))

    def discard(self, trial: str) -> None:
        """Remove a trial's entry, so that it counts as not prepared while its arrays are replaced."""
        (self.root / 'index' / f'{check_trial_name(trial)}.json').unlink(missing_ok=True)

    def sweep(self, trials: Collection[str] | None = None) -> None:
        """Delete the hidden temporary files that a killed run left.

        Args:
            trials: only those of these trials, since another run may be at work on others; ``None``: all.
        """
        for folder in (self.root, *(self.root / name for name in FOLDERS)):
            for path in folder.glob('.*.tmp.*'):
                match = TEMPORARY.fullmatch(path.name)
                if match and (trials is None or match[1] in trials):
                    path.unlink(missing_ok=True)

    def write_trial(
        self,
        trial: str,
        *,
        video: str,
        split: Split,
        faces: np.ndarray | Iterable[np.ndarray],
        logmel: np.ndarray | None,
        timestamps: np.ndarray,
        targets: np.ndarray,
        valid: np.ndarray,
        face_present: np.ndarray,
        waveform: np.ndarray | None = None,
        subject: str | None = None,
        conditions: Sequence[str] | None = None,
        notes: Mapping[str, object] | None = None,
    ) -> dict:
        """Write one trial; arguments as in :class:`Trial`, ``logmel=None`` without sound.

        Args:
            faces: the array, or its images one at a time, so that those of an hour need not be in memory.
            waveform: ``(N,)`` int16 at ``waveform_rate``, or ``None``.
            subject: the person, where it is known.
            conditions: a word for each frame, or ``None`` where they are not known.
            notes: facts for the summary of the preparation, kept with the trial's entry.

        Returns:
            The entry.

        Raises:
            CorpusError: if ``trial`` cannot be a file name, or there are too many different conditions.
            ValueError: if the lengths of the arrays differ.
            OSError: if the files cannot be written; nothing half-written stays.
        """
        check_trial_name(trial)
        whole = isinstance(faces, np.ndarray)
        count = len(faces) if whole else len(timestamps)
        frames = np.zeros(count, FRAME_RECORD)
        for field, values in (
            ('timestamp', timestamps),
            ('target', targets),
            ('valid', valid),
            ('face_present', face_present),
        ):
            if len(values) != count:
                raise ValueError(f'trial {trial}: {len(values)} values of {field} for {count} faces')
            frames[field] = values
        frames['target'][~frames['valid']] = np.nan

        arrays = {'faces': faces, 'frames': frames} if whole else {'frames': frames}
        if logmel is not None:
            arrays['logmel'] = logmel
        if waveform is not None:
            arrays['waveform'] = waveform
        words = None
        if conditions is not None:
            if len(conditions) != count:
                raise ValueError(f'trial {trial}: {len(conditions)} values of condition for {count} faces')
            arrays['conditions'], words = encode_conditions(conditions)
        written = {}
        if not whole:
            shape = (count, self.face_size, self.face_size, 3)
            written['faces'] = write_items(self.root / 'faces' / f'{trial}.npy', faces, shape, np.dtype(np.uint8))
        written |= {kind: write_array(self.root / kind / f'{trial}.npy', array) for kind, array in arrays.items()}
        length = float(timestamps[-1] - timestamps[0]) if len(timestamps) > 1 else 0.0
        info = TrialInfo(
            name=trial,
            video=video,
            split=split,
            num_frames=count,
            num_rows=0 if logmel is None else len(logmel),
            fps=(len(timestamps) - 1) / length if length > 0 else 0.0,
            has_audio=logmel is not None,
            faces_present=int(frames['face_present'].sum()),
            valid_frames=int(frames['valid'].sum()),
            bytes={kind: size for kind, (size, _) in written.items()},
            checksum={kind: digest for kind, (_, digest) in written.items()},
            subject=subject,
            conditions=words,
        )
        if words is None:
            (self.root / 'conditions' / f'{trial}.npy').unlink(missing_ok=True)
        sound = np.zeros(0) if logmel is None else logmel.astype(np.float64)
        entry = {
            # What a corpus without conditions holds is what it held before there were any.
            'info': {key: value for key, value in asdict(info).items() if key != 'conditions' or value is not None},
            'audio': {'count': sound.size, 'sum': float(sound.sum()), 'squares': float(np.square(sound).sum())},
            'notes': dict(notes or {}),
        }
        write_text(self.root / 'index' / f'{trial}.json', json.dumps(entry))
        return entry

    def finish(self, trials: list[str], notes: Mapping[str, object] | None = None) -> None:
        """Write ``corpus.json`` for the given trials, all of them finished.

        Mean and standard deviation of the log-mel values are those of the training trials (of all, if there are none).

        Args:
            trials: their names.
            notes: facts about how the corpus was made, kept in ``corpus.json``.

        Raises:
            CorpusError: if a trial is not finished, or there are too many different conditions.
        """
        entries = [self.entry(trial) for trial in trials]
        if None in entries:
            raise CorpusError(f'{self.root}: trial {trials[entries.index(None)]!r} is not prepared yet')
        infos = [entry['info'] for entry in entries]
        ordered_words(word for info in infos for word in info.get('conditions') or ())
        order = sorted(range(len(infos)), key=lambda i: (SPLITS.index(infos[i]['split']), infos[i]['name']))
        sums = [entry['audio'] for entry in entries if entry['info']['split'] == 'train']
        if not any(part['count'] for part in sums):
            sums = [entry['audio'] for entry in entries]
        count = sum(part['count'] for part in sums)
        mean = sum(part['sum'] for part in sums) / count if count else 0.0
        variance = sum(part['squares'] for part in sums) / count - mean**2 if count else 1.0
        settings = dict(self.settings)
        index = {
            **{key: settings[key] for key in ('version', 'name', 'synthetic', 'face_size', 'waveform_rate')},
            'audio': {'front_end': settings['front_end'], 'mean': mean, 'std': max(variance, 1e-12) ** 0.5},
            'trials': [infos[i] for i in order],
        }
        if notes:
            index['notes'] = dict(notes)
        write_text(self.root / 'corpus.json', json.dumps(index, indent=1))


def _read_json(path: Path) -> dict:
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise CorpusError(f'{path}: damaged ({error}); delete it and prepare the corpus again') from None
    if not isinstance(found, dict):
        raise CorpusError(f'{path}: damaged (not a table); delete it and prepare the corpus again')
    return found
