"""The places of the document's template that the results fill."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ..errors import ConfigError
from . import figures, further_figures, tables
from .claims import BEST_SINGLE, LEVEL, PERMUTATIONS, RESAMPLES, StudyClaims
from .design import GROUPS, PUBLISHED
from .extras import Example, Robustness
from .table import StudyTable
from .verdicts import against_all, overall, smallest_lead, verdict
from .wording import NOTICE, compared, difference, level, listed, spread, with_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLACE = re.compile(r'\{\{([^{}]*)\}\}')
COMMENT = re.compile(r'<!--.*?-->\n*', re.DOTALL)


@dataclass
class Filling:
    """Fills a template; each method whose name begins with ``place_`` fills the places that begin with its word.

    Args:
        claims: of the table.
        folder: of the pictures, as the document links to it.
        robustness, example: what lies beside the table.
        replication: table of the same study on other corpora.
    """

    claims: StudyClaims
    folder: str
    robustness: Robustness | None = None
    example: Example | None = None
    replication: StudyTable | None = None
    pictures: dict[str, Figure] = field(default_factory=dict)
    """By file name, those that were asked for."""

    def fill(self, template: str, source: str) -> str:
        """The template with its places filled.

        ``{{if WORD ...}}`` and ``{{end}}``, alone in a line, keep the lines between them only if the table has all that
        is named: fusions, their gates (``grjca_gates``), groups of fusions, shares w, ``robustness``, ``example``,
        ``replication``, ``conditions``.

        Args:
            template: Markdown; comments are left out.
            source: name of the template, for errors.

        Raises:
            ConfigError: if a place cannot be filled; names the line.
        """
        lines, kept = [], [(0, True)]
        # Blank, so that lines keep their numbers.
        template = COMMENT.sub(lambda found: '\n' * found[0].count('\n'), template)
        for number, line in enumerate(template.split('\n'), 1):
            where = f'{source}, line {number}'
            found = re.fullmatch(r'\s*\{\{\s*(if|end)\b([^{}]*)\}\}\s*', line)
            if found and found[1] == 'if':
                kept.append((number, kept[-1][1] and all(self.has(word, where) for word in found[2].split())))
            elif found:
                if len(kept) == 1:
                    raise ConfigError(f'{where}: {{{{end}}}} without {{{{if ...}}}}')
                kept.pop()
            elif '{{' in (rest := PLACE.sub('', line)) or '}}' in rest:
                raise ConfigError(f'{where}: {line.strip()[:60]!r}; expected {{{{...}}}} in one line')
            elif kept[-1][1]:
                lines.append(PLACE.sub(lambda place, where=where: self.place(place[1], where), line))
        if len(kept) > 1:
            raise ConfigError(f'{source}, line {kept[-1][0]}: {{{{if ...}}}} without {{{{end}}}}')
        return re.sub(r'\n{3,}', '\n\n', '\n'.join(lines)).strip() + '\n'

    def place(self, text: str, where: str) -> str:
        """What one place says."""
        known = {
            key.removeprefix('place_').replace('_', ' '): getattr(self, key)
            for key in dir(self)
            if key.startswith('place_')
        }
        words = text.split()
        name = next((name for name in (' '.join(words[:2]), ' '.join(words[:1])) if name in known), None)
        if name is None:
            raise ConfigError(f'{where}: {{{{{text}}}}}; expected one of {", ".join(known)}')
        words = words[len(name.split()) :]
        signature = inspect.signature(known[name])
        try:
            signature.bind(*words)
        except TypeError:
            expected = ' '.join([name, *map(str.upper, signature.parameters)])
            raise ConfigError(f'{where}: {{{{{text}}}}}; expected {{{{{expected}}}}}') from None
        try:
            return known[name](*words)
        except ConfigError as error:
            raise ConfigError(f'{where}: {{{{{text}}}}}: {error}') from None

    def has(self, word: str, where: str) -> bool:
        """Whether what a condition names is there."""
        claims = self.claims
        there = {
            'robustness': self.robustness is not None,
            'example': self.example is not None,
            'replication': self.replication is not None,
            'conditions': len(claims.conditions(claims.weak[-1])) > 1,
            **{group: bool(claims.group(group)) for group in GROUPS},
            **{name: name in claims.names for name in claims.designs},
            **{f'{name}_gates': False for name in claims.designs},
            **{f'{name}_gates': True for w in claims.weak for name in claims.fusions(w) if claims.gates(name, w)},
        }
        if word in there:
            return there[word]
        try:
            return float(word) in claims.weak
        except ValueError:
            raise ConfigError(f'{where}: {word!r}; expected one of {", ".join(there)} or a share w') from None

    def place_notice(self) -> str:
        """What must be said of every figure."""
        return NOTICE

    def place_page(self) -> str:
        """Name of the page beside the document."""
        return f'{self.folder}.html'

    def place_weak(self, weak: str) -> str:
        """A share w."""
        return level(self._weak(weak))

    def place_label(self, fusion: str) -> str:
        """What readers call a fusion."""
        return self.claims.label(self._fusion(fusion))

    def place_parameters(self, fusion: str) -> str:
        """Number of parameters."""
        name = self._fusion(fusion)
        weak = next(w for w in self.claims.weak if self.claims.has(name, w))
        return f'{self.claims.table.runs(weak, name)[0]["parameters"]:,}'

    def place_ccc(self, fusion: str, weak: str, target: str = 'mean') -> str:
        """CCC with its interval."""
        return with_interval(self.claims.ccc(self._fusion(fusion), self._weak(weak, fusion), target))

    def place_condition(self, fusion: str, condition: str, weak: str) -> str:
        """CCC over the frames of a condition, with its interval."""
        return with_interval(self.claims.ccc(self._fusion(fusion), self._weak(weak, fusion), condition=condition))

    def place_difference(self, fusion: str, other: str, weak: str) -> str:
        """Difference of CCC with interval, p value and test."""
        return compared(self.claims.compare(self._fusion(fusion), self._fusion(other), self._weak(weak, fusion)))

    def place_change(self, fusion: str, other: str, weak: str) -> str:
        """How much larger the lead of a fusion is than at the lowest w, with its interval."""
        found = self.claims.drop(self._fusion(fusion), self._fusion(other), self._weak(weak, fusion))
        return f'{difference(found)} (difference of differences, bootstrap over trials and seeds)'

    def place_verdict(self, fusion: str, other: str, *weak: str) -> str:
        """At which w a fusion is better or worse than another."""
        return verdict(self.claims, self._fusion(fusion), self._fusion(other), [self._weak(one) for one in weak])

    def place_against(self, fusion: str, weak: str, *groups: str) -> str:
        """Which others a fusion is better and worse than."""
        return against_all(self.claims, self._fusion(fusion), self._weak(weak, fusion), self._groups(groups))

    def place_overall(self, fusion: str, *groups: str) -> str:
        """Which others a fusion is better and worse than, in the mean over all w."""
        return overall(self.claims, self._fusion(fusion), self._groups(groups))

    def place_smallest_lead(self, fusion: str, *groups: str) -> str:
        """How many others a fusion is better than in the mean over all w, and over which least."""
        return smallest_lead(self.claims, self._fusion(fusion), self._groups(groups))

    def place_extensions(self, weak: str) -> str:
        """Which published fusions every extension is better and worse than."""
        parts = []
        for name in self.claims.group('extension'):
            parts += [self.place_against(name, weak, 'published'), self.place_overall(name, 'published')]
        if not parts:
            raise ConfigError('no extension in the table')
        return '\n\n'.join(parts)

    def place_best(self, weak: str, *groups: str) -> str:
        """The fusion with the highest CCC, and that."""
        w, chosen = self._weak(weak), self._groups(groups)
        names = [one for one in self.claims.fusions(w) if not chosen or self.claims.designs[one].group in chosen]
        if not names:
            raise ConfigError(f'none of {", ".join(chosen)} at w = {level(w)}')
        best = max(names, key=lambda name: self.claims.ccc(name, w).value)
        return f'{self.claims.label(best)} ({with_interval(self.claims.ccc(best, w))})'

    def place_auroc(self, fusion: str, gate: str, condition: str, weak: str) -> str:
        """AUROC of a gate with its interval."""
        return with_interval(self.claims.gate(self._fusion(fusion), gate, condition, self._weak(weak, fusion)))

    def place_robustness(self, fusion: str, weak: str, corruption: str = '') -> str:
        """Mean CCC over severities, of one corruption or of all."""
        robustness = self._robust()
        values = robustness.mean(self._weak(weak), self._fusion(fusion), corruption or None)
        if not len(values):
            raise ConfigError(f'not in robustness.csv; corruptions are {", ".join(robustness.corruptions)}')
        return f'{spread(values)} (standard deviation over seeds)'

    def place_number(self, what: str) -> str:
        """A number of the study."""
        claims, table = self.claims, self.claims.table
        runs = [
            (weak, name, run) for weak in claims.weak for name in claims.fusions(weak) for run in table.runs(weak, name)
        ]
        numbers = {
            'runs': f'{len(runs):,}',
            'fusions': str(len(claims.names)),
            'seeds': _range(len(table.seeds(weak, name)) for weak, name, _ in runs),
            'epochs': _range(run['epochs'] for *_, run in runs),
            'trials': _range(len(table.trials(weak)) for weak in claims.weak),
            'weak': listed([level(weak) for weak in claims.weak]),
            'minutes': f'{sum(run["seconds"] for *_, run in runs) / 60:.0f}',
            'resamples': f'{RESAMPLES:,}',
            'permutations': f'{PERMUTATIONS:,}',
            'level': f'{LEVEL:g}',
        }
        if what not in numbers:
            raise ConfigError(f'{what!r}; expected one of {", ".join(numbers)}')
        return numbers[what]

    def place_replication(self, *place: str) -> str:
        """What a place says of the other corpora; pictures have one name for all."""
        return self._replicated.place(' '.join(place), 'replication')

    def place_both(self, *place: str) -> str:
        """What a place says of the trials of both, each predicted by runs on its own corpus."""
        return self._joined.place(' '.join(place), 'both')

    def place_table(self, weak: str) -> str:
        """Results at one w."""
        return tables.results_table(self.claims, self._weak(weak))

    def place_table_results(self) -> str:
        """Results at every w, each below its heading."""
        parts = [f'### w = {level(weak)}\n\n{tables.results_table(self.claims, weak)}' for weak in self.claims.weak]
        return '\n\n'.join(parts)

    def place_table_corpus(self) -> str:
        """Trials, frames and conditions."""
        return tables.corpus_table(self.claims)

    def place_table_conditions(self, weak: str) -> str:
        """CCC by condition."""
        return tables.conditions_table(self.claims, self._weak(weak))

    def place_table_lead(self, fusion: str) -> str:
        """How the lead of a fusion changes with w."""
        return tables.lead_table(self.claims, self._fusion(fusion))

    def place_table_pairs(self, *pairs: str) -> str:
        """Pairs ``FIRST:SECOND`` of fusions at every w and in the mean over all."""
        return tables.pairs_table(self.claims, self._pairs(pairs))

    def place_table_gates(self, fusion: str, weak: str) -> str:
        """AUROC of gates by condition."""
        return tables.gates_table(self.claims, self._fusion(fusion), self._weak(weak, fusion))

    def place_table_robustness(self, *weak: str) -> str:
        """CCC by corruption, at some w or all that were measured."""
        robustness = self._robust()
        return '\n\n'.join(tables.robustness_table(self.claims, robustness, w) for w in self._corrupted(weak))

    def place_figure_ccc(self) -> str:
        """CCC of the main fusions against w."""
        return self._picture(
            'ccc', figures.ccc_figure(self.claims), 'CCC of the main fusions against w, with intervals'
        )

    def place_figure_hurt(self) -> str:
        """Differences to the better single modality and to concatenation."""
        alt = 'Differences of CCC to the better single modality and to concatenation against w, with intervals'
        return self._picture('hurt', figures.hurt_figure(self.claims), alt)

    def place_figure_forest(self) -> str:
        """Differences of GRJCA to the others."""
        alt = 'Differences of CCC of GRJCA to every other fusion at each w, with intervals'
        return self._picture('forest', figures.forest_figure(self.claims), alt)

    def place_figure_pairs(self, name: str, *pairs: str) -> str:
        """Pairs ``FIRST:SECOND`` of fusions at every w, in a picture of a name."""
        alt = 'Differences of CCC of pairs of fusions at each w, with intervals'
        return self._picture(name, figures.pairs_figure(self.claims, self._pairs(pairs)), alt)

    def place_figure_conditions(self) -> str:
        """CCC by condition at the highest w."""
        alt = 'CCC of the main fusions in normal frames and in each kind of decoupled ones, with intervals'
        return self._picture('conditions', figures.conditions_figure(self.claims), alt)

    def place_figure_sweeps(self) -> str:
        """CCC by number of iterations and by temperature."""
        alt = 'CCC against the number of iterations and the temperature at each w, with intervals'
        return self._picture('sweeps', figures.sweeps_figure(self.claims), alt)

    def place_figure_gates(self, fusion: str) -> str:
        """Gates as detectors."""
        name = self._fusion(fusion)
        alt = f'AUROC of the gates of {self.claims.label(name)} by condition at each w, with intervals'
        return self._picture(f'gates_{name}', further_figures.gates_figure(self.claims, name), alt)

    def place_figure_example(self) -> str:
        """One trial."""
        if self.example is None:
            raise ConfigError('no example.csv beside the table')
        alt = 'Annotation, predictions and gates of one trial, decoupled stretches shaded'
        return self._picture('example', further_figures.example_figure(self.claims, self.example), alt)

    def place_figure_robustness(self, *weak: str) -> str:
        """CCC against severity, at some w or all that were measured."""
        robustness, parts = self._robust(), []
        for w in self._corrupted(weak):
            alt = f'CCC against the severity of each corruption, trained at w = {level(w)}'
            picture = further_figures.robustness_figure(self.claims, robustness, w)
            parts.append(self._picture(f'robustness_{level(w)}', picture, alt))
        return '\n\n'.join(parts)

    def _picture(self, name: str, picture: Figure | None, alt: str) -> str:
        if picture is None:
            raise ConfigError('the table has nothing of it')
        self.pictures[f'{name}.png'] = picture
        return f'![{alt}. {NOTICE}]({self.folder}/{name}.png)'

    @cached_property
    def _replicated(self) -> Filling:
        if self.replication is None:
            raise ConfigError('no replication beside the table')
        return Filling(StudyClaims(self.replication), self.folder, pictures=self.pictures)

    @cached_property
    def _joined(self) -> Filling:
        tables = (self.claims.table, self._replicated.claims.table)
        return Filling(StudyClaims(StudyTable.joined(*tables)), self.folder, pictures=self.pictures)

    def _robust(self) -> Robustness:
        if self.robustness is None:
            raise ConfigError('no robustness.csv beside the table')
        return self.robustness

    def _corrupted(self, weak: Sequence[str]) -> list[float]:
        known = self._robust().weak
        wanted = [self._weak(one) for one in weak] or known
        missing = [level(w) for w in wanted if w not in known]
        if missing:
            raise ConfigError(f'w = {missing[0]}; robustness.csv has {", ".join(map(level, known))}')
        return wanted

    def _fusion(self, name: str) -> str:
        if not self.claims.has(name):
            raise ConfigError(f'fusion {name!r}; expected one of {", ".join([*self.claims.names, BEST_SINGLE])}')
        return name

    def _pairs(self, pairs: Sequence[str]) -> list[tuple[str, str]]:
        found = [pair.split(':') for pair in pairs]
        if not found or any(len(pair) != 2 for pair in found):
            raise ConfigError('expected FIRST:SECOND, one pair or more')
        return [(self._fusion(first), self._fusion(second)) for first, second in found]

    def _weak(self, text: str, fusion: str | None = None) -> float:
        """A share; ``first`` and ``last`` are the lowest and the highest at which a fusion was measured."""
        shares = self.claims.weak
        of_fusion = [w for w in shares if fusion is None or self.claims.has(fusion, w)]
        known = {'first': of_fusion[0], 'last': of_fusion[-1], **{level(w): w for w in shares}}
        if text not in known:
            raise ConfigError(f'w = {text}; expected one of {", ".join(known)}')
        return known[text]

    def _groups(self, groups: Sequence[str]) -> list[str]:
        """Groups; ``published`` are all but ablations and extensions."""
        found = [one for group in groups for one in (PUBLISHED if group == 'published' else (group,))]
        unknown = [group for group in found if group not in GROUPS]
        if unknown:
            raise ConfigError(f'group {unknown[0]!r}; expected one of {", ".join(GROUPS)}, published')
        return found


def _range(values: Iterable[int]) -> str:
    found = sorted(set(values))
    return str(found[0]) if len(found) == 1 else f'{found[0]} to {found[-1]}'
