"""The page of a study: one HTML file, without requests, to explore its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE
from ..report.facts import figure, whole
from ..report.packing import pack_pixels, pack_times, pack_unit
from ..report.page import build_page, plain, text, write_page
from .extras import Example
from .wording import NOTICE, gates_text

TARGETS = ('mean', 'valence', 'arousal')
ALL, NORMAL, DECOUPLED = 'all', 'normal', 'decoupled'
TESTED = (ALL, NORMAL, DECOUPLED)
"""Subsets of the frames in which fusions are tested against each other."""
GATE_FIGURES = ('auroc', 'low', 'high')
STYLES = ('base.css', 'study.css')
SCRIPTS = ('base.js', 'drawing.js', 'study_charts.js', 'study_rows.js', 'study_traces.js', 'study.js')
TITLE = 'Fusion under weak complementary relationships'


@dataclass(frozen=True)
class PageFusion:
    """A fusion as the page names it.

    Args:
        name: as in the results.
        label: as readers know it.
        group: of the study.
        main: whether it is shown before a reader chooses.
        parameters: of its model.
    """

    name: str
    label: str
    group: str
    main: bool
    parameters: int


@dataclass(frozen=True)
class PageGate:
    """AUROC of a gate in a condition: means over seeds of the value and of the bounds of its interval over trials.

    Args:
        weak, fusion: index of the share w and of the fusion.
        gate, condition: names.
        auroc, low, high: means over seeds.
        seeds: AUROC of each seed.
    """

    weak: int
    fusion: int
    gate: str
    condition: str
    auroc: float
    low: float
    high: float
    seeds: tuple[float, ...]


@dataclass(frozen=True)
class PageRobustness:
    """CCC under corruption at test time.

    Args:
        weak: W' shares w of the corpora that the models were trained on.
        fusions: F' indices of fusions.
        corruptions: C names.
        severities: V, 0 as recorded.
        values: ``(W', F', C, V, 2)``: mean and SD over seeds, of the mean of valence and arousal; NaN where there is
            none.
    """

    weak: tuple[float, ...]
    fusions: tuple[int, ...]
    corruptions: tuple[str, ...]
    severities: tuple[int, ...]
    values: np.ndarray


@dataclass(frozen=True)
class StudyContent:
    """All that the page shows, W shares w, Q subsets of frames, F fusions, P = F (F - 1) / 2 pairs of them.

    Args:
        weak: shares of decoupled time.
        subsets: names of sets of frames, the first three `TESTED`.
        fusions: in the order of tables.
        reference: name of the fusion that others are compared with first.
        figures: ``(W, Q, 3, F, 4)``, of `TARGETS` CCC, low and high of its interval, SD over seeds; NaN where there is
            none.
        differences: ``(W, Q, 3, P, 3)``, the earlier fusion less the later, low and high; in the order of
            ``np.triu_indices(F, 1)``.
        p: ``(W, 3, F, F)``, in the `TESTED` subsets by reference and fusion, corrected among all of a reference.
        facts: what was measured and how, in words.
        command: that makes the results.
        gates, robustness, example: what else was measured.
        title: of the page.
    """

    weak: tuple[float, ...]
    subsets: tuple[str, ...]
    fusions: tuple[PageFusion, ...]
    reference: str
    figures: np.ndarray
    differences: np.ndarray
    p: np.ndarray
    facts: Mapping[str, str]
    command: str
    gates: Sequence[PageGate] = field(default_factory=tuple)
    robustness: PageRobustness | None = None
    example: Example | None = None
    title: str = TITLE


def write_study_page(path: str | Path, content: StudyContent) -> Path:
    """Write one HTML file: CCC against w, differences, gates, robustness, an example and the results.

    Args:
        path: file to write, ``*.html``.
        content: as :func:`mmaffect.study.page_content.study_page_content` computes it.

    Returns:
        ``path``.
    """
    commanded = f'<dt>Command</dt><dd><code>{text(content.command)}</code></dd>'
    facts = ''.join(f'<dt>{text(name)}</dt><dd>{text(said)}</dd>' for name, said in content.facts.items())
    shares = ', '.join(f'{w:g}' for w in content.weak)
    page = build_page(
        'study.html',
        title=content.title,
        styles=STYLES,
        scripts=SCRIPTS,
        data=_data(content),
        places={
            'lead': text(f'{len(content.fusions)} fusions · share w of decoupled time {shares}'),
            'facts': facts + commanded,
            'results': _results(content),
            'gates': '' if content.gates else 'hidden',
            'robustness': 'hidden' if content.robustness is None else '',
            'example': 'hidden' if content.example is None else '',
        },
        notices=[NOTICE, SYNTHETIC_NOTICE],
    )
    return write_page(path, page)


def _data(content: StudyContent) -> dict:
    fusions = content.fusions
    # The more a fusion is looked at, the simpler is its line.
    styled = sorted(range(len(fusions)), key=lambda number: (not fusions[number].main, number))
    tested = [number for number in range(len(fusions)) if np.isfinite(content.p[:, :, number]).any()]
    return {
        'weak': [float(w) for w in content.weak],
        'targets': TARGETS,
        'subsets': content.subsets,
        'tested': TESTED,
        'reference': content.reference,
        'fusions': [
            {
                'name': plain(one.name),
                'label': plain(one.label),
                'single': one.group == 'single',
                'main': one.main,
                'style': styled.index(number),
            }
            for number, one in enumerate(fusions)
        ],
        'figures': _packed(content.figures),
        'differences': _packed(content.differences),
        'p': {str(number): _nested(content.p[:, :, number]) for number in tested},
        'gates': [_gate(gate) for gate in content.gates],
        'gateNotes': {
            str(number): gates_text(gate.gate for gate in content.gates if gate.fusion == number)
            for number in sorted({gate.fusion for gate in content.gates})
        },
        'robustness': content.robustness and _robustness(content.robustness),
        'example': content.example and _example(content.example, [one.name for one in fusions]),
    }


def _packed(values: np.ndarray) -> str:
    """The interval of 1e-4 that a number is in: its middle rounds to the same 3 decimals, and has the same sign."""
    return pack_pixels(np.floor(1e4 * np.round(values, 9)))


def _gate(gate: PageGate) -> dict:
    return {
        'weak': gate.weak,
        'fusion': gate.fusion,
        'gate': plain(gate.gate),
        'condition': plain(gate.condition),
        **{name: _rounded(getattr(gate, name)) for name in GATE_FIGURES},
        'seeds': [_rounded(value, 3) for value in gate.seeds],
    }


def _rounded(value: float, digits: int = 6) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None


def _nested(values: np.ndarray) -> list:
    return [_nested(one) if np.ndim(one) else _rounded(one) for one in values]


def _robustness(found: PageRobustness) -> dict:
    return {
        'weak': [float(w) for w in found.weak],
        'numbers': found.fusions,
        'corruptions': [plain(name) for name in found.corruptions],
        'severities': found.severities,
        'values': _packed(found.values),
    }


def _example(example: Example, names: Sequence[str]) -> dict:
    return {
        'times': pack_times(example.times),
        'spans': [[plain(word), round(begin, 4), round(end, 4)] for word, begin, end in example.spans()],
        'annotated': _packed_affect(example.annotated),
        'predicted': [
            [names.index(name), _packed_affect(of)] for name, of in example.predicted.items() if name in names
        ],
        'gates': [
            [names.index(name), plain(gate), pack_unit(values)]
            for name, gates in example.gates.items()
            if name in names
            for gate, values in gates.items()
        ],
    }


def _packed_affect(affect: Mapping[str, np.ndarray]) -> dict[str, str]:
    return {target: pack_unit(values) for target, values in affect.items()}


def _results(content: StudyContent) -> str:
    """All figures in all frames, and of the mean in normal and decoupled ones."""
    heads = ('Fusion', 'w', 'Parameters', 'CCC, mean', 'SD', 'Valence', 'Arousal', 'Normal', 'Decoupled')
    down = ('', ' data-first="down"')
    head = ''.join(f'<th scope="col"{down[place > 2]}>{name}</th>' for place, name in enumerate(heads))
    places = [content.subsets.index(name) for name in TESTED]
    rows = []
    for share, w in enumerate(content.weak):
        for number, fusion in enumerate(content.fusions):
            found = content.figures[share, places, :, number]
            value, low, high, spread = found[0, 0]
            if not np.isfinite(value):
                continue
            parts = [spread, found[0, 1, 0], found[0, 2, 0], found[1, 0, 0], found[2, 0, 0]]
            interval = f' <small>[{figure(low)}, {figure(high)}]</small>' if np.isfinite(low) else ''
            rows.append(
                f'<tr data-share="{share}"><th scope="row">{text(fusion.label)}</th>{_cell(w, f"{w:g}")}'
                f'{_cell(fusion.parameters, whole(fusion.parameters))}{_cell(value, figure(value) + interval)}'
                f'{"".join(_cell(part, figure(part)) for part in parts)}</tr>'
            )
    return f'<thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody>'


def _cell(value: float, markup: str) -> str:
    return (
        f'<td data-value="{round(float(value), 4):.10g}">{markup}</td>'
        if np.isfinite(value)
        else '<td data-value="">–</td>'
    )
