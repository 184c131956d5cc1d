"""Tables of the document."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..structures import AFFECT
from .claims import REFERENCE, Contrast, StudyClaims
from .extras import Robustness
from .figures import main_fusions
from .further_figures import gate_label, split_words
from .gates import ANY
from .wording import (
    NONE,
    NOTICE,
    bounds,
    compared,
    condition_text,
    difference,
    gates_text,
    level,
    listed,
    markdown_table,
    p_cell,
    spread,
    with_interval,
)

Row = list[str]


def results_table(claims: StudyClaims, weak: float) -> str:
    """Figures of all fusions at one w, and GRJCA against each."""
    against = claims.has(REFERENCE, weak)
    reference = claims.label(REFERENCE)
    header = ['fusion', *AFFECT, 'mean', '95 % interval']
    header += [f'{reference} − fusion', 'p', 'p (Holm)'] if against else []
    rows = []
    family = 0
    for name in claims.fusions(weak):
        cells = [spread(claims.values(name, weak, target)) for target in (*AFFECT, 'mean')]
        row = [claims.label(name), *cells, bounds(claims.ccc(name, weak))]
        if name == REFERENCE:
            row += [NONE] * 3
        elif against:
            found = claims.compare(REFERENCE, name, weak)
            family = found.family
            holm = p_cell(found.p_holm)
            row += [difference(found.difference), p_cell(found.p), f'**{holm}**' if found.significant else holm]
        rows.append([*row, f'{claims.table.runs(weak, name)[0]["parameters"]:,}'])
    note = (
        f'{NOTICE} CCC at w = {level(weak)}: mean ± standard deviation over seeds; intervals of the mean by bootstrap '
        'over trials and seeds.'
    )
    if family:
        note += f' p: paired permutation test over trials, then corrected by Holm over {family}; bold: below 0.05.'
    return block(note, [*header, 'parameters'], rows)


def conditions_table(claims: StudyClaims, weak: float) -> str:
    """CCC of the main fusions by condition."""
    conditions = claims.conditions(weak)
    rows = [
        [claims.label(name), *(with_interval(claims.ccc(name, weak, condition=word)) for word in conditions)]
        for name in main_fusions(claims)
        if claims.has(name, weak)
    ]
    note = (
        f'{NOTICE} CCC, mean of valence and arousal, at w = {level(weak)}, pooled over the frames of each condition, '
        'with 95 % intervals by bootstrap over trials and seeds.'
    )
    return block(note, ['fusion', *map(condition_text, conditions)], rows)


def corpus_table(claims: StudyClaims) -> str:
    """Trials and frames of every w, and the share of each kind of decoupling."""
    conditions = list(dict.fromkeys(word for weak in claims.weak for word in claims.conditions(weak)))
    rows = []
    for weak in claims.weak:
        frames = {word: int(found.sum()) for word, found in claims.table.frames(weak).items()}
        total = sum(frames.values())
        shares = [f'{100 * frames.get(word, 0) / total:.1f} %' for word in conditions]
        rows.append([level(weak), str(len(claims.table.trials(weak))), f'{total:,}', *shares])
    note = f'{NOTICE} Validation trials, their valid frames, and what share of these each condition has.'
    return block(note, ['w', 'trials', 'frames', *map(condition_text, conditions)], rows)


def lead_table(claims: StudyClaims, name: str = REFERENCE) -> str:
    """How the lead of a fusion over the others changes with w."""
    first, *rest = claims.weak
    rows = []
    for other in claims.names:
        if other != name and claims.has(other, first):
            cells = [difference(claims.difference(name, other, first))]
            both = [claims.has(other, weak) and claims.has(name, weak) for weak in rest]
            cells += [
                difference(claims.drop(name, other, weak)) if there else NONE
                for weak, there in zip(rest, both, strict=True)
            ]
            rows.append([claims.label(other), *cells])
    label = claims.label(name)
    note = (
        f'{NOTICE} Lead of {label}: its CCC less that of the fusion of the row at w = {level(first)}, then by how much '
        'that lead is larger at higher w (difference of differences). 95 % intervals by bootstrap over trials and '
        'seeds; no test and no correction.'
    )
    header = ['fusion', f'lead at w = {level(first)}', *(f'change to w = {level(weak)}' for weak in rest)]
    return block(note, header, rows)


def pairs_table(claims: StudyClaims, pairs: Sequence[tuple[str, str]]) -> str:
    """Pairs of fusions, a row each: the difference at every w, and in the mean over all."""
    overall = claims.overall(pairs)
    rows, families = [], set()
    for first, second in pairs:
        found = [claims.compare(first, second, weak) for weak in claims.weak]
        families |= {str(one.family) for one in found if one.known}
        cells = [_pair_cell(one) for one in (*found, overall.get((first, second)))]
        rows.append([f'{claims.label(first)} − {claims.label(second)}', *cells])
    note = (
        f'{NOTICE} CCC of the first less that of the second: 95 % intervals by bootstrap over trials and seeds; p of a '
        f'permutation test over trials, corrected by Holm over {listed(sorted(families))} at each w and over the '
        f'{len(overall)} of this table in the mean. Bold: p below 0.05 and an interval without 0.'
    )
    return block(note, ['', *(f'w = {level(weak)}' for weak in claims.weak), 'mean over w'], rows)


def _pair_cell(found: Contrast | None) -> str:
    if found is None or not found.known:
        return NONE
    text = compared(found, test=False)
    return f'**{text}**' if found.sure else text


def gates_table(claims: StudyClaims, name: str, weak: float) -> str:
    """AUROC of the gates of a fusion, a row a gate, a column a condition."""
    conditions = claims.gate_conditions(weak)
    keys = claims.gate_keys(name, weak)
    rows = [
        [
            gate_label(gate),
            *(
                with_interval(claims.gate(name, gate, word, weak)) if (gate, word) in keys else NONE
                for word in conditions
            ),
            *_shares(claims, name, gate, weak),
        ]
        for gate in claims.gates(name, weak)
    ]
    note = (
        f'{NOTICE} {claims.label(name)} at w = {level(weak)}: AUROC of the share that a gate gives as a detector of '
        f'decoupled frames. {gates_text(claims.gates(name, weak))} 95 % intervals by bootstrap over trials, none '
        'where a single trial has such frames; value and bounds are means over seeds, no test. Share: its mean in '
        'normal and in decoupled frames.'
    )
    return block(note, ['gate', *map(condition_text, conditions), 'share, normal', 'share, decoupled'], rows)


def _shares(claims: StudyClaims, name: str, gate: str, weak: float) -> Row:
    found = [one for one in claims.table.gates(weak, name) if (one['gate'], one['condition']) == (gate, ANY)]
    return [f'{np.mean([one[key] for one in found]):.3f}' for key in ('mean_normal', 'mean_decoupled')]


def robustness_table(claims: StudyClaims, robustness: Robustness, weak: float) -> str:
    """CCC without corruption and its means over severities, a column a corruption."""
    names = [name for name in claims.designs if name in robustness.fusions(weak)]
    rows = []
    for name in names:
        of_each = [robustness.mean(weak, name, corruption) for corruption in robustness.corruptions]
        figures = [robustness.of(weak, name, '', 0), robustness.mean(weak, name), *of_each]
        rows.append([claims.label(name), *(spread(one) if len(one) else NONE for one in figures)])
    note = (
        f'{NOTICE} Trained at w = {level(weak)}, trials of w = 0 corrupted at test time: CCC, mean of valence and '
        f'arousal, clean and as mean over severities 1 to {max(robustness.severities)}; mean ± standard deviation over '
        'seeds.'
    )
    header = ['fusion', 'clean', 'mean over corruptions', *map(split_words, robustness.corruptions)]
    return block(note, header, rows)


def block(note: str, header: Row, rows: list[Row]) -> str:
    """A table below what must be said of it."""
    return f'*{note}*\n\n{markdown_table(header, rows)}'
