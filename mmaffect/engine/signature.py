"""What a constructor takes, as far as its signature says it."""

import inspect
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Literal, NamedTuple, get_type_hints

import numpy as np

from .value_check import ABSENT, Mismatch, mismatch

# Families whose ``**kwargs`` are known to lead to the next constructor; others do with theirs what they like.
PASSING = ('mmaffect', 'mmengine')
# Annotations say less than what MMEngine makes of these.
EVERYWHERE = {'init_cfg': dict | list | None}
IN_MMENGINE = {
    'rule': Literal['greater', 'less'] | list[Literal['greater', 'less']] | None,
    'threshold_rule': Literal['rel', 'abs'],
}
IN_CLASS = {'AmpOptimWrapper': {'loss_scale': Literal['dynamic'] | np.floating | dict}}


class Argument(NamedTuple):
    """One argument.

    Attributes:
        hint: its annotation; ``Any`` if it has none that can be read.
        default: ``ABSENT`` if it has none.
        needed: whether it must be given.
        lenient: whether it belongs to others, whose annotations are sometimes wrong: what is like a default that does
            not fit them serves too.
    """

    hint: object = Any
    default: object = ABSENT
    needed: bool = False
    lenient: bool = False

    def problem(self, value: object) -> tuple[Mismatch, str] | None:
        """What of a value does not fit, and in words."""
        found = mismatch(value, self.hint, self.lenient)
        if found is None or (value is None and self.default is None):
            return None
        wrong_hint = self.lenient and self.default is not ABSENT and mismatch(self.default, self.hint)
        if wrong_hint and mismatch(value, type(self.default)) is None:
            return None
        return found, found.describe(self.default)


class Signature(NamedTuple):
    """Arguments of a constructor.

    Attributes:
        arguments: by name.
        closed: whether there are no others.
    """

    arguments: dict[str, Argument]
    closed: bool = True

    @property
    def needed(self) -> list[str]:
        """Names of those that must be given."""
        return [name for name, one in self.arguments.items() if one.needed]


def signature_of(target: Callable) -> Signature:
    """Arguments of a class, or of a function beside the data that it is called with.

    ``**kwargs`` of MMEngine and of this package lead to the next constructor of the family. Behind those of others
    there may be any argument, beside the parents' names, whose values are not judged.
    """
    if inspect.isclass(target):
        makers = [one.__init__ for one in inspect.getmro(target) if '__init__' in vars(one) and one is not object]
        if not makers and target.__new__ is not object.__new__:
            return Signature({}, closed=False)
    else:
        makers = [target]
    arguments: dict[str, Argument] = {}
    passed_through = closed = True
    for maker in makers:
        try:
            parameters = list(inspect.signature(maker).parameters.values())[1:]
        except ValueError:  # written in C
            return Signature(arguments, closed=False)
        hints = _hints(maker)
        for one in parameters:
            if one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL) or one.name in arguments:
                continue
            default = ABSENT if one.default is one.empty else one.default
            # What a parent needs may be given to it by its child.
            needed = default is ABSENT and passed_through and closed
            hint = hints.get(one.name, Any) if closed else Any
            arguments[one.name] = _argument(maker, one.name, hint, default, needed)
        if all(one.kind is not one.VAR_KEYWORD for one in parameters):
            return Signature(arguments, closed)
        closed &= _package(maker) in PASSING
        passed_through &= any(one.kind is one.VAR_POSITIONAL for one in parameters)
    return Signature(arguments, closed=not makers)


def plain_signature(hints: dict[str, object], *also: Iterable[str]) -> Signature:
    """Arguments of a dict that is no constructor's, all of which may be left out.

    Args:
        hints: annotations by name.
        also: further names, of any value.
    """
    names = {name: Any for group in also for name in group}
    return Signature({name: Argument(hint, lenient=True) for name, hint in (names | hints).items()})


def _argument(maker: Callable, name: str, hint: object, default: object, needed: bool) -> Argument:
    package = _package(maker)
    if hint is not Any:
        entries = EVERYWHERE
        if package == 'mmengine':
            entries = EVERYWHERE | IN_MMENGINE | IN_CLASS.get(maker.__qualname__.partition('.')[0], {})
        hint = entries.get(name, hint)
    return Argument(hint, default, needed, lenient=package != 'mmaffect')


def _package(maker: Callable) -> str:
    return (getattr(maker, '__module__', None) or '').partition('.')[0]


def _hints(maker: Callable) -> dict[str, object]:
    try:
        return get_type_hints(maker)
    except Exception:  # a name that only a type checker sees
        found = {}
        for name, hint in getattr(maker, '__annotations__', {}).items():
            with suppress(Exception):
                found[name] = eval(hint, maker.__globals__) if isinstance(hint, str) else hint
        return found
