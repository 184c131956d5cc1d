"""tools/analysis/robustness.py on a small corpus."""

import json
from pathlib import Path

import pytest
import torch

from mmaffect.engine.running import build_model
from mmaffect.evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE
from tests.corpora import write_corpus
from tests.engine.robustness_models import TRIALS, dumped, saved
from tests.toy_estimators import toy_config

TOOL = 'tools/analysis/robustness.py'
SHORT = ('--device', 'cpu', '--corruptions', 'AudioNoise', 'FaceBlur', '--severities', 4, 2)


@pytest.fixture
def root(tmp_path):
    return write_corpus(tmp_path / 'corpus', TRIALS)


def figures(folder):
    return json.loads((folder / 'robustness.json').read_text())


def test_table_files_and_a_second_call(tmp_path, root, run_here, monkeypatch):
    config, checkpoint = saved(tmp_path, 'toy', 'both', 'elsewhere')
    out = tmp_path / 'out'
    status, printed, _ = run_here(TOOL, config, checkpoint, '--data-root', root, *SHORT, '--out', out)
    assert status == 0
    assert {path.name for path in out.glob('robustness.*')} == {
        f'robustness.{one}' for one in ('csv', 'json', 'md', 'png')
    }
    assert (out / 'robustness.md').read_text() in printed + '\n'
    assert printed.count('| AudioNoise | audio | ') == 3
    assert SYNTHETIC_NOTICE in printed
    assert '4 trials, clean and under 4 conditions' in printed
    assert printed.endswith(f'written: {out}/robustness.csv, .json, .md and .png\n')
    measured = figures(out)['measured']
    assert measured['severities'] == [2, 4]
    assert measured['corruptions'] == {'AudioNoise': 'audio', 'FaceBlur': 'visual'}
    assert set(measured['ccc']) == {'clean', *(f'{one}/{k}' for one in ('AudioNoise', 'FaceBlur') for k in (2, 4))}
    mean = sum(row['mean'] for key, row in measured['ccc'].items() if key != 'clean') / 4
    assert figures(out)['mean_robustness'] == pytest.approx(mean)

    # What is there is not predicted again.
    monkeypatch.setattr('mmaffect.engine.robustness_run.evaluate', None)
    assert run_here(TOOL, config, checkpoint, '--data-root', root, *SHORT, '--out', out)[0] == 0
    assert figures(out)['measured'] == measured
    status, _, error = run_here(TOOL, config, checkpoint, '--data-root', root, *SHORT, '--out', out, '--seed', 5)
    assert status == 1
    assert error == (
        f'error: {out}: has figures of other settings (seed = 0, now 5); give another --out or delete the folder\n'
    )


def test_one_modality_some_trials_and_the_default_folder(tmp_path, root, run_here, monkeypatch):
    config, checkpoint = saved(tmp_path, 'toy', 'visual', root)
    tool = Path(TOOL).resolve()
    monkeypatch.chdir(tmp_path)
    status, printed, _ = run_here(tool, config, checkpoint, *SHORT, '--trials', 2)
    assert status == 0
    assert 'AudioNoise: left out, since the model has no audio stream\n2 trials, clean and under 2' in printed
    assert '| AudioNoise' not in printed
    measured = figures(tmp_path / 'work_dirs/robustness/toy')['measured']
    assert measured['trials'] == 2
    assert measured['left_out'] == {'AudioNoise': 'audio'}


def test_a_fusion_with_its_encoders(tmp_path, root, run_here):
    audio, visual = (saved(tmp_path, case, case, root) for case in ('audio', 'visual'))
    cfg = toy_config('both', root, split='val', features=dict(audio='toy/audio', visual='toy/visual'))
    del cfg.model.visual['backbone'], cfg.model.audio['backbone']
    cfg.model.visual.in_channels, cfg.model.audio.in_channels = 6, 8
    torch.save(build_model(cfg).state_dict(), tmp_path / 'fusion.pth')
    command = (TOOL, dumped(cfg, tmp_path, 'fusion'), tmp_path / 'fusion.pth', *SHORT, '--out', tmp_path / 'out')
    status, _, _ = run_here(*command, '--encoder', *audio, '--encoder', *visual)
    assert status == 0
    assert figures(tmp_path / 'out')['measured']['model'] == 'fusion'
    cached = 'fusion.py: its visual and audio features are cached; expected --encoder CONFIG CHECKPOINT, whose'
    for arguments, line in (
        (command, f'{tmp_path}/{cached}'),
        ((TOOL, *audio, '--encoder', *visual), f'{audio[0]}: the model has its backbones; expected no --encoder'),
        ((*command, '--encoder', *audio), "the model has a stream 'visual'; the encoders give audio"),
    ):
        status, _, error = run_here(*arguments)
        assert status == 1
        assert error.startswith(f'error: {line}'), error
        assert error.count('\n') == 1


def test_what_cannot_be_is_one_line(tmp_path, root, run_here):
    config, checkpoint = saved(tmp_path, 'toy', 'visual', root)
    for arguments, line in (
        (('--corruptions', 'Fog'), "error: corruption 'Fog' is not known; expected one of Audio"),
        (('--corruptions', 'AudioNoise'), 'error: no corruption of visual is given'),
        (('--severities', 0), 'error: severities=[0]; expected different ones of 1 to 5'),
        (('--split', 'test'), f'error: {root}: no valid annotation in 1 trials'),
        (('--data-root', tmp_path), f'error: {tmp_path}: no corpus.json in it'),
        (
            ('--cfg-options', 'test_dataloader.dataset.indices=3'),
            'error: test_dataloader.dataset.indices = 3; expected',
        ),
    ):
        status, _, error = run_here(TOOL, config, checkpoint, *arguments, '--out', tmp_path / 'out')
        assert status == 1, arguments
        assert error.startswith(line), error
        assert error.count('\n') == 1
    assert not (tmp_path / 'out').exists()
    status, _, error = run_here(TOOL, config, tmp_path / 'none.pth')
    assert (status, error) == (1, f'error: {tmp_path}/none.pth: no such file\n')
