from dataclasses import replace

import pytest

from mmaffect.engine.running import load_config
from mmaffect.errors import ConfigError
from mmaffect.study.design import FUSIONS, GROUPS, LABELS, QUICK, Fusion, StudySettings, runs_of


def test_every_fusion_has_a_config_that_takes_its_options():
    for name, fusion in FUSIONS.items():
        assert fusion.name == name
        assert fusion.group in GROUPS
        assert load_config(fusion.path, options=fusion.options).model.type == 'AffectEstimator', name
    assert len({fusion.label for fusion in FUSIONS.values()}) == len(FUSIONS)
    assert set(LABELS) == set(GROUPS)


def test_ablations_differ_from_grjca_in_what_they_say():
    def neck(name):
        fusion = FUSIONS[name]
        return load_config(fusion.path, options=fusion.options).model.neck

    paper = neck('grjca')
    assert (paper.num_iters, paper.temperature, paper.iteration_gate, paper.stage_gate) == (2, 0.1, True, True)
    for name, key, value in (
        ('grjca_iteration_gate', 'stage_gate', False),
        ('grjca_stage_gate', 'iteration_gate', False),
        ('grjca_m1', 'num_iters', 1),
        ('grjca_m3', 'num_iters', 3),
        ('grjca_t005', 'temperature', 0.05),
        ('grjca_t05', 'temperature', 0.5),
        ('grjca_t1', 'temperature', 1.0),
    ):
        found = neck(name)
        assert found[key] == value
        assert {k: v for k, v in found.items() if k != key} == {
            k: v for k, v in paper.items() if k in found and k != key
        }


def test_a_config_may_be_of_any_folder(tmp_path):
    assert Fusion('mine', 'mine', str(tmp_path / 'mine.py'), 'extension').path == tmp_path / 'mine.py'


def test_a_stopped_study_has_compared_all_fusions():
    runs = runs_of(QUICK)
    assert len(runs) == len(set(runs)) == 12
    assert [seed for *_, seed in runs] == [0] * 6 + [1] * 6
    assert {(weak, fusion) for weak, fusion, _ in runs[:6]} == {(w, f) for w in QUICK.weak for f in QUICK.fusions}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'weak': (1.0,)}, r'weak 1; expected a share of 0, 0\.1, \.\.\. or 0\.9'),
        ({'weak': (0.25,)}, r'weak 0\.25; expected a share'),
        ({'weak': (float('nan'),)}, 'weak nan; expected a share'),
        ({'weak': ()}, 'weak = none; expected at least one'),
        ({'seeds': (1, 1)}, 'seeds = 1, 1; expected at least one, each once'),
        ({'seeds': (-1,)}, 'seed -1; expected 0 to 4294967295'),
        ({'fusions': ('concat', 'conkat')}, "fusion 'conkat'; expected one of audio, visual, concat"),
        ({'epochs': 1}, 'epochs = 1; expected at least 2'),
    ],
)
def test_settings_out_of_range_are_errors(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(StudySettings(), **change)
