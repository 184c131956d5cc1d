from dataclasses import replace

import pytest
import torch

from mmaffect.demo.conditions import KINDS
from mmaffect.engine.running import build_model, load_config
from mmaffect.errors import ConfigError
from mmaffect.models.necks.precision import time_kernels
from mmaffect.study.design import FUSIONS, GROUPS, LABELS, QUICK, Fusion, StudySettings, runs_of
from mmaffect.study.runs import run_config, run_epochs


def test_every_fusion_has_a_config_that_takes_its_options():
    for name, fusion in FUSIONS.items():
        assert fusion.name == name
        assert fusion.group in GROUPS
        model = build_model(load_config(fusion.path, options=fusion.options))
        assert (model.neck is None) == (fusion.group == 'single'), name
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
        ('grjca_no_norm', 'normalize', False),
        ('grjca_no_dropout', 'dropout', 0.0),
        ('grjca_both', 'gate_input', 'both'),
    ):
        found = neck(name)
        assert found[key] == value
        assert {k: v for k, v in found.items() if k != key} == {
            k: v for k, v in paper.items() if k in found and k != key
        }


def test_parts_of_our_own_fusion_can_be_left_out():
    def built(name):
        fusion = FUSIONS[name]
        return build_model(load_config(fusion.path, options=fusion.options)).neck

    whole = built('precision')
    assert (whole.cross, type(whole.beside).__name__) == (True, 'LowRankJCA')
    assert whole.loss_weight > 0
    assert not built('precision_own').cross
    assert built('precision_unsupervised').loss_weight == 0
    assert whole.rehearsal > 0
    assert built('precision_unrehearsed').rehearsal == 0
    assert type(built('precision_concat').beside).__name__ == 'ConcatFusion'
    # Nothing comes from the frames beside one.
    kernels = time_kernels(5, built('precision_instant').log_widths.exp())
    assert torch.equal(kernels, torch.eye(5).expand(4, 5, 5))


def test_fusions_can_be_told_what_is_decoupled():
    for name in ('concat', 'grjca', 'precision'):
        plain, told = (run_config(0.2, one, 0, 'data', 'work', StudySettings()) for one in (name, f'{name}_told'))
        assert told.model.neck.items() <= plain.model.neck.items()
        for loader in ('train_dataloader', 'val_dataloader'):
            hidden = told[loader].dataset.pop('hidden')
            assert {*hidden.audio, *hidden.visual} == set(KINDS)
            assert set(hidden.visual) == {'covered_face', 'frozen_face'}
            assert plain[loader] == told[loader]


def test_a_longer_training_has_its_epochs():
    settings = StudySettings()
    for name in ('grjca', 'concat'):
        assert run_epochs(f'{name}_long', settings) == 3 * run_epochs(name, settings) == 36
        cfg = run_config(0.2, f'{name}_long', 0, 'data', 'work', settings)
        assert (cfg.train_cfg.max_epochs, cfg.train_cfg.val_begin, cfg.param_scheduler[1].end) == (36, 36, 36)
        assert cfg.default_hooks.checkpoint.interval == 36


def test_a_larger_validation_leaves_the_training_as_it_is():
    larger = StudySettings(corpus_seed=3).with_validation(96)
    assert (larger.trials, larger.validation, larger.corpus_seed) == (168, 96, 3)
    assert larger.with_validation(24) == replace(StudySettings(corpus_seed=3), validation=24)


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
        ({'corpus_seed': -1}, 'corpus_seed -1; expected 0 to 4294967295'),
        ({'fusions': ('concat', 'conkat')}, "fusion 'conkat'; expected one of audio, visual, concat"),
        ({'epochs': 1}, 'epochs = 1; expected at least 2'),
        ({'validation': 95}, 'validation is 95; expected 2 to 88 of 96 trials'),
        ({'trials': 9}, 'trials is 9; expected at least 10'),
    ],
)
def test_settings_out_of_range_are_errors(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(StudySettings(), **change)
