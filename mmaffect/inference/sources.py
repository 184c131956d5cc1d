"""Recordings of whatever names them: a path, a folder, an address, arrays."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from ..errors import MediaError
from ..media.container import regular_file
from ..utils.download import fetch, file_name, is_url
from .recording import ArrayRecording, FileRecording, Recording, safe_name

SUFFIXES = (
    *('.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi', '.mpg', '.mpeg', '.ts', '.mts', '.m2ts'),
    *('.wmv', '.asf', '.flv', '.mxf', '.ogv', '.3gp', '.dv'),
    *('.wav', '.mp3', '.m4a', '.aac', '.flac', '.ogg', '.oga', '.opus', '.aif', '.aiff', '.caf', '.wma', '.amr'),
)

Source = str | Path | Recording | Mapping | tuple


def open_recording(source: Source) -> list[Recording]:
    """What a source holds.

    Args:
        source: path of a video or sound file; of a folder, of which all media files (known by their suffix) are taken,
            also those in its folders, in the order of their paths, without hidden ones; ``http://`` or ``https://``
            address of a file, which is kept in the cache; ``(frames, sound)`` arrays of 25 frames a second and 16 kHz,
            or a dict with the arguments of :class:`ArrayRecording`; or a :class:`Recording`.

    Returns:
        Recordings of different names. Their files are opened when they are used.

    Raises:
        MediaError: if a folder has no media file, or a source is none of these.
        DownloadError: if an address cannot be fetched.
        FileNotFoundError, PermissionError: as the system says.
    """
    if isinstance(source, Recording):
        return [source]
    try:
        if isinstance(source, Mapping):
            return [ArrayRecording(**source)]
        if isinstance(source, tuple):
            frames, sound = source
            return [ArrayRecording(frames, sound=sound)]
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, MediaError):
            raise
        raise MediaError(f'input: {error}; expected (frames, sound) or arguments of ArrayRecording') from None
    if not isinstance(source, (str, Path)):
        raise MediaError(f'input is a {type(source).__name__}; expected a path, an address, arrays or a Recording')
    if isinstance(source, str) and '://' in source:
        if not is_url(source):
            return [FileRecording(fetch(source))]
        name = safe_name(Path(file_name(source.partition('#')[0])).stem)
        return [FileRecording(fetch(source), name, _without_secrets(source))]
    path = Path(source).expanduser()
    if not path.is_dir():
        return [FileRecording(regular_file(path))]
    found = [one for one in sorted(path.rglob('*')) if _is_media(one, path)]
    if not found:
        raise MediaError(f'{path}: no media file in this folder ({", ".join(sorted(SUFFIXES))})')
    return unique_names([FileRecording(one) for one in found])


def unique_names(recordings: Iterable[Recording]) -> list[Recording]:
    """Give recordings of one name different ones.

    Files of different folders get those in front, ``anna_clip`` and ``ben_clip``, others numbers: ``clip``, ``clip_2``.
    """
    recordings, taken = list(recordings), set()
    same = defaultdict(list)
    for recording in recordings:
        same[recording.name.casefold()].append(recording)
    for group in same.values():
        _name_by_folders(group)
    for recording in recordings:
        name, number = recording.name, 2
        # File systems may not tell upper from lower case.
        while recording.name.casefold() in taken:
            recording.name, number = f'{name}_{number}', number + 1
        taken.add(recording.name.casefold())
    return recordings


def without_repeats(recordings: Iterable[Recording]) -> list[Recording]:
    """The recordings without files that came before, in whatever way they were named."""
    found = {}
    for recording in recordings:
        found.setdefault(id(recording) if recording.path is None else recording.path.resolve(), recording)
    return list(found.values())


def _name_by_folders(group: list[Recording]) -> None:
    if len(group) == 1 or any(one.path is None or safe_name(one.path.stem) != one.name for one in group):
        return
    folders = [one.path.resolve().parent.parts[1:] for one in group]
    for depth in range(1, max(map(len, folders)) + 1):
        names = [safe_name('_'.join((*parts[-depth:], one.name))) for parts, one in zip(folders, group, strict=True)]
        if len({name.casefold() for name in names}) == len(group):
            for one, name in zip(group, names, strict=True):
                one.name = name
            return


def _without_secrets(url: str) -> str:
    """An address that can be told: a query or a user may hold a key."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition('@')[2], parts.path, '', ''))


def _is_media(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith('.') for part in path.relative_to(folder).parts)
    return not hidden and path.suffix.lower() in SUFFIXES and path.is_file()
