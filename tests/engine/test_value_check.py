from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Dict, List, Literal, NewType, Optional, Tuple, TypeVar, Union  # noqa: UP035

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from torch import nn

from mmaffect.engine.signature import signature_of
from mmaffect.engine.value_check import mismatch, shorten, unknown

Rule = Literal['greater', 'less']
Colour = Enum('Colour', 'red')
T = TypeVar('T')


@pytest.mark.parametrize(
    ('value', 'hint'),
    [
        (3, int),
        (np.int64(3), int),
        (3, float),
        (np.float32(0.5), float),
        (1e-4, float | torch.Tensor),
        (True, bool),
        (np.bool_(True), bool),
        (None, None),
        (None, int | None),
        ('a', str),
        (Path('a'), str),
        ('a', str | Path),
        ('a', Path),
        ([1, 2], Sequence[int]),
        ((1, 2), list[int]),
        ([0.9, 0.999], tuple[float, float]),
        ([1, 2, 3], tuple[int, ...]),
        ([], Tuple[int, ...]),  # noqa: UP006
        (['a'], Optional[List[str]]),  # noqa: UP006, UP045
        (['a'], Iterable[str]),
        ([3, 'a'], Sequence[int | str]),
        (ConfigDict(a=1), dict),
        (ConfigDict(a=1), Dict[str, int]),  # noqa: UP006
        (ConfigDict(a=dict(type='Stream')), Mapping[str, dict]),
        (dict(type='SGD'), Union[torch.optim.Optimizer, dict]),  # noqa: UP007
        (dict(type='SGD'), torch.optim.Optimizer),
        (dict(type='ReLU'), Callable),
        (len, Callable[[list], int]),
        ([dict(type='ReLU'), len], Sequence[dict | Callable]),
        ('greater', Rule),
        (None, Rule | None),
        ('less', str | Rule),
        ('red', Colour),
        ('bfloat16', Optional[torch.dtype]),  # noqa: UP045
        (torch.zeros(2), float),
        (np.zeros(2), Sequence[int]),
        ('anything', Any),
        ('anything', object),
        ('anything', T),
        ('anything', 'not resolved'),
        (3, Annotated[int, 'of people']),
        (3, NewType('Count', int)),
    ],
)
def test_values_that_fit(value, hint):
    assert mismatch(value, hint) is None


@pytest.mark.parametrize(
    ('value', 'hint', 'text'),
    [
        (True, int, 'expected an integer'),
        (True, float, 'expected a number'),
        ('1e-4', float, 'expected a number; did you mean 0.0001?'),
        ('1e-4', float | torch.Tensor, 'expected a number; did you mean 0.0001?'),
        ('3', int, 'expected an integer; did you mean 3?'),
        ('fast', int, 'expected an integer'),
        (2.0, int, 'expected an integer; did you mean 2?'),
        (2.5, int, 'expected an integer'),
        (float('inf'), int, 'expected an integer'),
        (np.float64(2.5), int | None, 'expected an integer or None'),
        (1, bool, 'expected True or False; did you mean True?'),
        ('False', bool, 'expected True or False; did you mean False?'),
        (3, str, "expected a string; did you mean '3'?"),
        (3, Path, 'expected a path'),
        (None, int, 'expected an integer'),
        (3, None, 'expected None'),
        ('none', int | None, 'expected an integer or None; did you mean None?'),
        (5, Sequence[int], 'expected a list; did you mean [5]?'),
        ('audio', Sequence[str], "expected a list; did you mean ['audio']?"),
        ([5], int, 'expected an integer; did you mean 5?'),
        ([5, 6], int, 'expected an integer'),
        (dict(a=1), Sequence[int], 'expected a list'),
        ([1], dict, 'expected a dict'),
        ([0.9], tuple[float, float], 'expected a list of 2'),
        ('greter', Rule, "no such value; did you mean 'greater'?"),
        ('xyz', Rule, 'no such value; there are greater, less'),
        (1, Rule, "expected 'greater' or 'less'"),
        (True, Literal[1, 2], 'expected 1 or 2'),
        ('lesser', Rule | None, "no such value; did you mean 'less'?"),
        (3, nn.Module | dict, 'expected a dict'),
        ('ReLU', dict | Callable, 'expected a dict'),
    ],
)
def test_values_that_do_not_fit(value, hint, text):
    found = mismatch(value, hint)
    assert (found.where, found.value) == ('', value)
    assert found.describe().startswith(text)
    assert '\n' not in found.describe()


def test_the_place_within_a_container():
    found = mismatch([1, '2'], Sequence[int] | None)
    assert (found.where, found.value, found.describe(default=None)) == (
        '.1',
        '2',
        'expected an integer; did you mean 2?',
    )
    found = mismatch({'a': {'b': [1, True]}}, dict[str, dict[str, list[float]]])
    assert (found.where, found.describe()) == ('.a.b.1', 'expected a number')


def test_a_lenient_reading():
    assert mismatch(1e5, int, lenient=True) is None
    assert mismatch(1.5, int, lenient=True) is not None
    assert mismatch('pseudo_collate', Callable | dict, lenient=True) is None


def test_the_default_where_nothing_is_near():
    assert mismatch(None, float).describe(default=0.1) == 'expected a number; the default is 0.1'
    assert mismatch('x', float | None).describe(default=None) == 'expected a number or None'
    assert mismatch('3', float).describe(default=0.1) == 'expected a number; did you mean 3?'


def test_names_are_found_whatever_their_case():
    assert unknown('ADAM', ['Adam', 'SGD'], 'optimizer') == "no such optimizer; did you mean 'Adam'?"
    assert unknown('x', ['b', 'a'], 'name') == 'no such name; there are a, b'


def test_long_values_are_cut():
    assert shorten('a') == "'a'"
    assert len(shorten(list(range(1000)))) == 60
    assert '\n' not in shorten(np.zeros((3, 3)))


class Others:
    """A class whose annotations are not quite right."""

    def __init__(self, size: int = None, rate: float = 'auto', name: 'NotThere' = 'x', **kwargs) -> None:  # noqa: F821, RUF013
        pass


def test_what_is_like_the_default_fits_classes_of_others():
    arguments = signature_of(Others).arguments
    assert arguments['size'].problem(None) is None
    assert arguments['rate'].problem('slow') is None
    assert arguments['rate'].problem([1])[1] == 'expected a number; did you mean 1?'
    assert arguments['size'].problem('3')[1] == 'expected an integer; did you mean 3?'
    assert arguments['name'].problem(3) is None


def test_arguments_of_a_family():
    signature = signature_of(torch.optim.AdamW)
    assert signature.closed
    assert signature.needed == ['params']
    assert signature.arguments['lr'].problem('0.1')[1].endswith('did you mean 0.1?')
    assert not signature_of(Others).closed
