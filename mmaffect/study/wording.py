"""How numbers of the study are written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..report.facts import MINUS, figure
from .gates import ANY

if TYPE_CHECKING:
    from .claims import Contrast
    from .statistics import Estimate

NONE = '–'
NOTICE = 'Measured on a synthetic corpus, not on people.'


def level(weak: float) -> str:
    """A share of decoupled time as it stands in tables and commands.

    Examples:
        >>> level(0.0), level(0.4)
        ('0', '0.4')
    """
    return f'{weak:g}'


def condition_text(condition: str) -> str:
    """A condition in words.

    Examples:
        >>> condition_text('any'), condition_text('frozen_face')
        ('any kind', 'frozen face')
    """
    return 'any kind' if condition == ANY else condition.replace('_', ' ')


def gates_text(gates: Iterable[str]) -> str:
    """What an AUROC of gates ``<modality>/<name>`` says.

    Examples:
        >>> gates_text(['audio/iteration_1'])
        'Above 0.5 the share is lower in decoupled frames, as the paper says of attended features; 0.5 is chance.'
    """
    names = {gate.partition('/')[2] for gate in gates}
    weights = any(name.startswith('weight') for name in names)
    said = '' if weights else ', as the paper says of attended features'
    parts = [f'Above 0.5 the share is lower in decoupled frames{said}; 0.5 is chance.']
    if 'stage_0' in names:
        parts.append('Stage 0 is the share of the unattended features: above 0.5 it is higher.')
    if sum(name.startswith('stage') for name in names) > 1:
        parts.append('The stages of a modality share 1: what one loses, others gain.')
    if weights:
        parts.append('Weights are shares of a modality, which share 1.')
    if 'trust' in names:
        parts.append('Trust is the probability that a modality belongs to the affect, learned without labels of it.')
    return ' '.join(parts)


def p_text(p: float) -> str:
    """A p value behind its ``p``.

    Examples:
        >>> p_text(0.0312), p_text(0.00002), p_text(0.9998)
        ('= 0.031', '< 0.001', '= 1')
    """
    if math.isnan(p):
        return f'= {NONE}'
    if p < 0.001:
        return '< 0.001'
    return '= 1' if p >= 0.9995 else f'= {p:.3f}'


def p_cell(p: float) -> str:
    """A p value alone.

    Examples:
        >>> p_cell(0.0312), p_cell(0.00002)
        ('0.031', '< 0.001')
    """
    return p_text(p).removeprefix('= ')


def bounds(estimate: Estimate) -> str:
    """The interval of a figure."""
    return f'[{figure(estimate.low)}, {figure(estimate.high)}]'


def with_interval(estimate: Estimate) -> str:
    """A figure and its interval."""
    return NONE if math.isnan(estimate.value) else f'{figure(estimate.value)} {bounds(estimate)}'


def difference(estimate: Estimate) -> str:
    """A difference, with its sign, and its interval."""
    return NONE if math.isnan(estimate.value) else estimate.signed.replace('-', MINUS)


def compared(contrast: Contrast, *, test: bool = True) -> str:
    """A difference with its interval and its p value.

    Args:
        contrast: of two fusions at one w.
        test: also name test and correction.
    """
    name = f' (permutation over trials, Holm over {contrast.family})' if test else ''
    return f'{difference(contrast.difference)}, p {p_text(contrast.p_holm)}{name}'


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation over seeds.

    Examples:
        >>> spread([0.5, 0.52]), spread([0.5])
        ('0.510 ± 0.014', '0.500')
    """
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return figure(mean)
    deviation = math.sqrt(math.fsum((one - mean) ** 2 for one in values) / (len(values) - 1))
    return f'{figure(mean)} ± {figure(deviation)}'


def listed(items: Sequence[str]) -> str:
    """Items joined as in a sentence.

    Examples:
        >>> listed(['a']), listed(['a', 'b', 'c'])
        ('a', 'a, b and c')
    """
    return ' and '.join(filter(None, [', '.join(items[:-1]), items[-1] if items else '']))


def counted(count: int, unit: str) -> str:
    """How many there are of something.

    Examples:
        >>> counted(1, 'seed'), counted(5, 'seed')
        ('1 seed', '5 seeds')
    """
    return f'{count:,} {unit}' + ('' if count == 1 else 's')


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    lines = [header, ['---', *['---:'] * (len(header) - 1)], *rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)
