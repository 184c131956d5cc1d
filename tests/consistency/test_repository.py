"""Tests about the repository itself."""

import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest
from mmengine.registry import Registry
from setuptools import find_packages

import mmaffect
from mmaffect import registry

ROOT = Path(__file__).parents[2]
REGISTRIES = [value for value in vars(registry).values() if isinstance(value, Registry)]
MODULES = [name for _, name, _ in pkgutil.walk_packages(mmaffect.__path__, 'mmaffect.')]


@pytest.mark.parametrize('name', MODULES)
def test_every_module_imports(name):
    assert importlib.import_module(name)


@pytest.mark.parametrize('one', REGISTRIES, ids=lambda one: one.name)
def test_every_location_imports(one):
    # A failing import would otherwise show as "X is not in the registry".
    for location in one._locations:
        assert importlib.import_module(location)


def test_every_registered_class_is_documented_and_typed():
    for one in REGISTRIES:
        one.import_from_location()
        for name, target in one.module_dict.items():
            if not target.__module__.startswith('mmaffect'):
                continue
            assert inspect.getdoc(target), name
            for parameter in inspect.signature(target).parameters.values():
                assert parameter.kind is not parameter.VAR_KEYWORD, f'{name} passes **{parameter.name} through'
                assert parameter.annotation is not parameter.empty, f'{name}({parameter.name}) has no type'


def test_the_wheel_holds_every_folder_with_python_files():
    folders = {str(path.parent.relative_to(ROOT)).replace('/', '.') for path in (ROOT / 'mmaffect').rglob('*.py')}
    assert folders == set(find_packages(str(ROOT), include=['mmaffect', 'mmaffect.*']))


def test_importing_the_package_is_light():
    import subprocess
    import sys

    code = 'import sys, mmaffect; print([m for m in ("torch", "mmengine", "cv2", "numpy") if m in sys.modules])'
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout.strip() == '[]'


def test_no_file_grows_beyond_400_lines():
    long = {
        str(path): lines
        for path in (ROOT / 'mmaffect').rglob('*.py')
        if (lines := len(path.read_text().splitlines())) > 400
    }
    assert long == {}
