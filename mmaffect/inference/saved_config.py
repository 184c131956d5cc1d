"""The config that a checkpoint brings along, read as data: nothing in it runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config

from ..engine.lookup import find
from ..errors import CheckpointError

MAX_CHARACTERS = 1 << 20
NAME = re.compile(r'(?:(?:mmaffect|mmengine)\.)?[A-Za-z_]\w*')


def config_of_checkpoint(checkpoint: Mapping, path: str | Path) -> Config:
    """The parts of a checkpoint's config that prediction needs.

    Its text may hold assignments of literals and of ``dict(...)`` only, and its types names that are registered here:
    a name with a path would be imported by MMEngine.

    Args:
        checkpoint: what :func:`mmaffect.engine.checkpoint.read_checkpoint` returned.
        path: of its file, for errors.

    Raises:
        CheckpointError: if it holds no config, or one that would have to be run.
    """
    meta = checkpoint.get('meta')
    text = meta.get('cfg') if isinstance(meta, Mapping) else None
    if not isinstance(text, str):
        raise CheckpointError(f'{path}: holds no config; name the model or its config file too')
    values = parse_assignments(text, path)
    loader = values.get('test_dataloader') or values.get('val_dataloader')
    if not isinstance(values.get('model'), dict) or not isinstance(loader, dict):
        raise CheckpointError(f'{path}: its config has no model or no test_dataloader; give the config file')
    # Hooks, loops, optimizers and metrics are left where they are.
    parts = {'model': values['model'], 'test_dataloader': loader}
    _check_types(parts, path)
    beside = {'test_cfg': {'type': 'TestLoop'}, 'test_evaluator': {'type': 'CCCMetric'}}
    return Config({**parts, **beside, 'default_scope': 'mmaffect'})


def parse_assignments(text: str, path: str | Path) -> dict[str, object]:
    """Values of a text that assigns literals, lists, dicts, tuples and ``dict(name=value)`` to names.

    Args:
        text: Python source.
        path: of its file, for errors.

    Raises:
        CheckpointError: for anything else.

    Examples:
        >>> parse_assignments('a = dict(b=[1, -2.5])', 'x.pth')
        {'a': {'b': [1, -2.5]}}
        >>> parse_assignments('a = open("x")', 'x.pth')  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        mmaffect.errors.CheckpointError: x.pth: line 1 of its config calls open; expected values ...
    """
    if len(text) > MAX_CHARACTERS:
        raise CheckpointError(f'{path}: its config has {len(text)} characters; expected at most {MAX_CHARACTERS}')
    try:
        return dict(_assignment(statement) for statement in ast.parse(text).body)
    except _NoValueError as error:
        raise CheckpointError(
            f'{path}: line {error.line} of its config {error}; expected values only: give its config file'
        ) from None
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise CheckpointError(f'{path}: its config cannot be read; give its config file') from None


class _NoValueError(Exception):
    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


def _assignment(node: ast.stmt) -> tuple[str, object]:
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id, _value(node.value)
    raise _NoValueError(node.lineno, f'is no assignment ({type(node).__name__})')


def _value(node: ast.expr) -> object:
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else 'something'
        if name != 'dict' or node.args or any(one.arg is None for one in node.keywords):
            raise _NoValueError(node.lineno, f'calls {name}')
        return {one.arg: _value(one.value) for one in node.keywords}
    if isinstance(node, ast.Dict) and None not in node.keys:
        return {_value(key): _value(value) for key, value in zip(node.keys, node.values, strict=True)}
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        kind = {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)]
        return kind(map(_value, node.elts))
    if isinstance(node, (ast.Constant, ast.UnaryOp)):
        return ast.literal_eval(node)
    raise _NoValueError(node.lineno, f'computes something ({type(node).__name__})')


def _check_types(node: object, path: str | Path) -> None:
    if isinstance(node, dict):
        kind = node.get('type')
        if '_scope_' in node:
            raise CheckpointError(f'{path}: its config asks for another project; give its config file')
        if kind is not None and not (isinstance(kind, str) and NAME.fullmatch(kind) and find(kind, None)):
            shown = ascii(kind)[:80]
            raise CheckpointError(f'{path}: type {shown} of its config is not known here; give its config file')
        node = list(node.values())
    if isinstance(node, (list, tuple, set)):
        for one in node:
            _check_types(one, path)
