"""Checks a config against the constructors that it names, before anything is built."""

import inspect
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache

from mmengine import registry as mmengine_registry
from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from .. import registry as mmaffect_registry
from ..errors import ConfigError
from ..models.backbones.mm_backbone import load_project

# Handed over by whoever builds the object.
INJECTED = {
    'dataset',
    'seed',
    'sampler',
    'optimizer',
    'params',
    'model',
    'module',
    'runner',
    'dataloader',
    'name',
    'save_dir',
}
# Taken out by builders before the constructor sees them.
CONSUMED = {
    'optim_wrapper': {'constructor', 'optimizer', 'paramwise_cfg'},
    'param_scheduler': {'convert_to_iter_based'},
    'train_cfg': {'by_epoch'},
}
DATALOADER_EXTRAS = {'dataset', 'sampler', 'batch_sampler', 'collate_fn', 'worker_init_fn', 'num_batch_per_epoch'}


def check_config(cfg: Config) -> None:
    """Bind every ``dict(type=...)`` of a config to the constructor that it names.

    Args:
        cfg: the config of a Runner.

    Raises:
        ConfigError: for the first name or argument that does not exist or is missing, with its path in the config
            and the nearest name that does.
    """
    # Other top-level names are fragments that the file puts together.
    used = {key: cfg[key] for key in inspect.signature(Runner.__init__).parameters if key in cfg}
    for path, node in _dicts(used, ''):
        last = path.rpartition('.')[2]
        if _foreign(node):
            _check_foreign(path, node)
        elif isinstance(node.get('type'), str):
            _check_node(path, node)
        elif last.endswith('_dataloader'):
            _check_keys(path, node, set(inspect.signature(DataLoader).parameters) | DATALOADER_EXTRAS)


def check_options(cfg: Config, options: Mapping[str, object] | None) -> None:
    """Refuse a top-level key of ``--cfg-options`` that neither the config nor the Runner has.

    Keys further down are the business of :func:`check_config` after they were merged.

    Args:
        cfg: the config before the options are merged.
        options: dotted keys and values.

    Raises:
        ConfigError: naming the key and the nearest one.
    """
    known = set(cfg.keys()) | set(inspect.signature(Runner.__init__).parameters)
    for key in options or {}:
        if key.split('.')[0] not in known:
            raise ConfigError(f'--cfg-options {key}: {_unknown(key.split(".")[0], known, "key")}')


def _dicts(node: object, path: str) -> Iterator[tuple[str, Mapping]]:
    if isinstance(node, Mapping):
        if path:
            yield path, node
        # What is inside another project's node is called by that project's names.
        children = () if _foreign(node) else node.items()
    elif isinstance(node, (list, tuple)):
        children = enumerate(node)
    else:
        return
    for key, child in children:
        yield from _dicts(child, f'{path}.{key}' if path else str(key))


def _foreign(node: Mapping) -> str | None:
    """The other project by whose names a node is built."""
    name = node.get('type')
    scope = node.get('_scope_') or (name.partition('.')[0] if isinstance(name, str) and '.' in name else None)
    return None if scope in ('mmaffect', 'mmengine', 'torch') else scope


def _check_foreign(path: str, node: Mapping) -> None:
    name = node['type'].rpartition('.')[2]
    registry = load_project(_foreign(node))
    target = registry.get(name)
    if target is None:
        raise ConfigError(f'{path}.type = {node["type"]!r}: {_unknown(name, set(registry.module_dict), "name")}')
    known, _, closed = _parameters(target)
    if closed:
        _check_keys(path, set(node) - {'type', '_scope_', '_delete_'}, known, f' of {node["type"]}')


def _check_node(path: str, node: Mapping) -> None:
    target = _find(node['type'])
    if target is None:
        raise ConfigError(f'{path}.type = {node["type"]!r}: {_unknown(node["type"], _names(), "name")}')
    known, needed, closed = _parameters(target)
    root = path.split('.')[0]
    given = set(node) - {'type', '_scope_', '_delete_'} - CONSUMED.get(root, set())
    if closed:
        _check_keys(path, given, known, f' of {node["type"]}')
    missing = [name for name in needed if name not in given | INJECTED]
    if missing and path not in ('optim_wrapper', 'train_cfg', 'val_cfg', 'test_cfg', 'visualizer'):
        raise ConfigError(f'{path}.{missing[0]}: {node["type"]} needs this argument')


def _parameters(target: object) -> tuple[set[str], list[str], bool]:
    """Names of the arguments, of those without a default, and whether there are no others."""
    if inspect.isclass(target):
        # **kwargs lead to the next constructor of the family.
        makers = [one.__init__ for one in inspect.getmro(target) if '__init__' in vars(one) and one is not object]
    else:
        makers = [target]
    known: set[str] = set()
    needed: list[str] | None = None
    for maker in makers:
        # Not self, nor the data that a function is called with.
        named = list(inspect.signature(maker).parameters.values())[1:]
        plain = [p for p in named if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        known |= {p.name for p in plain}
        if needed is None:
            needed = [p.name for p in plain if p.default is p.empty]
        if all(p.kind is not p.VAR_KEYWORD for p in named):
            return known, needed, True
    return known, needed or [], not makers


def _check_keys(path: str, given: set[str] | Mapping, known: set[str], what: str = '') -> None:
    for key in given:
        if key not in known:
            raise ConfigError(f'{path}.{key}: {_unknown(key, known, f"argument{what}")}')


def _unknown(name: str, known: set[str], what: str) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f'did you mean {close[0]!r}?' if close else f'there are {", ".join(sorted(known)[:12])}'
    return f'no such {what}; {hint}'


@cache
def _registries() -> list[Registry]:
    found = [
        value
        for module in (mmaffect_registry, mmengine_registry)
        for value in vars(module).values()
        if isinstance(value, Registry)
    ]
    for one in found:
        one.import_from_location()
    # Our names come before those that others gave to MMEngine's root, as in a lookup with our scope.
    return sorted(found, key=lambda one: one.scope != 'mmaffect')


def _find(name: str) -> object | None:
    key = name.rpartition('.')[2]
    return next((one.module_dict[key] for one in _registries() if key in one.module_dict), None)


@cache
def _names() -> set[str]:
    return {name for one in _registries() for name in one.module_dict}
