"""From the name of a type in a config to its class."""

from collections.abc import Callable, Mapping
from functools import cache

from mmengine import registry as mmengine_registry
from mmengine.registry import Registry

from .. import registry as mmaffect_registry


def project_of(node: Mapping) -> str | None:
    """The other project by whose names a node is built."""
    name = node.get('type')
    scope = node.get('_scope_') or (name.partition('.')[0] if isinstance(name, str) and '.' in name else None)
    return None if scope in ('mmaffect', 'mmengine', 'torch') else scope


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


def choices(kind: str | None, value: Mapping) -> dict[str, Callable]:
    """Everything that can be named at a place.

    Args:
        kind: name of the registry; any, if ``None``.
        value: the dict at that place.
    """
    kinds = {kind, 'evaluator'} if kind == 'metric' and 'metrics' in value else {kind}
    return {
        name: target
        for one in reversed(_registries())
        if kind is None or one.name in kinds
        for name, target in one.module_dict.items()
    }


def find(name: str, kind: str | None) -> Callable | None:
    """The class or function of a name, as a Runner with our scope finds it.

    Args:
        name: with or without a scope.
        kind: name of the registry; any, if ``None``.
    """
    scope, _, key = name.rpartition('.')
    kinds = {kind, 'evaluator'} if kind == 'metric' else {kind}
    for one in _registries():
        ours = scope != 'mmengine' or one.scope == 'mmengine'
        if ours and (kind is None or one.name in kinds) and key in one.module_dict:
            return one.module_dict[key]
    return None
