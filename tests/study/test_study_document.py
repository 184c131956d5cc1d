import re
import shutil
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmaffect.errors import ConfigError
from mmaffect.study.claims import Contrast, StudyClaims
from mmaffect.study.design import FUSIONS
from mmaffect.study.document import document_problems, study_document, write_document
from mmaffect.study.extras import Robustness, read_example, read_robustness
from mmaffect.study.page_content import study_page_content
from mmaffect.study.placeholders import Filling
from mmaffect.study.statistics import Estimate, holm
from mmaffect.study.table import StudyTable
from mmaffect.study.verdicts import against_all, outcome, verdict
from mmaffect.study.wording import NOTICE, compared
from tests.study_material import made_records, made_table, trial_rows, write_example, write_robustness

TEMPLATE = Path(__file__).parents[2] / 'docs/weak_complementarity/template.md'
SHOWN = ('audio', 'visual', 'concat', 'rjca_m2', 'grjca')
INTERVAL = r'[+−]?\d\.\d{3} \[−?\d\.\d{3}, −?\d\.\d{3}\]'


@pytest.fixture(scope='module', autouse=True)
def few_draws():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('mmaffect.study.claims.RESAMPLES', 100)
        patch.setattr('mmaffect.study.claims.PERMUTATIONS', 2000)
        few = partial(study_page_content, resamples=50, permutations=50)
        patch.setattr('mmaffect.study.document.study_page_content', few)
        yield


@pytest.fixture(scope='module')
def claims():
    fusions = ('audio', 'visual', 'concat', 'rjca_m1', 'rjca_m2', 'grjca')
    # The two forms of RJCA draw the same noise, and differ in nothing else.
    records = made_records(fusions=fusions, weak=(0.0, 0.6), seeds=(0, 1), trials=16)
    same = [{**one, 'fusion': 'rjca_m1'} for one in records if one['fusion'] == 'rjca_m2']
    return StudyClaims(StudyTable.from_records([*records, *same]))


def fill(claims, text, **extras):
    return Filling(claims, 'study', **extras).fill(text, 'template.md').strip()


def test_figures_are_those_of_the_frames():
    rng = np.random.default_rng(0)
    truth = [rng.normal(size=(n, 2)) for n in (40, 70, 55)]
    runs, figures = [], []
    for seed in range(2):
        pred = [one + 0.3 * rng.normal(size=one.shape) for one in truth]
        rows = [
            row
            for k, (p, t) in enumerate(zip(pred, truth, strict=True))
            for row in trial_rows(f'trial{k}', np.repeat(['normal', 'noise'], [20, len(p) - 20]), p, t)
        ]
        keys = dict(weak=0.2, fusion='concat', seed=seed, parameters=12345, epochs=3, seconds=1.0, gates=[])
        runs.append(dict(keys, trials=rows))
        p, t = np.concatenate(pred), np.concatenate(truth)
        covariance = ((p - p.mean(0)) * (t - t.mean(0))).mean(0)
        figures.append(2 * covariance / (p.var(0) + t.var(0) + (p.mean(0) - t.mean(0)) ** 2))
    claims = StudyClaims(StudyTable.from_records(runs))
    mean = np.mean(figures)
    assert fill(claims, '{{ccc concat 0.2}}').startswith(f'{mean:.3f} [')
    assert fill(claims, '{{ccc concat 0.2 arousal}}').startswith(f'{np.mean(figures, 0)[1]:.3f} [')
    assert claims.ccc('concat', 0.2).value == pytest.approx(mean, abs=1e-4)
    row = next(line for line in fill(claims, '{{table 0.2}}').splitlines() if line.startswith('| concatenation'))
    deviation = np.mean(figures, axis=1).std(ddof=1)
    assert f'| {mean:.3f} ± {deviation:.3f} |' in row
    assert row.endswith('| 12,345 |')
    assert '| 0.2 | 3 | 165 | 36.4 % | 63.6 % |' in fill(claims, '{{table corpus}}')


def test_sentences_follow_sign_and_significance(claims):
    better = verdict(claims, 'grjca', 'audio')
    assert re.match(rf'At w = 0 and 0\.6: GRJCA is better than audio alone \(w = 0: {INTERVAL}, p [<=] ', better)
    assert better.endswith('permutation test over trials, Holm over 5 at each w.)')
    worse = verdict(claims, 'audio', 'grjca', [0.6])
    assert re.match(rf'At w = 0\.6: audio alone is worse than GRJCA \(−{INTERVAL}, p [<=] ', worse)
    same = verdict(claims, 'rjca_m1', 'rjca_m2')
    assert same.startswith('At w = 0 and 0.6: no significant difference between JCA (RJCA, M = 1) and RJCA, M = 2')
    assert '0.000 [0.000, 0.000], p = 1' in same
    assert 'the better single modality' in verdict(claims, 'grjca', 'best_single')
    lines = against_all(claims, 'rjca_m1', 0.6, ('single', 'fusion')).splitlines()
    assert [line[2:] for line in lines[2:] if line.startswith('- ')] == [
        'better than 2:',
        'worse than 2:',
        'not significantly different from 1:',
    ]
    assert re.fullmatch(rf'  - concatenation \(−{INTERVAL}, p [<=] 0\.\d+\)', lines[6])
    assert sum(line.startswith('  - ') for line in lines) == 5


def test_a_fusion_is_better_only_if_test_and_interval_agree(claims, monkeypatch):
    # The test is of the trained models: two trainings of one fusion can differ in it.
    found = Contrast(Estimate(0.01, -0.001, 0.02), 0.001, 0.01, 5)
    monkeypatch.setattr(claims, 'compare', lambda *names: found)
    assert (outcome(found), found.significant, found.sure) == ('unsure', True, False)
    assert verdict(claims, 'grjca', 'concat', [0.6]).startswith(
        'At w = 0.6: GRJCA and concatenation differ as trained here, but the interval over seeds too holds 0 '
        '(+0.010 [−0.001, 0.020], p = 0.010).'
    )
    lines = against_all(claims, 'grjca', 0.6).splitlines()
    assert lines[2:5] == ['- better than none', '- worse than none', '- not significantly different from none']
    assert lines[5].endswith('holds 0, from 5:')


def test_what_has_no_seed_in_common_is_not_compared():
    records = made_records(weak=(0.0, 0.6), fusions=('audio', 'concat', 'rjca_m2', 'grjca'), seeds=(0, 1), trials=4)
    # The study was stopped: one fusion has another seed, and of the highest w there is one fusion.
    kept = [
        one
        for one in records
        if (one['fusion'] == 'audio' or one['weak'] == 0) and not (one['fusion'] == 'concat' and one['seed'] == 0)
    ]
    kept = [one for one in kept if one['fusion'] != 'grjca' or one['seed'] == 0]
    partial_claims = StudyClaims(StudyTable.from_records(kept))
    found = partial_claims.compare('grjca', 'concat', 0.0)
    assert not found.known
    assert np.isnan(found.difference.value)
    assert partial_claims.compare('grjca', 'audio', 0.0).family == 2
    assert 'Holm over 2' in fill(partial_claims, '{{against grjca last}}')
    assert fill(partial_claims, '{{against grjca last}}').startswith('At w = 0, GRJCA against 2 others')
    assert fill(partial_claims, '{{against grjca 0.6}}') == 'At w = 0.6 nothing was measured beside GRJCA.'
    assert 'with the same seeds' in fill(partial_claims, '{{verdict grjca concat}}')
    assert '| concatenation | – | – |' in fill(partial_claims, '{{table lead grjca}}')
    row = next(line for line in fill(partial_claims, '{{table 0}}').splitlines() if line.startswith('| concat'))
    assert '| – | – | – |' in row
    for place in ('{{figure forest}}', '{{figure hurt}}', '{{figure ccc}}', '{{figure conditions}}'):
        assert fill(partial_claims, place).startswith('![')


def test_overall_is_the_mean_over_all_w(claims):
    others = [name for name in claims.names if name != 'grjca']
    found = {other: one for (_, other), one in claims.overall([('grjca', other) for other in others]).items()}
    assert list(found) == others
    p = [found[other].p for other in others]
    np.testing.assert_allclose([found[other].p_holm for other in others], holm(p))
    mean = np.mean([claims.difference('grjca', 'concat', w).value for w in (0.0, 0.6)])
    assert found['concat'].difference.value == pytest.approx(mean)
    # Exchanged by hand, each trial with all its w.
    sums = [[claims.table.moments(w, name) for w in (0.0, 0.6)] for name in ('grjca', 'concat')]
    rng = np.random.default_rng(5)

    def apart(swapped):
        means = []
        for of in ((0, 1), (1, 0)):
            parts = [np.where(swapped[:, None, None], sums[of[1]][k], sums[of[0]][k]).sum(1) for k in (0, 1)]
            n, p, t, pp, tt, pt = np.moveaxis(np.array(parts), -1, 0)
            below = pp / n - (p / n) ** 2 + tt / n - (t / n) ** 2 + (p / n - t / n) ** 2
            means.append((2 * (pt / n - p * t / n**2) / below).mean())
        return abs(means[0] - means[1])

    measured = apart(np.zeros(16, bool))
    assert measured == pytest.approx(abs(mean))
    share = np.mean([apart(rng.random(16) < 0.5) >= measured - 1e-10 for _ in range(2000)])
    assert found['concat'].p == pytest.approx(share, abs=0.03)
    text = fill(claims, '{{overall grjca single}}')
    assert text.startswith('In the mean over w = 0 and 0.6, GRJCA against 2 others')
    # Corrected over what is listed.
    assert 'Holm over 2' in text


def test_the_smallest_lead_stands_for_all(claims):
    found = claims.overall([('grjca', name) for name in claims.names if name != 'grjca'])
    other, least = min(((pair[1], one) for pair, one in found.items()), key=lambda item: item[1].difference.value)
    better = sum(one.sure and one.difference.value > 0 for one in found.values())
    assert 2 <= better < 5
    assert fill(claims, '{{smallest lead grjca}}') == (
        f'In the mean over w = 0 and 0.6, GRJCA is better than {better} of 5 others; its smallest lead is that over '
        f'{claims.label(other)} ({compared(least, test=False)}; 95 % interval by bootstrap over trials and seeds; '
        'permutation test over trials, Holm over 5).'
    )
    assert 'GRJCA is better than all 2 others' in fill(claims, '{{smallest lead grjca single}}')
    assert fill(claims, '{{smallest lead grjca extension}}').endswith('nothing was measured beside GRJCA.')


def test_pairs_stand_in_a_table(claims):
    *head, first, second = fill(claims, '{{table pairs grjca:concat rjca_m1:rjca_m2}}').splitlines()
    assert head[-2] == '|  | w = 0 | w = 0.6 | mean over w |'
    assert 'Holm over 5 at each w and over the 2 of this table' in head[0]
    cells = [cell.strip() for cell in first.strip('|').split('|')]
    assert cells[0] == 'GRJCA − concatenation'
    for cell, w in zip(cells[1:3], (0.0, 0.6), strict=True):
        assert cell.strip('*') == compared(claims.compare('grjca', 'concat', w), test=False)
        assert cell.startswith('**') == claims.compare('grjca', 'concat', w).sure
    overall = claims.overall([('grjca', 'concat'), ('rjca_m1', 'rjca_m2')])['grjca', 'concat']
    assert cells[3].strip('*') == compared(overall, test=False)
    assert second.count('+0.000 [0.000, 0.000], p = 1') == 3
    single = fill(claims, '{{table pairs grjca:best_single}}').splitlines()[-1]
    means = [claims.ccc('grjca', w).value - max(claims.ccc(m, w).value for m in ('audio', 'visual')) for w in (0, 0.6)]
    assert f'{np.mean(means):+.3f}' in single.split('|')[-2]
    for place in ('{{table pairs}}', '{{table pairs grjca}}', '{{table pairs grjca:concat:ca}}'):
        with pytest.raises(ConfigError, match='expected FIRST:SECOND'):
            fill(claims, place)
    with pytest.raises(ConfigError, match="fusion 'ca'; expected"):
        fill(claims, '{{table pairs grjca:ca}}')


def test_places_of_a_replication(claims):
    other = made_table(weak=(0.0, 0.6), fusions=('concat', 'grjca'), seeds=(0, 1), trials=5)
    text = fill(claims, '{{if replication}}\n{{replication ccc grjca 0.6}}\n{{end}}', replication=other)
    assert text == fill(StudyClaims(other), '{{ccc grjca 0.6}}')
    joined = StudyClaims(StudyTable.joined(claims.table, other))
    text = fill(claims, '{{both table pairs grjca:concat}}', replication=other)
    assert text == fill(joined, '{{table pairs grjca:concat}}')
    assert fill(claims, '{{both number trials}}', replication=other) == '21'
    filling = Filling(claims, 'study', replication=other)
    places = '{{figure pairs own grjca:concat}} {{replication figure pairs other grjca:concat}}'
    assert filling.fill(places, 'template.md').count('](study/') == 2
    assert list(filling.pictures) == ['own.png', 'other.png']
    assert fill(claims, '{{if replication}}\n{{both number trials}}\n{{end}}') == ''
    with pytest.raises(ConfigError, match='no replication beside the table'):
        fill(claims, '{{both number trials}}')
    with pytest.raises(ConfigError, match=r'replication: \{\{ccc ca 0\}\}: fusion'):
        fill(claims, '{{replication ccc ca 0}}', replication=other)


def test_the_lead_is_paired_over_the_same_trials():
    records = made_records(weak=(0.0, 0.6), fusions=('concat', 'grjca'), seeds=(0,), trials=4)
    for one in records:
        if one['weak'] == 0.6:
            one['trials'] = [{**row, 'trial': row['trial'] + 'b'} for row in one['trials']]
    with pytest.raises(ConfigError, match=r'w = 0\.6 and 0: other trials'):
        StudyClaims(StudyTable.from_records(records)).drop('grjca', 'concat', 0.6)


def test_gates_say_what_half_means():
    (record,) = made_records(weak=(0.6,), fusions=('grjca',), seeds=(0,), trials=6)
    other = [{**gate, 'gate': gate['gate'].replace('iteration_1', 'stage_0')} for gate in record['gates']]
    texts = [
        fill(StudyClaims(StudyTable.from_records([{**record, 'gates': gates}])), '{{table gates grjca last}}')
        for gates in (record['gates'], other)
    ]
    assert ['unattended features: above 0.5 it is higher' in text for text in texts] == [False, True]


def test_p_values_are_corrected_within_all_of_a_fusion(claims):
    others = [name for name in claims.names if name != 'concat']
    found = [claims.compare('concat', name, 0.6) for name in others]
    raw = np.array([one.p for one in found])
    order = np.argsort(raw, kind='stable')
    stepped = np.minimum(1, np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1)))
    assert np.array([one.p_holm for one in found])[order] == pytest.approx(stepped)
    assert claims.compare('grjca', 'concat', 0.6).p == claims.compare('concat', 'grjca', 0.6).p
    assert 'Holm over 5' in fill(claims, '{{difference concat grjca 0.6}}')


def test_the_lead_is_larger_by_the_difference_of_differences(claims):
    lead = {w: claims.difference('concat', 'grjca', w).value for w in (0.0, 0.6)}
    assert claims.drop('concat', 'grjca', 0.6).value == pytest.approx(lead[0.6] - lead[0.0])
    assert claims.drop('concat', 'grjca', 0.0).value == pytest.approx(0)
    assert re.match(rf'{INTERVAL} \(difference of', fill(claims, '{{change concat grjca last}}'))


def test_places(claims):
    assert (
        fill(claims, 'a {{label grjca}} b {{number weak}} {{number seeds}} {{page}}')
        == 'a GRJCA b 0 and 0.6 2 study.html'
    )
    assert re.fullmatch(rf'concatenation \({INTERVAL}\)', fill(claims, '{{best 0.6 published}}'))
    assert re.fullmatch(INTERVAL, fill(claims, '{{condition grjca silence 0.6}}'))
    assert re.fullmatch(INTERVAL, fill(claims, '{{auroc grjca audio/iteration_1 any last}}'))
    gates = claims.table.gates(0.6, 'grjca')
    own = [one['auroc'] for one in gates if (one['gate'], one['condition']) == ('audio/iteration_1', 'any')]
    assert fill(claims, '{{auroc grjca audio/iteration_1 any 0.6}}').startswith(f'{np.mean(own):.3f} [')


def test_parts_are_kept_if_the_table_has_them(claims):
    parts = ['a', '{{if grjca lfan}}', 'b', '{{end}}', '{{if grjca}}', 'c', '{{if example}}', 'd', '{{end}}', 'e']
    parts += ['{{end}}', '<!-- {{f}} -->', '{{if 0.4}}', 'g', '{{end}}']
    assert fill(claims, '\n'.join(parts)).split() == ['a', 'c', 'e']


@pytest.mark.parametrize(
    ('text', 'error'),
    [
        ('{{ccc concat}}', 'line 3: {{ccc concat}}; expected {{ccc FUSION WEAK TARGET}}'),
        ('{{cccc concat 0}}', 'line 3: {{cccc concat 0}}; expected one of '),
        ('{{ccc mixing 0}}', "line 3: {{ccc mixing 0}}: fusion 'mixing'; expected one of audio, visual"),
        ('{{ccc lfan 0}}', "fusion 'lfan'; expected one of audio"),
        ('{{ccc concat 0.3}}', 'w = 0.3; expected one of first, last, 0, 0.6'),
        ('{{ccc concat 0 joy}}', "target='joy'"),
        ('{{condition grjca fog 0.6}}', "condition 'fog'; expected one of normal"),
        ('{{auroc grjca audio/stage_9 any 0.6}}', 'its gates are audio/iteration_1'),
        ('{{figure robustness}}', 'no robustness.csv'),
        ('{{figure example}}', 'no example.csv'),
        ('{{figure pairs some}}', 'expected FIRST:SECOND'),
        ('{{best 0 all}}', "group 'all'; expected one of single"),
        ('{{number people}}', "'people'; expected one of runs"),
        ('{{difference grjca grjca 0}}', 'grjca against itself'),
        ('{{if robustnes}}\n{{end}}', "line 3: 'robustnes'; expected one of robustness"),
        ('{{if robustness}}', 'line 3: {{if ...}} without {{end}}'),
        ('{{end}}', 'line 3: {{end}} without {{if ...}}'),
        ('{{}}', 'line 3: {{}}; expected one of '),
        ('a {{figure\nccc}}', "line 3: 'a {{figure'; expected {{...}} in one line"),
    ],
)
def test_a_wrong_place_is_told_with_its_line(claims, text, error):
    with pytest.raises(ConfigError, match=re.escape(error)) as found:
        fill(claims, f'<!-- one\ntwo -->\n{text}')
    assert str(found.value).startswith('template.md, line 3: ')


def test_a_table_of_unknown_fusions_is_refused():
    (record,) = made_records(weak=(0.0,), fusions=('concat',), seeds=(0,), trials=2)
    with pytest.raises(ConfigError, match="fusion 'mixing' in the table; expected one of audio"):
        StudyClaims(StudyTable.from_records([{**record, 'fusion': 'mixing'}]))
    with pytest.raises(ConfigError, match='a table without runs'):
        StudyClaims(StudyTable())


@pytest.fixture(scope='module')
def study(tmp_path_factory):
    """A folder with a table, the project's template, and the document beside it."""
    folder = tmp_path_factory.mktemp('docs') / 'study'
    fusions = [name for name in FUSIONS if 'lfan' not in name and name not in ('grjca_released', 'hgrjca_released')]
    made_table(trials=8, seeds=(0, 1), weak=(0.0, 0.6), fusions=fusions).write(folder)
    fewer = ('audio', 'visual', 'concat', 'jca_released', 'rjca_m2', 'grjca', 'precision')
    made_table(trials=10, seeds=(0, 1), weak=(0.0, 0.6), fusions=fewer).pooled().write(folder / 'replication')
    write_robustness(folder / 'robustness.csv', fusions=SHOWN)
    write_example(folder / 'example.csv')
    shutil.copy(TEMPLATE, folder)
    write_document(folder)
    return folder


def test_the_document_of_the_project_can_be_made(study):
    text = (study.parent / 'study.md').read_text()
    assert text.startswith(
        '<!-- tools/analysis/study_report.py writes this file from study/*.csv and study/template.md'
    )
    assert '{{' not in text
    pictures = re.findall(r'!\[([^]]+)\]\(([^)]+)\)', text)
    assert len(pictures) >= 10
    assert '\n## On other people\n' in text
    assert 'others.png' in text
    for alt, name in pictures:
        assert alt.endswith(NOTICE)
        assert cv2.imread(str(study.parent / name)).shape[1] == 1080
    assert {name for _, name in pictures} == {f'study/{path.name}' for path in study.glob('*.png')}
    tables = re.findall(r'(?m)^(.*)\n\n\| (?:.*\|\n)+', text)
    assert len(tables) >= 7
    assert all(line.startswith(f'*{NOTICE}') for line in tables)
    # Every claim has effect, interval and test.
    claims = re.findall(r'(?m)^.*(?:is better than|is worse than|no significant difference between).*$', text)
    assert len(claims) >= 5
    for line in claims:
        assert re.search(rf'{INTERVAL}, p [<=] \d.* permutation test over trials, Holm over \d+', line), line
    pairs = re.findall(r'(?m)^\*.*permutation test over trials, corrected by Holm.*\*\n\n.*\n.*\n((?:\|.*\|\n)+)', text)
    assert len(pairs) == 8
    cells = [cell.strip(' *') for rows in pairs for row in rows.splitlines() for cell in row.split('|')[2:-1]]
    assert len(cells) >= 60
    assert all(re.fullmatch(rf'{INTERVAL}, p [<=] [\d.]+', cell) for cell in cells)
    assert (study.parent / 'study.html').read_text().startswith('<!DOCTYPE html>')


def test_a_document_of_few_fusions_leaves_parts_out(tmp_path):
    made_table(weak=(0.0, 0.6), fusions=('concat', 'rjca_m2', 'grjca'), seeds=(0, 1), trials=4).write(tmp_path)
    text, pictures, _ = study_document(tmp_path, TEMPLATE)
    assert '## Is GRJCA better than other fusions?' in text
    assert '## Does fusion hurt?' not in text
    assert 'T = 0.5' not in text
    assert set(pictures) == {'ccc.png', 'forest.png', 'conditions.png', 'gates_grjca.png'}


@pytest.fixture
def copy(study, tmp_path):
    shutil.copytree(study.parent, tmp_path / 'docs')
    return tmp_path / 'docs' / 'study'


def test_what_is_out_of_date_is_told(copy):
    document = copy.parent / 'study.md'
    document.write_text(document.read_text().replace('| GRJCA | 0.', '| GRJCA | 1.', 1))
    picture = cv2.imread(str(copy / 'ccc.png'))
    picture[200:206, 300:306] = 0
    cv2.imwrite(str(copy / 'ccc.png'), picture)
    cv2.imwrite(str(copy / 'hurt.png'), picture[:-1])
    (copy / 'forest.png').write_text('no picture')
    (copy / 'sweeps.png').rename(copy / 'old.png')
    (copy.parent / 'study.html').unlink()
    found = {Path(line.partition(': ')[0]).name: line.partition(': ')[2] for line in document_problems(copy)}
    assert found.pop('study.md').startswith('out of date: -| GRJCA | 1.')
    assert found.pop('ccc.png').startswith('out of date: root mean square difference ')
    assert found.pop('hurt.png').startswith('out of date: 1080x')
    assert found == {
        'study.html': 'missing',
        'forest.png': 'not a picture',
        'sweeps.png': 'missing',
        'old.png': 'not a picture of the document',
    }


def test_another_number_in_the_table_is_seen_in_text_and_pictures(copy):
    rows = (copy / 'robustness.csv').read_text()
    (copy / 'robustness.csv').unlink()
    write_robustness(copy / 'robustness.csv', fusions=SHOWN, shift=0.004)
    assert (copy / 'robustness.csv').read_text() != rows
    found = {Path(line.partition(': ')[0]).name for line in document_problems(copy)}
    assert found == {'study.md', 'study.html', 'robustness_0.png', 'robustness_0.6.png'}


def test_robustness_is_a_mean_over_severities(tmp_path):
    write_robustness(tmp_path / 'robustness.csv')
    found = read_robustness(tmp_path)
    assert found.weak == [0.0, 0.6]
    assert found.of(0.6, 'grjca', 'FaceBlur', 0) == pytest.approx([0.66, 0.67])
    assert found.mean(0.6, 'grjca', 'AudioNoise') == pytest.approx([0.66 - 0.036, 0.67 - 0.036])
    assert found.mean(0.6, 'grjca') == pytest.approx(found.of(0.6, 'grjca', '', 0) - 0.012 * 3 * 4)
    uneven = Robustness({**found.values, (0.6, 'grjca', 'AudioNoise', 5): (0.1,)})
    with pytest.raises(ConfigError, match='not every seed'):
        uneven.mean(0.6, 'grjca')
    assert read_robustness(tmp_path / 'other') is None


def test_the_example_has_its_columns(tmp_path):
    write_example(tmp_path / 'example.csv')
    found = read_example(tmp_path)
    assert list(found.predicted) == ['concat', 'rjca_m2', 'grjca']
    assert {fusion: len(gates) for fusion, gates in found.gates.items()} == {'grjca': 6}
    assert found.spans()[1] == ('unrelated_voice', pytest.approx(1.6), pytest.approx(4.4))
    assert found.spans()[-1] == ('normal', pytest.approx(12.0), pytest.approx(14.0))
    assert read_example(tmp_path / 'other') is None


@pytest.mark.parametrize(
    ('name', 'old', 'new', 'error'),
    [
        ('robustness.csv', 'corruption', 'noise', 'robustness.csv, line 1: '),
        ('robustness.csv', 'AudioNoise,1', 'AudioNoise,x', 'robustness.csv, line 3: '),
        ('robustness.csv', 'AudioNoise,1', 'AudioNoise,0', 'robustness.csv, line 3: AudioNoise, severity 0'),
        (
            'robustness.csv',
            'AudioNoise,2',
            'AudioNoise,1',
            'robustness.csv, line 4: concat, seed 0, AudioNoise 1 again',
        ),
        ('robustness.csv', 'clean,0,', 'clean,0,1,', 'robustness.csv, line 2: 9 cells; expected 8'),
        ('example.csv', 'concat_arousal', 'concat_joy', 'example.csv, line 1: no column concat_arousal'),
        ('example.csv', 'grjca/audio', 'ca/audio', "example.csv, line 1: column 'ca/audio/iteration_1'"),
        ('example.csv', '0.0400,normal', '0.0400,normal,', 'example.csv, line 3: '),
        ('example.csv', '0.0400,', '?,', "example.csv, line 3: time '?'"),
    ],
)
def test_damaged_files_are_told(tmp_path, name, old, new, error):
    write_robustness(tmp_path / 'robustness.csv')
    write_example(tmp_path / 'example.csv')
    path = tmp_path / name
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ConfigError, match=re.escape(error)):
        {'robustness.csv': read_robustness, 'example.csv': read_example}[name](tmp_path)
