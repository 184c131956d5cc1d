"""Sentences about comparisons, made from their sign and significance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .claims import Contrast, StudyClaims
from .wording import compared, counted, level, listed

SAME, UNSURE, BETTER, WORSE = 'no significant difference', 'unsure', 'better', 'worse'
METHOD = '95 % interval by bootstrap over trials and seeds; permutation test over trials, Holm over'


def outcome(contrast: Contrast) -> str:
    """Whether the first fusion is better, worse or neither, in the test and in the interval; or they disagree.

    Examples:
        >>> from mmaffect.study.statistics import Estimate
        >>> outcome(Contrast(Estimate(-0.2, -0.3, -0.1), 0.001, 0.02, 19))
        'worse'
    """
    if not contrast.significant:
        return SAME
    if not contrast.sure:
        return UNSURE
    return BETTER if contrast.difference.value > 0 else WORSE


def verdict(claims: StudyClaims, first: str, second: str, weak: Sequence[float] = ()) -> str:
    """Say at which w the first fusion is better or worse than the second.

    Args:
        claims: of the table.
        first, second: names of fusions.
        weak: shares of decoupled time; none: all at which both were measured.
    """
    shared = [w for w in weak or claims.weak if claims.has(first, w) and claims.has(second, w)]
    compared_at = {w: claims.compare(first, second, w) for w in shared}
    found = {w: one for w, one in compared_at.items() if one.known}
    a, b = claims.label(first), claims.label(second)
    sentences = {
        SAME: f'no significant difference between {a} and {b}',
        UNSURE: f'{a} and {b} differ as trained here, but the interval over seeds too holds 0',
        BETTER: f'{a} is better than {b}',
        WORSE: f'{a} is worse than {b}',
    }
    parts = []
    for kind, sentence in sentences.items():
        of_kind = {w: one for w, one in found.items() if outcome(one) == kind}
        if of_kind:
            numbers = [compared(one, test=False) for one in of_kind.values()]
            if len(of_kind) > 1:
                numbers = [f'w = {level(w)}: {one}' for w, one in zip(of_kind, numbers, strict=True)]
            where = listed([level(w) for w in of_kind])
            parts.append((min(of_kind), f'At w = {where}: {sentence} ({"; ".join(numbers)}).'))
    if not parts:
        return f'{a} and {b} were not measured at the same w with the same seeds.'
    families = sorted({one.family for one in found.values()})
    test = f'CCC of {a} less that of {b}; {METHOD} {listed(list(map(str, families)))}'
    return ' '.join([*(text for _, text in sorted(parts)), f'({test}{" at each w" if len(found) > 1 else ""}.)'])


def against_all(claims: StudyClaims, name: str, weak: float, groups: Sequence[str] = ()) -> str:
    """Say as a list which others a fusion is better than, which it is worse than, and which neither.

    Args:
        claims: of the table.
        name: of the fusion.
        weak: share of decoupled time.
        groups: of the others; none: all.
    """
    found = {other: claims.compare(name, other, weak) for other in claims.fusions(weak) if other != name}
    return _listed(claims, name, found, groups, f'At w = {level(weak)}')


def overall(claims: StudyClaims, name: str, groups: Sequence[str] = ()) -> str:
    """As :func:`against_all`, of the mean over all w; p values are corrected over what is listed."""
    return _listed(claims, name, _overall(claims, name, groups), groups, _mean_over(claims))


def smallest_lead(claims: StudyClaims, name: str, groups: Sequence[str] = ()) -> str:
    """Say in a sentence how many others a fusion is better than in the mean over all w, and its smallest lead.

    Arguments as of :func:`overall`, and the same tests.
    """
    found, label = _overall(claims, name, groups), claims.label(name)
    if not found:
        return f'{_mean_over(claims)} nothing was measured beside {label}.'
    better = sum(outcome(one) == BETTER for one in found.values())
    count = f'all {len(found)}' if better == len(found) else f'{better} of {len(found)}'
    other = min(found, key=lambda one: found[one].difference.value)
    return (
        f'{_mean_over(claims)}, {label} is better than {count} others; its smallest lead is that over '
        f'{claims.label(other)} ({compared(found[other], test=False)}; {METHOD} {found[other].family}).'
    )


def _overall(claims: StudyClaims, name: str, groups: Sequence[str]) -> dict[str, Contrast]:
    others = [one for one in claims.names if one != name and (not groups or claims.designs[one].group in groups)]
    return {other: one for (_, other), one in claims.overall([(name, other) for other in others]).items()}


def _mean_over(claims: StudyClaims) -> str:
    return f'In the mean over w = {listed([level(w) for w in claims.weak])}'


def _listed(claims: StudyClaims, name: str, tried: Mapping[str, Contrast], groups: Sequence[str], where: str) -> str:
    label = claims.label(name)
    known = {other: one for other, one in tried.items() if one.known}
    found = {other: one for other, one in known.items() if not groups or claims.designs[other].group in groups}
    if not found:
        return f'{where} nothing was measured beside {label}.'
    lines = [
        f'{where}, {label} against {counted(len(found), "other")} (CCC of {label} less that of the other; '
        f'{METHOD} {next(iter(found.values())).family}):',
        '',
    ]
    texts = {BETTER: 'better than', WORSE: 'worse than', SAME: 'not significantly different from'}
    texts[UNSURE] = 'different as trained here, but with an interval over seeds too that holds 0, from'
    for kind, text in texts.items():
        items = [
            f'{claims.label(one)} ({compared(item, test=False)})'
            for one, item in found.items()
            if outcome(item) == kind
        ]
        if items or kind != UNSURE:
            lines += [f'- {text} {f"{len(items)}:" if items else "none"}', *(f'  - {item}' for item in items)]
    return '\n'.join(lines)
