"""Checks values of a config against type annotations.

By hand, since the libraries for it (typeguard, pydantic, beartype) take True for a number or refuse a list for a tuple,
a NumPy number, or the dict from which an object is built.
"""

import os
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from enum import Enum
from numbers import Number, Real
from pathlib import PurePath
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import numpy as np

ABSENT = object()
SEQUENCES = (list, tuple, set, frozenset, range)
# Anything else in a config, such as a class or an array, is what its author put there on purpose.
PLAIN = (type(None), bool, np.bool_, str, bytes, Number, Mapping, os.PathLike, *SEQUENCES)
WORDS = {
    bool: 'True or False',
    int: 'an integer',
    float: 'a number',
    np.floating: 'a number with a decimal point',
    str: 'a string',
    type(None): 'None',
}


class Mismatch(NamedTuple):
    """A value that does not fit.

    Attributes:
        where: within what was checked: ``'.1'`` is the second entry of a list; empty for the whole.
        value: that does not fit.
        hint: annotation that it does not fit.
    """

    where: str
    value: object
    hint: object

    def describe(self, default: object = ABSENT) -> str:
        """What was expected, with the nearest valid value.

        Args:
            default: of the argument, named where no value is near, unless it is ``None``.
        """
        names = [one for one in _literals(self.hint) if isinstance(one, str)]
        if names and isinstance(self.value, str):
            return unknown(self.value, names, 'value')
        text = f'expected {_expected(self.hint)}'
        near = next((one for one in _candidates(self.value) if mismatch(one, self.hint) is None), ABSENT)
        if near is not ABSENT:
            return f'{text}; did you mean {shorten(near)}?'
        return text if default in (None, ABSENT) or self.where else f'{text}; the default is {shorten(default)}'


def mismatch(value: object, hint: object, lenient: bool = False, where: str = '') -> Mismatch | None:
    """Compare a value of a config with an annotation.

    A list serves for a tuple, an integer for a float, a mapping for an object that is built from it. Only annotations
    that are understood are judged.

    Args:
        value: of the config.
        hint: annotation, resolved by :func:`typing.get_type_hints`.
        lenient: for annotations of others: 1e5 is an integer too, and a function may be given by its name.
        where: of the value within the whole.

    Examples:
        >>> mismatch([2, 3], tuple[int, int]) is None
        True
        >>> mismatch('1e-4', float).describe()
        'expected a number; did you mean 0.0001?'
    """
    hint = _bare(hint)
    options = _options(hint)
    if all(_is_class(one) for one in options if one is not type(None)):
        # Alone, a class says nothing about what its owner makes it from.
        return None if options != [type(None)] or value is None else Mismatch(where, value, hint)
    found = [_mismatch(value, one, lenient, where) for one in options]
    if None in found:
        return None
    deepest = max(found, key=lambda one: len(one.where))
    return deepest if len(deepest.where) > len(where) else Mismatch(where, value, hint)


def unknown(name: str, known: Iterable[str], what: str) -> str:
    """Say that there is no such name, and which one is nearest.

    Examples:
        >>> unknown('Widht', ['width', 'height'], 'key')
        "no such key; did you mean 'width'?"
    """
    known = list(known)
    lower = {one.lower(): one for one in sorted(known, reverse=True)}
    if (near := nearest(name, known)) is not None:
        return f'no such {what}; did you mean {near!r}?'
    if len(lower) <= 12:
        return f'no such {what}; there are {", ".join(sorted(lower.values())) or "none"}'
    some = get_close_matches(name.lower(), lower, n=5, cutoff=0)
    return f'no such {what}; the nearest are {", ".join(lower[one] for one in some)}'


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The name that someone may have meant."""
    lower = {one.lower(): one for one in sorted(known, reverse=True)}
    close = get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
    return lower[close[0]] if close else None


def one_edit_away(name: str, known: Iterable[str]) -> str | None:
    """Which of long names is this one, but for a single letter that is another, too much, missing or out of place.

    Examples:
        >>> one_edit_away('resample', ['resamples', 'prefix'])
        'resamples'
        >>> one_edit_away('layer_1', ['layer_2']) is None
        True
    """
    return next((one for one in known if len(one) >= 5 and _is_one_edit(name, one)), None)


def _is_one_edit(name: str, other: str) -> bool:
    start = _shared(name, other)
    end = _shared(name[start:][::-1], other[start:][::-1])
    left, right = name[start : len(name) - end], other[start : len(other) - end]
    if any(letter.isdigit() for letter in left + right):  # numbered names
        return False
    swapped = len(left) == 2 and left == right[::-1]
    return swapped or max(len(left), len(right)) == 1


def _shared(name: str, other: str) -> int:
    """Number of letters with which both begin."""
    pairs = zip(name, other, strict=False)
    return next((i for i, (one, two) in enumerate(pairs) if one != two), min(len(name), len(other)))


def shorten(value: object) -> str:
    """A value as text of one short line."""
    text = ' '.join(repr(value).split())
    return text if len(text) <= 60 else f'{text[:57]}...'


def _mismatch(value: object, hint: object, lenient: bool, where: str) -> Mismatch | None:
    if not _accepts(value, hint, lenient):
        return Mismatch(where, value, hint)
    inside = _inside(value, hint)
    return next((one for key, child, kind in inside if (one := mismatch(child, kind, lenient, f'{where}.{key}'))), None)


def _accepts(value: object, hint: object, lenient: bool) -> bool:
    kind = get_origin(hint) or hint
    number = isinstance(value, Real) and not isinstance(value, bool)
    if kind is Literal:
        return any(value == one and type(value) is type(one) for one in get_args(hint))
    if kind is type(None):
        return value is None
    if not isinstance(kind, type) or not isinstance(value, PLAIN) or kind is object:
        return True
    if kind is bool:
        return isinstance(value, (bool, np.bool_))
    if kind is int:
        return number and (isinstance(value, (int, np.integer)) or (lenient and float(value).is_integer()))
    if kind is float:
        return number
    if kind is np.floating:
        return isinstance(value, float)
    if kind is str or _is_path(kind):
        return isinstance(value, (str, os.PathLike))
    if issubclass(kind, Mapping):
        return isinstance(value, Mapping)
    if _is_sequence(kind):
        size = _fixed_size(hint)
        return isinstance(value, SEQUENCES) and size in (None, len(value))
    if kind is Callable:
        return isinstance(value, Mapping) or (lenient and isinstance(value, str))
    return isinstance(value, Mapping) or issubclass(kind, (Enum, type)) or _is_instance(value, kind)


def _inside(value: object, hint: object) -> Iterator[tuple[object, object, object]]:
    """Key, value and annotation of what a container holds."""
    arguments = get_args(hint)
    kind = get_origin(hint)
    if not arguments or not isinstance(kind, type):
        return
    if issubclass(kind, Mapping) and len(arguments) == 2 and isinstance(value, Mapping):
        yield from ((key, child, arguments[1]) for key, child in value.items())
    elif _is_sequence(kind) and isinstance(value, SEQUENCES):
        kinds = arguments if _fixed_size(hint) is not None else [arguments[0]] * len(value)
        yield from zip(range(len(value)), value, kinds, strict=True)


def _candidates(value: object) -> Iterator[object]:
    """What someone may have meant who wrote this value."""
    if isinstance(value, str):
        yield from ({'true': True, 'false': False, 'none': None}[one] for one in [value.lower()] if one in _NAMED)
        for kind in (int, float):
            try:
                yield kind(value)
            except ValueError:
                continue
    elif isinstance(value, Real) and not isinstance(value, bool):
        yield from (kind(value) for kind in (int, bool) if np.isfinite(float(value)) and kind(value) == value)
        yield from (float(value), str(value))
    elif isinstance(value, SEQUENCES) and len(value) == 1:
        yield from value
    if not isinstance(value, (*SEQUENCES, Mapping, type(None))):
        yield [value]


_NAMED = ('true', 'false', 'none')


def _bare(hint: object) -> object:
    while get_origin(hint) is Annotated or hasattr(hint, '__supertype__'):
        hint = get_args(hint)[0] if get_origin(hint) is Annotated else hint.__supertype__
    return type(None) if hint is None else hint


def _options(hint: object) -> list[object]:
    if get_origin(hint) not in (Union, types.UnionType):
        return [hint]
    return [option for one in get_args(hint) for option in _options(_bare(one))]


def _literals(hint: object) -> list[object]:
    return [value for one in _options(hint) if get_origin(one) is Literal for value in get_args(one)]


def _is_class(hint: object) -> bool:
    """Whether a value of this annotation is built, and not written into a config."""
    kind = get_origin(hint) or hint
    if kind in (Literal, Any):
        return kind is Any
    if not isinstance(kind, type) or kind is Callable:
        return True
    plain = kind in WORDS or issubclass(kind, Mapping) or _is_sequence(kind) or _is_path(kind)
    return not plain


def _is_sequence(kind: type) -> bool:
    return kind in SEQUENCES or (kind.__module__ == 'collections.abc' and issubclass(kind, Iterable))


def _is_path(kind: type) -> bool:
    return kind is os.PathLike or issubclass(kind, PurePath)


def _is_instance(value: object, kind: type) -> bool:
    try:
        return isinstance(value, kind)
    except TypeError:  # a protocol
        return True


def _fixed_size(hint: object) -> int | None:
    arguments = get_args(hint)
    return len(arguments) if get_origin(hint) is tuple and arguments and arguments[-1] is not Ellipsis else None


def _expected(hint: object) -> str:
    options = sorted(_options(hint), key=lambda one: one is type(None))
    # What is built cannot be written into a config.
    options = [one for one in options if one is type(None) or not _is_class(one)] or options
    return ' or '.join(dict.fromkeys(_word(one) for one in options))


def _word(hint: object) -> str:
    kind = get_origin(hint) or hint
    if kind is Literal:
        return ' or '.join(repr(one) for one in get_args(hint))
    if kind in WORDS:
        return WORDS[kind]
    if not isinstance(kind, type):
        return 'anything'
    if issubclass(kind, Mapping):
        return 'a dict'
    if _is_sequence(kind):
        return 'a list' if _fixed_size(hint) is None else f'a list of {_fixed_size(hint)}'
    return 'a path' if _is_path(kind) else f'dict(type=...) of a {kind.__name__}'
