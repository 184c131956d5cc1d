"""The condition of every frame: a word that says how well audio and picture go together in it."""

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np

from ..errors import AnnotationError, CorpusError
from ..structures.conditions import NORMAL

WORD = re.compile(r'[A-Za-z][A-Za-z0-9_]{0,31}')
EXPECTED = "one word a frame, such as 'normal' or 'silence': a letter, then at most 31 letters, digits or '_'"
# Of the codes, which are uint8.
MAX_WORDS = 256
# Twenty hours of video, at the longest words.
MAX_BYTES = 1 << 26
FOLDER = 'conditions'


def condition_files(raw: str | Path) -> dict[str, Path]:
    """By trial, the files ``conditions/<trial>.txt`` of a raw corpus."""
    return {path.stem: path for path in sorted(Path(raw, FOLDER).glob('[!.]*.txt'))}


def read_conditions(path: str | Path, lengths: Collection[int] | None = None) -> list[str]:
    """Read the condition of every frame of a trial.

    A byte order mark, line ends of any system, spaces around a word and blank lines at the end are of no consequence.

    Args:
        path: text file with one word a line.
        lengths: numbers of lines that fit the trial; ``None``: any.

    Returns:
        The words, at least one.

    Raises:
        AnnotationError: if the file is anything else; names file, line, what was found and what is expected.
        OSError: it cannot be read.
    """
    with open(path, 'rb') as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise AnnotationError(f'{path}: more than {MAX_BYTES >> 20} MiB; expected {EXPECTED}')
    try:
        words = [line.strip() for line in data.decode('utf-8-sig').rstrip().splitlines()]
    except UnicodeDecodeError as error:
        line = data.count(b'\n', 0, error.start) + 1
        raise AnnotationError(f'{path}, line {line}: not UTF-8 text; expected {EXPECTED}') from None
    if not words:
        raise AnnotationError(f'{path}, line 1: found an empty file; expected {EXPECTED}')
    if wrong := {word for word in set(words) if not WORD.fullmatch(word)}:
        line = next(number for number, word in enumerate(words, 1) if word in wrong)
        raise AnnotationError(f'{path}, line {line}: found {words[line - 1][:60]!r}; expected {EXPECTED}')
    if lengths is not None and len(words) not in lengths:
        expected = ' or '.join(str(length) for length in sorted(set(lengths)))
        raise AnnotationError(
            f'{path}: {len(words)} lines; expected {expected}, one for each frame of its video or row of its annotation'
        )
    return words


def fit_conditions(words: Sequence[str], num_frames: int) -> list[str]:
    """Cut words, or repeat the last.

    Args:
        words: one a frame, at least one.
        num_frames: length of the result.

    Examples:
        >>> fit_conditions(['normal', 'noise'], 3)
        ['normal', 'noise', 'noise']
    """
    return [*words[:num_frames], *[words[-1]] * (num_frames - len(words))]


def ordered_words(words: Iterable[str]) -> tuple[str, ...]:
    """Each word once: ``'normal'`` first, the others in lexicographic order.

    Raises:
        CorpusError: if there are more than codes.

    Examples:
        >>> ordered_words(['silence', 'normal', 'noise', 'silence'])
        ('normal', 'noise', 'silence')
    """
    found = tuple(sorted(set(words), key=lambda word: (word != NORMAL, word)))
    if len(found) > MAX_WORDS:
        raise CorpusError(f'{len(found)} different conditions, as {found[0]!r} and {found[-1]!r}; expected {MAX_WORDS}')
    return found


def encode_conditions(words: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers for words.

    Returns:
        ``(T,)`` uint8, codes; and the words that they stand for, see :func:`ordered_words`.

    Raises:
        CorpusError: if there are more different words than codes.

    Examples:
        >>> encode_conditions(['silence', 'normal', 'silence'])
        (array([1, 0, 1], dtype=uint8), ('normal', 'silence'))
    """
    names = ordered_words(words)
    codes = {name: code for code, name in enumerate(names)}
    return np.array([codes[word] for word in words], np.uint8), names
