"""The tables of docs/recipe.md, row by row, beside the files that they name."""

import ast
import importlib
import inspect
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from mmaffect.engine.running import load_config

ROOT = Path(__file__).parents[2]


def table():
    """Config of the heading, and cells, of every row."""
    config, rows = None, []
    for line in (ROOT / 'docs/recipe.md').read_text().splitlines():
        if heading := re.match(r'## .*`(configs/\S+)`', line):
            config = heading[1]
        elif line.startswith('|') and not line.startswith(('|---', '| the paper |', '| the released code |')):
            rows.append((config, *(cell.strip() for cell in line.strip('|').split('|'))))
    return rows


ROWS = table()


def step(node, key):
    """What a node has by a key: also a hook by its type, the default of an argument."""
    if isinstance(node, Mapping):
        return node[key]
    if isinstance(node, (list, tuple)):
        if key.isdigit():
            return node[int(key)]
        (hook,) = (one for one in node if one['type'] == key)
        return hook
    if inspect.isroutine(node) or inspect.isclass(node):
        return inspect.signature(node).parameters[key].default
    return getattr(node, key)


@pytest.mark.parametrize('row', ROWS, ids=lambda row: f'{Path(row[0]).stem}: {row[1]}')
def test_row(row):
    config, _, line, file, key, value = row
    assert re.search(rf'(?<![\w.]){re.escape(line.strip("`"))}(?![\w.])', (ROOT / file).read_text())
    if not key:
        return
    if file.startswith('configs/'):
        node = load_config(ROOT / config)
    else:
        node = importlib.import_module(file.removesuffix('.py').replace('/', '.'))
    for part in key.split('.'):
        node = step(node, part)
    expected = ast.literal_eval(value)
    assert node == expected
    assert type(node) is type(expected) or isinstance(node, list)


def test_every_number_of_the_paper_is_there():
    text = ' '.join(row[1] for row in ROWS if row[0] == 'configs/grjca_affwild2.py')
    numbers = '48x48 300 0.8 100 44100 1024 20 10 64 107 0.0001 12 0.5 0.0005 5 0.1 6'
    for number in numbers.split():
        assert re.search(rf'(?<![\d.]){re.escape(number)}(?![\d.])', text), number
    # 256 frames are among the contradictions.
    assert '256 frames' in (ROOT / 'docs/recipe.md').read_text()


def inherited(config):
    """A config and all that it inherits."""
    found = {config}
    for name in re.findall(r'from \.(?:_base_\.)?(\w+) import', (ROOT / config).read_text()):
        found |= inherited(f'configs/_base_/{name}.py')
    return found


def test_the_configs_inherit_the_files_of_their_rows():
    assert len(ROWS) > 60
    for config, _, _, file, _, _ in ROWS:
        assert not file.startswith('configs/') or file in inherited(config), file
