"""Checks a config against the constructors that it names, before anything is built."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from typing import NamedTuple

from mmengine.config import Config

from ..errors import ConfigError
from ..models.backbones.mm_backbone import load_project
from .config_parts import (
    DEFAULT_HOOKS,
    GROUPS,
    clip_signature,
    default_type,
    group_signature,
    loader_signature,
    part_at,
    plain_parts,
    runner_keys,
)
from .figure_check import figure_problems, known_figures
from .lookup import choices, find, project_of
from .signature import Signature, plain_signature, signature_of
from .value_check import nearest, one_edit_away, shorten, unknown

# Handed over by whoever builds an object at a place that config_parts does not know.
INJECTED = ('dataset', 'seed', 'sampler', 'optimizer', 'params', 'model', 'module', 'runner', 'dataloader', 'name')
# Arguments of our own classes that are built, and so need a type.
BUILT = ('audio', 'backbone', 'data_preprocessor', 'head', 'joint', 'loss', 'neck', 'temporal', 'visual')
CONSTRUCTOR = 'optimizer wrapper constructor'
OWN_CONSTRUCTOR = (None, 'DefaultOptimWrapperConstructor')
# A name of theirs within a user's class may be meant in another way.
LIBRARIES = ('mmengine', 'mmcv', 'torch')
SPECIAL = {'type', '_scope_', '_delete_'}


class ConfigCheckError(ConfigError):
    """A config with problems; as text the first of them.

    Attributes:
        lines: all of them.
    """

    def __init__(self, lines: list[str]) -> None:
        super().__init__(lines[0])
        self.lines = lines


class Node(NamedTuple):
    """A dict of a config and what it stands for.

    Attributes:
        path: dotted keys that lead to it.
        content: the dict.
        target: class or function that its type names.
        name: of the type, as the config has it.
        built: whether a registry builds the object from this dict alone; a user's class may do with it what it likes.
    """

    path: str
    content: Mapping
    target: Callable
    name: str
    built: bool = True

    @property
    def owner(self) -> str:
        """Package of the class."""
        return _package(self.target)


def check_config(cfg: Config) -> None:
    """Compare keys and values of a config with the constructors that take them.

    Args:
        cfg: the config of a Runner.

    Raises:
        ConfigCheckError: for names, arguments and values that do not exist, are missing or do not fit, each with its
            path in the config and the nearest valid one.
    """
    if lines := list(config_problems(cfg)):
        raise ConfigCheckError(lines)


def config_problems(cfg: Config) -> Iterator[str]:
    """Problems of a config, a line each, of which a place has one."""
    told = set()
    for line in _all_problems(cfg):
        place = re.split(' = |: ', line, maxsplit=1)[0]
        if place not in told:
            yield line
        told.add(place)


def _all_problems(cfg: Config) -> Iterator[str]:
    known = runner_keys().arguments
    yield from _misspelt('', cfg, known)
    # Other top-level names are fragments that the file puts together.
    used = {key: cfg[key] for key in known if key in cfg}
    yield from _argument_problems('', used, runner_keys(), 'key')
    figures = known_figures(cfg)
    for key, value in used.items():
        yield from _visit(key, value, None, figures)
    if isinstance(used.get('default_hooks'), Mapping):
        yield from _misspelt('default_hooks.', used['default_hooks'], DEFAULT_HOOKS)
    for group in GROUPS:
        given = [key for key in group if used.get(key) is not None]
        absent = next((key for key in group if key not in given), None)
        if given and absent:
            yield f'{absent}: missing beside {" and ".join(given)}; a Runner takes {", ".join(group)} or none of them'


def check_options(cfg: Config, options: Mapping[str, object] | None) -> None:
    """Refuse keys of ``--cfg-options`` that lead nowhere.

    What they name within a dict is the business of :func:`check_config` after they were merged.

    Args:
        cfg: the config before the options are merged.
        options: dotted keys and values.

    Raises:
        ConfigError: for a top-level key that neither the config nor a Runner has, with the nearest one, for an entry
            that a list has not, or a key of what has no keys.
    """
    known = set(cfg.keys()) | set(runner_keys().arguments)
    for key in options or {}:
        first = key.split('.')[0]
        if first not in known:
            raise ConfigError(f'--cfg-options {key}: {unknown(first, known, "key")}')
        _check_way(cfg, key, options)


def _check_way(cfg: Config, key: str, options: Mapping[str, object]) -> None:
    node, way = cfg, ''
    for part in key.split('.'):
        if way in options:  # given as a whole
            return
        if isinstance(node, (list, tuple)):
            if not part.isdigit() or int(part) >= len(node):
                last = f'0 to {len(node) - 1}' if node else 'none'
                raise ConfigError(f'--cfg-options {key}: {way} has no entry {part!r}; there are {last}')
            node = node[int(part)]
        elif not isinstance(node, (Mapping, Config)):
            raise ConfigError(f'--cfg-options {key}: {way} = {shorten(node)} has no keys')
        elif part not in node:
            return
        else:
            node = node[part]
        way = f'{way}.{part}' if way else part


def _visit(path: str, value: object, parent: Node | None, figures: set[str] | None) -> Iterator[str]:
    """Problems of a value and of all that is in it."""
    if isinstance(value, (list, tuple)):
        for i, child in enumerate(value):
            yield from _visit(f'{path}.{i}', child, parent, figures)
            if isinstance(child, str) and (kind := _kind(f'{path}.{i}', parent)):
                yield f'{path}.{i} = {shorten(child)}: {_built_from("expected a dict", child, kind)}'
    if not isinstance(value, Mapping):
        return
    signature = clip_signature(value) if path == 'optim_wrapper.clip_grad' else plain_parts().get(path)
    if path == 'optim_wrapper.paramwise_cfg':
        if parent is None or parent.content.get('constructor') not in OWN_CONSTRUCTOR:
            return
        yield from _group_problems(path, value, parent)
    node = None
    if signature is not None:
        yield from _argument_problems(path, value, signature, 'key')
    elif path.endswith('_dataloader') and 'type' not in value:
        yield from _argument_problems(path, value, loader_signature(), 'argument')
    else:
        node = yield from _resolve(path, value, parent)
        if node is not None:
            yield from _node_problems(node)
            yield from figure_problems(path, value, node.owner, figures)
    # What is inside another project's node is called by that project's names.
    if project_of(value) is None and path != 'optim_wrapper.paramwise_cfg':
        for key, child in value.items():
            yield from _visit(f'{path}.{key}', child, node if node or 'type' in value else parent, figures)


def _resolve(path: str, value: Mapping, parent: Node | None) -> Iterator[str]:
    """Yield what is wrong with the type of a dict; return the node, or ``None`` if it is of no known type."""
    part = part_at(path)
    built = part is not None or (parent is not None and parent.owner == 'mmaffect')
    name = value.get('type') or (default_type(part, value) if part else None)
    if name is None:
        if path == 'optim_wrapper' and 'constructor' not in value and 'optimizer' not in value:
            near = [key for key in value if _nearly(str(key), 'optimizer')]
            yield (
                f"{path}.{near[0]}: no such key; did you mean 'optimizer'?"
                if near
                else (f'{path}.optimizer: {part.default} needs this argument')
            )
        elif _needs_type(path, value, parent):
            yield _missing_type(path, value)
        return None
    if not isinstance(name, str):
        if callable(name):
            judged = built or inspect.isclass(name)
            return Node(path, value, name, getattr(name, '__name__', repr(name)), built) if judged else None
        if built:
            yield f'{path}.type = {shorten(name)}: expected the name of a class'
        return None
    project = project_of(value)
    if not built:
        target = None if project else find(name, None)
        return Node(path, value, target, name, built) if target and _package(target) not in LIBRARIES else None
    kind = _kind(path, parent)
    if project is not None:
        registry = load_project(project)
        target, known = registry.get(name.rpartition('.')[2]), registry.module_dict
    else:
        known, target = choices(kind, value), find(name, kind)
    if target is None:
        yield f'{path}.type = {name!r}: {unknown(name, known, part.kind if part and not project else "name")}'
        return None
    return Node(path, value, target, name)


def _node_problems(node: Node) -> Iterator[str]:
    part = part_at(node.path)
    signature = signature_of(node.target)
    extra = plain_signature(part.extra).arguments if part else {}
    # An object that is handed over may come from the config too.
    handed = set(INJECTED if part is None else part.given) | set(extra)
    arguments = {
        name: one._replace(needed=one.needed and node.built and name not in handed)
        for name, one in signature.arguments.items()
    }
    complete = Signature(arguments | extra, signature.closed)
    yield from _argument_problems(node.path, node.content, complete, f'argument of {node.name}', node)
    maker = node.content.get('constructor') if node.path == 'optim_wrapper' else None
    if node.path == 'optim_wrapper' and maker in OWN_CONSTRUCTOR and 'optimizer' not in node.content:
        yield f'{node.path}.optimizer: {node.name} needs this argument'
    if isinstance(maker, str) and project_of({'type': maker}) is None and find(maker, CONSTRUCTOR) is None:
        known = choices(CONSTRUCTOR, node.content)
        yield f'{node.path}.constructor = {maker!r}: {unknown(maker, known, CONSTRUCTOR)}'


def _argument_problems(
    path: str, given: Mapping, signature: Signature, what: str, node: Node | None = None
) -> Iterator[str]:
    dot = f'{path}.' if path else ''
    known = signature.arguments
    for key, value in given.items():
        if key in SPECIAL and key not in known:
            continue
        if key not in known:
            if signature.closed:
                yield f'{dot}{key}: {unknown(str(key), known, what)}'
            elif near := one_edit_away(str(key), [one for one in known if one not in given]):
                yield f'{dot}{key}: no such {what}; did you mean {near!r}?'
        elif found := known[key].problem(value):
            wrong, text = found
            place = f'{dot}{key}{wrong.where}'
            if isinstance(wrong.value, str) and (kind := _kind(place, node)):
                text = _built_from(text, wrong.value, kind)
            yield f'{place} = {shorten(wrong.value)}: {text}'
    for key in signature.needed:
        if key not in given:
            yield f'{dot}{key}: {node.name if node else path} needs this argument'


def _group_problems(path: str, paramwise: Mapping, wrapper: Node) -> Iterator[str]:
    """Problems of the parameters that have settings of their own."""
    groups, optimizer = paramwise.get('custom_keys'), wrapper.content.get('optimizer')
    name = optimizer.get('type') if isinstance(optimizer, Mapping) else None
    target = find(name, 'optimizer') if isinstance(name, str) else name
    settings = signature_of(target) if callable(target) else Signature({}, closed=False)
    for key, group in groups.items() if isinstance(groups, Mapping) else ():
        if isinstance(group, Mapping):
            yield from _argument_problems(f'{path}.custom_keys.{key}', group, group_signature(settings), 'key')


def _kind(path: str, parent: Node | None) -> str | None:
    """Name of the registry that builds what is at a place, if it is known."""
    if part := part_at(path):
        return part.kind
    return 'model' if _is_built_by_us(path, parent) else None


def _is_built_by_us(path: str, parent: Node | None) -> bool:
    owner, key = path.rpartition('.')[::2]
    if parent is None or parent.owner != 'mmaffect':
        return False
    return (owner == parent.path and key in BUILT) or owner == f'{parent.path}.further'


def _built_from(text: str, name: str, kind: str) -> str:
    """What was expected instead of the mere name of a type."""
    near = nearest(name, choices(kind, {}))
    return text.partition(';')[0] + (f'; did you mean dict(type={near!r})?' if near else '')


def _package(target: Callable) -> str:
    return (getattr(target, '__module__', None) or '').partition('.')[0]


def _misspelt(dot: str, given: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    """Keys that are free, but nearly the name of one that is not there."""
    absent = [one for one in known if one not in given]
    for key in given:
        if key not in known and any(_nearly(key, one) for one in absent):
            yield f'{dot}{key}: {unknown(key, absent, "key")}'


def _nearly(name: str, other: str, ratio: float = 0.8) -> bool:
    return abs(len(name) - len(other)) <= 2 and SequenceMatcher(None, name, other).ratio() >= ratio


def _needs_type(path: str, value: Mapping, parent: Node | None) -> bool:
    part = part_at(path)
    if part is None:
        return _is_built_by_us(path, parent)
    if path == 'param_scheduler':  # of several optimizers
        return not all(isinstance(one, (list, tuple, Mapping)) for one in value.values())
    if path == 'optim_wrapper':
        return not all(isinstance(one, Mapping) for key, one in value.items() if key != 'constructor')
    return '.override' not in path or set(value) != {'name'}


def _missing_type(path: str, value: Mapping) -> str:
    near = [key for key in value if _nearly(str(key), 'type', 0.7)]
    if near:
        return f"{path}.{near[0]}: no such key; did you mean 'type'?"
    part = part_at(path)
    shared = {
        name: len(set(value) & set(signature_of(target).arguments))
        for name, target in sorted(choices(part.kind if part else 'model', value).items())
    }
    best = max(shared.values(), default=0)
    names = [name for name, count in shared.items() if count == best > 0]
    text = f'{path}: expected dict(type=...)'
    return f'{text}; did you mean type={" or ".join(map(repr, names[:3]))}?' if names else text
