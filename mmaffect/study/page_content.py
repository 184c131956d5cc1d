"""What the page of a study shows, computed from its table."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from .claims import PERMUTATIONS, REFERENCE, RESAMPLES, StudyClaims
from .design import FUSIONS, PUBLISHED, Fusion
from .drawing import STYLES
from .extras import Example, Robustness
from .further_figures import split_words
from .page import ALL, DECOUPLED, NORMAL, TARGETS, TESTED, PageFusion, PageGate, PageRobustness, StudyContent
from .statistics import holm, mean_ccc, permutation_test, resampled
from .table import StudyTable
from .verdicts import smallest_lead

REFERENCES = (REFERENCE, 'concat')
"""Fusions that the others are tested against, as against all extensions."""
EXTENSION = 'extension'
LEVEL = 0.95
COMMAND = 'python tools/analysis/study.py; python tools/analysis/study_report.py'


def study_page_content(
    table: StudyTable,
    robustness: Robustness | None = None,
    example: Example | None = None,
    replication: StudyTable | None = None,
    *,
    designs: Mapping[str, Fusion] = FUSIONS,
    resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
) -> StudyContent:
    """Compute all figures of the page; the same table gives the same ones.

    Args:
        table: of the study.
        robustness: of the fusions under corruption.
        example: one trial.
        replication: of the same study on other corpora.
        designs: fusions by name, in the order of tables.
        resamples: bootstrap draws of the intervals.
        permutations: exchanges of the tests.

    Raises:
        ConfigError: if the table is empty or has a fusion of another name.
    """
    names = StudyClaims(table, designs).names
    subsets = _subsets(table)
    figures = np.full((len(table.weak), len(subsets), len(TARGETS), len(names), 4), np.nan)
    pairs = len(names) * (len(names) - 1) // 2
    differences = np.full((*figures.shape[:3], pairs, 3), np.nan)
    p = np.full((len(table.weak), len(TESTED), len(names), len(names)), np.nan)
    tested = [name for name in names if name in REFERENCES or designs[name].group == EXTENSION]
    for share, weak in enumerate(table.weak):
        for place, conditions in enumerate(subsets.values()):
            if not sum(table.frames(weak)[word].sum() for word in conditions):
                continue
            moments = {
                (name, seed): one
                for name in table.fusions(weak)
                for seed, one in zip(table.seeds(weak, name), table.moments(weak, name, conditions), strict=True)
            }
            figures[share, place], differences[share, place] = _estimates(moments, names, resamples)
            if place < len(TESTED):
                p[share, place] = _tests(moments, names, tested, permutations)
    return StudyContent(
        weak=table.weak,
        subsets=tuple(subsets),
        fusions=tuple(_fusion(table, name, designs[name]) for name in names),
        reference=REFERENCE if REFERENCE in names else names[0],
        figures=figures,
        differences=differences,
        p=p,
        facts=_facts(table, resamples, permutations) | _elsewhere(replication, designs),
        command=COMMAND,
        gates=_gates(table, names),
        robustness=None if robustness is None else _robustness(robustness, names),
        example=example,
    )


def _robustness(found: Robustness, names: list[str]) -> PageRobustness:
    measured = {name for weak in found.weak for name in found.fusions(weak)}
    fusions = [number for number, name in enumerate(names) if name in measured]
    severities = [0, *found.severities]
    values = np.full((len(found.weak), len(fusions), len(found.corruptions), len(severities), 2), np.nan)
    for at in np.ndindex(values.shape[:-1]):
        share, row, corruption, severity = at
        place = found.weak[share], names[fusions[row]], found.corruptions[corruption], severities[severity]
        values[at] = _spread(found.of(*place))
    axes = (tuple(found.weak), tuple(fusions), tuple(map(split_words, found.corruptions)), tuple(severities))
    return PageRobustness(*axes, values)


def _spread(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of seeds."""
    mean = float(np.mean(values)) if len(values) else np.nan
    return mean, float(np.std(values, ddof=1)) if len(values) > 1 else np.nan


def _subsets(table: StudyTable) -> dict[str, tuple[str, ...]]:
    kinds = table.decoupled
    return {ALL: table.conditions, NORMAL: (NORMAL,), DECOUPLED: kinds, **{kind: (kind,) for kind in kinds}}


def _estimates(
    moments: Mapping[tuple[str, int], np.ndarray], names: list[str], resamples: int
) -> tuple[np.ndarray, np.ndarray]:
    """Figures ``(3, F, 4)`` of the fusions and their differences ``(3, P, 3)``, on the seeds that both have."""
    seeds = {name: tuple(seed for one, seed in moments if one == name) for name in names}
    known: dict[tuple, tuple[np.ndarray, np.ndarray]] = {}

    def drawn(name: str, used: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Figures of the runs ``(3, S)`` and of the draws ``(3, B)``."""
        if (name, used) not in known:
            one = np.stack([moments[name, seed] for seed in used])
            runs = [mean_ccc(one, target) for target in TARGETS]
            parts = [resampled(one, target, resamples) for target in TARGETS[1:]]
            known[name, used] = np.array(runs), np.array([np.mean(parts, axis=0), *parts])
        return known[name, used]

    figures = np.full((len(TARGETS), len(names), 4), np.nan)
    for row, name in enumerate(names):
        if seeds[name]:
            runs, draws = drawn(name, seeds[name])
            spread = runs.std(axis=1, ddof=1) if runs.shape[1] > 1 else np.full(len(runs), np.nan)
            figures[:, row] = np.stack([runs.mean(axis=1), *_bounds(draws), spread], axis=1)
    pairs = [(a, b) for row, a in enumerate(names) for b in names[row + 1 :]]
    differences = np.full((len(TARGETS), len(pairs), 3), np.nan)
    for row, (a, b) in enumerate(pairs):
        common = tuple(seed for seed in seeds[a] if seed in seeds[b])
        if common:
            (runs, draws), (other, others) = drawn(a, common), drawn(b, common)
            value = runs.mean(axis=1) - other.mean(axis=1)
            differences[:, row] = np.stack([value, *_bounds(draws - others)], axis=1)
    return figures, differences


def _bounds(draws: np.ndarray) -> np.ndarray:
    """Low and high ``(2, K)`` of draws ``(K, B)``, without those that are undefined."""
    percent = [50 * (1 - LEVEL), 50 * (1 + LEVEL)]
    if np.isfinite(draws).all():
        return np.percentile(draws, percent, axis=1)
    kept = [row[np.isfinite(row)] for row in draws]
    return np.array([np.percentile(row, percent) if len(row) else [np.nan] * 2 for row in kept]).T


def _tests(
    moments: Mapping[tuple[str, int], np.ndarray], names: list[str], tested: Collection[str], permutations: int
) -> np.ndarray:
    """Corrected p ``(F, F)`` by reference and fusion."""
    found = np.full((len(names), len(names)), np.nan)
    for reference in tested:
        at = names.index(reference)
        for row, name in enumerate(names):
            common = [seed for one, seed in moments if one == reference and (name, seed) in moments]
            if row == at or not common:
                continue
            if np.isfinite(found[row, at]):
                found[at, row] = found[row, at]
                continue
            a, b = (np.stack([moments[one, seed] for seed in common]) for one in (name, reference))
            found[at, row] = permutation_test(a, b, resamples=permutations)
    return np.array([holm(row) for row in found])


def _fusion(table: StudyTable, name: str, design: Fusion) -> PageFusion:
    runs = next(table.runs(weak, name) for weak in table.weak if name in table.fusions(weak))
    main = name in STYLES or design.group == EXTENSION
    return PageFusion(name, design.label, design.group, main, runs[0]['parameters'])


def _facts(table: StudyTable, resamples: int, permutations: int) -> dict[str, str]:
    runs = [(weak, name) for weak in table.weak for name in table.fusions(weak)]
    seeds = sorted({seed for run in runs for seed in table.seeds(*run)})
    epochs = sorted({one['epochs'] for run in runs for one in table.runs(*run)})
    trials = sorted({len(table.trials(weak)) for weak in table.weak})
    return {
        'Runs': f'{len(table)}, each with a share w of decoupled time, a fusion and a seed',
        'Seeds': ', '.join(map(str, seeds)),
        'Validation trials': ' to '.join(map(str, dict.fromkeys((trials[0], trials[-1])))),
        'Epochs': ' to '.join(map(str, dict.fromkeys((epochs[0], epochs[-1])))),
        'Figure': 'mean over seeds of the CCC pooled over all valid frames, after the last epoch; mean is that of '
        'valence and arousal',
        'Intervals': f'95 %, percentile bootstrap over trials and seeds, {resamples} draws, the same for all fusions',
        'Tests': f'paired permutation of two fusions within the trials, {permutations} exchanges, two-sided, '
        'against GRJCA, concatenation and each extension; corrected by Holm among all comparisons with one reference '
        'at one w in one set of frames',
    }


def _elsewhere(replication: StudyTable | None, designs: Mapping[str, Fusion]) -> dict[str, str]:
    if replication is None:
        return {}
    claims = StudyClaims(replication, designs)
    trials = len(replication.trials(claims.weak[0]))
    leads = [smallest_lead(claims, name, PUBLISHED) for name in claims.group(EXTENSION)]
    return {'On other people': ' '.join([f'{len(replication)} runs, {trials} validation trials.', *leads])}


def _gates(table: StudyTable, names: list[str]) -> list[PageGate]:
    found: list[PageGate] = []
    for share, weak in enumerate(table.weak):
        for name in names:
            runs: dict[tuple[str, str], list[dict]] = {}
            if name in table.fusions(weak):
                for gate in table.gates(weak, name):
                    runs.setdefault((gate['gate'], gate['condition']), []).append(gate)
            for (gate, condition), seeds in runs.items():
                means = (float(np.mean([one[figure] for one in seeds])) for figure in ('auroc', 'low', 'high'))
                own = tuple(one['auroc'] for one in seeds)
                found.append(PageGate(share, names.index(name), gate, condition, *means, own))
    return found
