from dataclasses import replace
from pathlib import Path

import pytest

from mmaffect.errors import ConfigError
from mmaffect.evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE
from mmaffect.study import material
from mmaffect.study.design import QUICK
from mmaffect.study.table import StudyTable
from tests.study.study_corpora import write_study_corpus

TOOL = Path(__file__).parents[2] / 'tools/analysis/study.py'


def test_finished_runs_are_in_the_table_and_a_failed_one_is_told_at_the_end(tmp_path, run_here, monkeypatch):
    monkeypatch.chdir(tmp_path)
    corpus = write_study_corpus(tmp_path / 'w0.2')
    given = []

    def make(places, settings, jobs, tell):
        given.append((places, settings, jobs))
        return {0.2: str(corpus)}

    monkeypatch.setattr(material, 'make_material', make)
    broken = Path('work_dirs/study_quick/runs/w0.2/concat/seed_3')
    broken.mkdir(parents=True)
    (broken / 'epoch_6.pth').write_bytes(b'of something else')
    status, out, err = run_here(TOOL, '--quick', '--weak', 0.2, '--fusions', 'concat', '--seeds', 2, 3, '--jobs', 1)
    assert status == 1
    assert err.startswith('error: w=0.2, concat, seed 3: ConfigError: ')
    assert len(err.splitlines()) == 1
    assert SYNTHETIC_NOTICE in out
    assert 'w = 0.2: mean CCC' in out
    assert 'example: left out' in out
    assert out.endswith('robustness: left out, since nothing was run at w = 0\n')
    table = StudyTable.load('work_dirs/study_quick/table')
    assert table.seeds(0.2, 'concat') == (2,)
    places, settings, jobs = given[0]
    assert (str(places.data), str(places.encoder_corpus)) == ('data/study_quick', 'data/study_quick/encoders')
    assert settings == replace(QUICK, weak=(0.2,), fusions=('concat',), seeds=(2, 3))
    assert jobs == 1
    # Nothing of a quick study is put beside the documents.
    assert not (tmp_path / 'docs').exists()


def test_a_replication_has_folders_of_its_own(tmp_path, run_here, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = []

    def make(places, settings, jobs, tell):
        given.append((places, settings))
        raise ConfigError('enough')

    monkeypatch.setattr(material, 'make_material', make)
    for arguments in (('--corpus-seed', 3, '--validation', 96), ('--corpus-seed', 2), ('--corpus-seed', 3, '--quick')):
        assert run_here(TOOL, *arguments) == (1, '', 'error: enough\n')
    folders = [(str(places.data), str(places.work_dir), settings.corpus_seed) for places, settings in given]
    assert folders == [
        ('data/study_3', 'work_dirs/study_3', 3),
        ('data/study', 'work_dirs/study', 2),
        ('data/study_quick_3', 'work_dirs/study_quick_3', 3),
    ]
    assert [(settings.trials, settings.validation) for _, settings in given] == [(168, 96), (96, None), (32, None)]


@pytest.mark.parametrize(
    ('arguments', 'line'),
    [
        (['--fusions', 'conkat'], "error: fusion 'conkat'; expected one of audio, visual, concat"),
        (['--validation', '1'], 'error: validation is 1; expected at least 2 trials'),
        (['--weak', '1.5'], 'error: weak 1.5; expected a share of 0, 0.1, ... or 0.9'),
        (['--seeds', '1', '1'], 'error: seeds = 1, 1; expected at least one, each once'),
        (['--robustness-fusions', 'conkat'], "error: fusion 'conkat'; expected one of audio, visual, concat"),
        (['--table', 'damaged'], 'error: damaged/runs.csv, line 1: '),
    ],
)
def test_what_cannot_be_run_is_one_line(tmp_path, run_here, monkeypatch, arguments, line):
    monkeypatch.chdir(tmp_path)
    Path('damaged').mkdir()
    Path('damaged/runs.csv').write_text('no table\n')
    status, out, err = run_here(TOOL, *arguments)
    assert (status, out) == (1, '')
    assert err.startswith(line)
    assert len(err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ['damaged']


def test_jobs_below_one_are_a_usage_error(run_here):
    status, _, err = run_here(TOOL, '--jobs', 0)
    assert status == 2
    assert '--jobs 0: expected at least 1' in err
