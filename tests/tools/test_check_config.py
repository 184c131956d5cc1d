"""Configs are checked before a run, by a tool of its own and by those that run them."""

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def check(monkeypatch, capsys):
    """Runs the tool within this process; returns its status and the lines on stdout and stderr."""

    def check(*arguments):
        monkeypatch.setattr(sys, 'argv', ['check_config.py', *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(ROOT / 'tools/check_config.py'), run_name='__main__')
        said = capsys.readouterr()
        return end.value.code, said.out.splitlines(), said.err.splitlines()

    return check


def test_configs_that_fit(check):
    path = ROOT / 'configs/grjca_demo.py'
    assert check(path, 'audio_demo', '--data-root', 'elsewhere') == (0, [f'{path}: fits', 'audio_demo: fits'], [])


def test_every_config_gets_its_lines(check, tmp_path):
    shutil.copytree(ROOT / 'configs/_base_', tmp_path / '_base_')
    wrong = tmp_path / 'wrong.py'
    text = (ROOT / 'configs/grjca_demo.py').read_text()
    wrong.write_text(f"{text}\nmodel['neck'].update(temprature=1, num_iters='2')\noptim_warpper = optim_wrapper\n")
    absent = tmp_path / 'absent.py'
    status, out, errors = check(wrong, 'grjca_dmeo', 'audio_demo', absent)
    assert (status, out) == (1, ['audio_demo: fits'])
    assert errors[:2] == [
        f"error: {wrong}: model.neck.num_iters = '2': expected an integer; did you mean 2?",
        f"error: {wrong}: model.neck.temprature: no such argument of GRJCA; did you mean 'temperature'?",
    ]
    assert "'grjca_dmeo'" in errors[2]
    assert 'grjca_demo' in errors[2]
    assert errors[3:] == [f'error: {absent}: no such config file']


def test_values_out_of_range_are_found_by_building(check):
    arguments = ('grjca_demo', '--cfg-options', 'model.neck.temperature=-1')
    assert check(*arguments) == (0, ['grjca_demo: fits'], [])
    status, out, errors = check(*arguments, '--build')
    assert (status, out, len(errors)) == (1, [], 1)
    assert 'temperature=-1; expected more than 0' in errors[0]


@pytest.mark.parametrize(
    ('tool', 'option', 'text'),
    [
        (
            ['tools/train.py'],
            'optim_wrapper.optimizer.type=AdmW',
            "optim_wrapper.optimizer.type = 'AdmW': no such optimizer; did you mean 'AdamW'?",
        ),
        (
            ['tools/test.py', 'none.pth'],
            'model.head.dropout=high',
            "model.head.dropout = 'high': expected a number; the default is 0.8",
        ),
        (
            ['tools/check_config.py'],
            'train_dataloader.dataset.align=center',
            "configs/grjca_demo.py: train_dataloader.dataset.align = 'center': no such value; did you mean 'centre'?",
        ),
    ],
)
def test_tools_stop_before_they_begin(tool, option, text, tmp_path):
    work = [] if 'check_config' in tool[0] else ['--work-dir', str(tmp_path)]
    command = [sys.executable, tool[0], 'configs/grjca_demo.py', *tool[1:], *work, '--cfg-options', option]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (1, f'error: {text}\n')
    assert list(tmp_path.iterdir()) == []
