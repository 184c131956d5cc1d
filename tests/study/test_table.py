"""The table of a study: its files, what is refused, and moments against sums over frames."""

import numpy as np
import pytest

from mmaffect.errors import ConfigError
from mmaffect.study.table import StudyTable

CONDITIONS = ('normal', 'noise', 'covered_face')
FILES = ('gates.csv', 'moments.csv', 'runs.csv', 'truth.csv')


def frames(weak, fusion, seed, trials=3):
    """Predicted and true values of every trial, and their conditions; the truth depends on w alone."""
    said = np.random.default_rng([int(10 * weak), sum(map(ord, fusion)), seed])
    true = np.random.default_rng(int(10 * weak))
    found = {}
    for number in range(trials):
        count = 20 + 7 * number
        truth = true.uniform(-1, 1, (count, 2))
        words = true.choice(CONDITIONS[: 2 + number % 2], count)
        found[f't{number}'] = said.uniform(-1, 1, (count, 2)), truth, words
    return found


def record(weak=0.2, fusion='grjca', seed=0, trials=3, gates=()):
    rows = []
    for trial, (said, truth, words) in frames(weak, fusion, seed, trials).items():
        for word in np.unique(words):
            p, t = said[words == word], truth[words == word]
            cov = ((p - p.mean(0)) * (t - t.mean(0))).mean(0)
            own = np.stack((p.mean(0), p.var(0), t.mean(0), t.var(0), cov), axis=1)
            rows.append(
                dict(trial=trial, condition=str(word), frames=len(p), valence=own[0].tolist(), arousal=own[1].tolist())
            )
    numbers = dict(parameters=1234, epochs=3, seconds=4.56)
    return dict(weak=weak, fusion=fusion, seed=seed, trials=rows[::-1], gates=list(gates), **numbers)


def gate(name='audio/iteration_1', condition='any', auroc=0.6123456):
    figures = dict(auroc=auroc, low=0.5, high=float('nan'), mean_normal=0.4, mean_decoupled=0.25)
    return dict(gate=name, condition=condition, frames=40, **figures)


@pytest.fixture
def table():
    gates = [gate('visual/stage_1', 'noise'), gate('visual/stage_1'), gate()]
    runs = [record(0.2, 'rjca', 1), record(0.2, 'grjca', 1, gates=gates), record(0.0), record(0.2, 'grjca', 0)]
    return StudyTable.from_records(runs)


def test_what_is_in_it(table):
    assert table.weak == (0.0, 0.2)
    assert table.fusions(0.2) == ('grjca', 'rjca')
    assert table.fusions(0.4) == ()
    assert table.seeds(0.2, 'grjca') == (0, 1)
    assert table.trials(0.2) == ('t0', 't1', 't2')
    assert table.conditions == ('normal', 'covered_face', 'noise')
    assert table.decoupled == ('covered_face', 'noise')
    assert len(table) == 4
    assert table.runs(0.2, 'rjca') == [dict(seed=1, parameters=1234, epochs=3, seconds=4.6)]
    found = table.gates(0.2, 'grjca')
    assert [(one['seed'], one['gate'], one['condition']) for one in found] == [
        (1, 'audio/iteration_1', 'any'),
        (1, 'visual/stage_1', 'any'),
        (1, 'visual/stage_1', 'noise'),
    ]
    assert found[0]['auroc'] == 0.61235
    assert table.gates(0.0, 'grjca') == []
    for number, (_, _, words) in enumerate(frames(0.2, 'grjca', 0).values()):
        for word, counted in table.frames(0.2).items():
            assert counted[number] == (words == word).sum()


@pytest.mark.parametrize('conditions', [None, ('normal',), ('noise', 'covered_face'), ('covered_face',)])
def test_moments_are_sums_over_frames(table, conditions):
    found = table.moments(0.2, 'grjca', conditions)
    assert found.shape == (2, 3, 2, 6)
    for s, seed in enumerate((0, 1)):
        for t, (said, truth, words) in enumerate(frames(0.2, 'grjca', seed).values()):
            used = np.isin(words, conditions or CONDITIONS)
            for k in range(2):
                p, y = said[used, k], truth[used, k]
                wanted = [len(p), p.sum(), y.sum(), (p**2).sum(), (y**2).sum(), (p * y).sum()]
                np.testing.assert_allclose(found[s, t, k], wanted, atol=2e-5 * max(1, len(p)))
    np.testing.assert_array_equal(table.moments(0.2, 'grjca', conditions, seeds=[1]), found[1:])


def test_files_give_the_same_table_and_the_same_files(table, tmp_path):
    table.write(tmp_path / 'a')
    again = StudyTable.load(tmp_path / 'a')
    again.write(tmp_path / 'b')
    assert sorted(path.name for path in (tmp_path / 'a').iterdir()) == sorted(FILES)
    for name in FILES:
        assert (tmp_path / 'a' / name).read_bytes() == (tmp_path / 'b' / name).read_bytes()
    for weak in table.weak:
        for fusion in table.fusions(weak):
            assert again.runs(weak, fusion) == table.runs(weak, fusion)
            assert repr(again.gates(weak, fusion)) == repr(table.gates(weak, fusion))
            np.testing.assert_array_equal(again.moments(weak, fusion), table.moments(weak, fusion))
    lines = (tmp_path / 'a' / 'moments.csv').read_text().splitlines()
    assert lines[0].startswith('weak,fusion,seed,trial,condition,valence_mean_pred,valence_var_pred,valence_cov,')
    assert lines[1].startswith('0,grjca,0,t0,normal,')
    assert all(len(cell.split('.')[1]) == 5 for cell in lines[1].split(',')[5:])
    # Whatever the order in which the runs came.
    runs = [record(0.0), record(0.2, 'grjca', 0), record(0.2, 'rjca', 1), record(0.2, 'grjca', 1)]
    StudyTable.from_records(runs).write(tmp_path / 'c')
    assert (tmp_path / 'c' / 'moments.csv').read_bytes() == (tmp_path / 'a' / 'moments.csv').read_bytes()


def test_tables_of_several_corpora_are_joined_trial_by_trial():
    first = StudyTable.from_records([record(seed=0), record(seed=1), record(fusion='concat')])
    second = StudyTable.from_records([record(seed=1, trials=2), record(seed=0, trials=2)])
    both = StudyTable.joined(first, second)
    assert len(both) == 2
    names = [f'{n}_{trial}' for n, table in ((1, first), (2, second)) for trial in table.trials(0.2)]
    assert both.trials(0.2) == tuple(names)
    for conditions in (None, ['normal']):
        expected = [table.moments(0.2, 'grjca', conditions) for table in (first, second)]
        np.testing.assert_array_equal(both.moments(0.2, 'grjca', conditions), np.concatenate(expected, axis=1))
    assert both.gates(0.2, 'grjca') == []
    assert both.runs(0.2, 'grjca') == first.runs(0.2, 'grjca')


def test_a_pooled_table_has_a_row_a_trial_and_the_same_figures(table, tmp_path):
    pooled = table.pooled()
    pooled.write(tmp_path)
    again = StudyTable.load(tmp_path)
    assert again.conditions == ('all',)
    assert len(again) == len(table)
    for weak in table.weak:
        assert again.trials(weak) == table.trials(weak)
        for fusion in table.fusions(weak):
            assert again.runs(weak, fusion) == table.runs(weak, fusion)
            assert repr(again.gates(weak, fusion)) == repr(table.gates(weak, fusion))
            expected = table.moments(weak, fusion)
            # Rounded to 5 decimals once more, of every frame.
            apart = np.abs(again.moments(weak, fusion) - expected).max(axis=-1)
            assert (apart <= 4e-5 * expected[..., 0]).all()
    rows = (tmp_path / 'moments.csv').read_text().splitlines()[1:]
    assert len(rows) == sum(len(table.trials(w)) * len(table.runs(w, f)) for w in table.weak for f in table.fusions(w))


def test_an_empty_table(tmp_path):
    StudyTable().write(tmp_path)
    assert StudyTable.load(tmp_path).weak == ()


def test_a_run_takes_the_place_of_an_earlier_one(table):
    before = table.moments(0.2, 'grjca')
    table.add(record(0.2, 'grjca', 1) | dict(parameters=7))
    assert [run['parameters'] for run in table.runs(0.2, 'grjca')] == [1234, 7]
    np.testing.assert_array_equal(table.moments(0.2, 'grjca'), before)
    assert table.gates(0.2, 'grjca') == []
    assert len(table) == 4
    # The only run of a w may come from another corpus.
    table.add(record(0.0, trials=2))
    assert table.trials(0.0) == ('t0', 't1')


def changed(**keys):
    return record() | keys


def spoiled(index, **keys):
    rows = record()['trials']
    rows[index] = rows[index] | keys
    return changed(trials=rows)


@pytest.mark.parametrize(
    ('wrong', 'text'),
    [
        (changed(weak='much'), 'record of a run'),
        ({key: value for key, value in record().items() if key != 'gates'}, "record of a run: KeyError 'gates'"),
        (changed(trials=[]), 'w=0.2, grjca, seed 0: moments (0,); expected 5 of each target'),
        (changed(trials=record()['trials'] * 2), 'once a trial and condition'),
        (spoiled(0, valence=[0, float('nan'), 0, 0, 0]), 'a moment that is not finite'),
        (spoiled(0, arousal=[0, -0.1, 0, 0, 0]), 'a negative variance'),
        (spoiled(0, valence=[0, 0.1, 0, 0.2, 0]), 'w=0.2, grjca, seed 0: other annotations'),
        (spoiled(0, frames=1), 'other trials, conditions or frames'),
        (record(trials=2), 'other trials, conditions or frames'),
    ],
)
def test_wrong_records(table, wrong, text):
    with pytest.raises(ConfigError) as error:
        table.add(wrong)
    assert text in str(error.value)
    assert len(table) == 4


def test_what_is_not_there(table):
    with pytest.raises(ConfigError, match="fusion 'lfan'; expected one of grjca, rjca"):
        table.moments(0.2, 'lfan')
    with pytest.raises(ConfigError, match=r'w=0.4; expected one of 0, 0.2'):
        table.moments(0.4, 'grjca')
    with pytest.raises(ConfigError, match="condition 'rain'; expected one of normal, covered_face, noise"):
        table.moments(0.2, 'grjca', ['rain'])
    with pytest.raises(ConfigError, match=r'seeds \(0, 5\)'):
        table.moments(0.2, 'grjca', seeds=(0, 5))


@pytest.mark.parametrize(
    ('name', 'old', 'new', 'text'),
    [
        ('runs.csv', 'weak,', 'w,', "runs.csv, line 1: 'w,fusion,seed"),
        ('runs.csv', '0,grjca,0,1234', '0,grjca,0', 'runs.csv, line 2: 5 cells; expected 6'),
        ('runs.csv', '0,grjca,0,1234', '0,grjca,0,many', "runs.csv, line 2: parameters 'many'; expected an integer"),
        ('runs.csv', '0,grjca,0,1234', '0,,0,1234', "line 2: fusion ''; expected a word"),
        ('runs.csv', '0,grjca,0,1234', '0.3,grjca,0,1234', 'line 2: weak 0.3; expected one of truth.csv'),
        ('runs.csv', '0.2,grjca,1', '0.2,grjca,0', "line 4: (0.2, 'grjca', 0) for the second time"),
        ('truth.csv', '0.2,t0,normal', '0.2,t0,noise', 'truth.csv, line 10: t0, noise for the second time'),
        ('truth.csv', '0,t1,normal', '0,t9,normal', 'moments.csv, line 4: t1, normal; expected trial and condition'),
        ('moments.csv', '0,grjca,0,t0,normal,', '0,grjca,5,t0,normal,', "line 2: run (0.0, 'grjca', 5); expected one"),
        ('moments.csv', '0,grjca,0,t0,normal,', '0,grjca,0,t0,normal,nan', 'expected a number'),
        ('gates.csv', '0.61235', 'high', "gates.csv, line 2: auroc 'high'; expected a number or nan"),
        ('moments.csv', '0,grjca,0,t0,normal', '0,grjca,0,t0,noise', 'moments.csv, line 3: t0, noise for the second'),
        ('gates.csv', '0.61235', '1.61235', 'gates.csv, line 2: a figure outside [0, 1]'),
        ('gates.csv', 'visual/stage_1,noise', 'visual/stage_1,any', 'gates.csv, line 4: visual/stage_1, any again'),
    ],
)
def test_damaged_files(table, tmp_path, name, old, new, text):
    table.write(tmp_path)
    content = (tmp_path / name).read_text()
    assert old in content
    (tmp_path / name).write_text(content.replace(old, new, 1))
    with pytest.raises(ConfigError) as error:
        StudyTable.load(tmp_path)
    assert text in str(error.value)


def test_a_covariance_that_cannot_be(table, tmp_path):
    table.write(tmp_path)
    lines = (tmp_path / 'moments.csv').read_text().splitlines()
    cells = lines[3].split(',')
    (tmp_path / 'moments.csv').write_text('\n'.join([*lines[:3], ','.join([*cells[:-1], '0.9']), *lines[4:], '']))
    with pytest.raises(ConfigError, match=r'moments.csv, line 4: a covariance that the variances do not allow'):
        StudyTable.load(tmp_path)


def test_a_run_that_lacks_a_row_and_a_missing_file(table, tmp_path):
    table.write(tmp_path)
    lines = (tmp_path / 'moments.csv').read_text().splitlines(keepends=True)
    (tmp_path / 'moments.csv').write_text(''.join(lines[:-1]))
    with pytest.raises(ConfigError, match=r'runs.csv, line 5: 6 rows in moments.csv; expected 7'):
        StudyTable.load(tmp_path)
    (tmp_path / 'truth.csv').unlink()
    with pytest.raises(ConfigError, match=r'truth.csv: no such file; expected the table of a study'):
        StudyTable.load(tmp_path)
