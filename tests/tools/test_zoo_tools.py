"""The zoo's files are those that its generator writes; configs and sizes are printed."""

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config

ROOT = Path(__file__).parents[2]
METAFILES = sorted((ROOT / 'configs/metafiles').glob('*.yml'))


def run(*arguments, expect=0):
    done = subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == expect, done.stdout + done.stderr
    return done


@pytest.fixture
def error_of(monkeypatch, capsys):
    """Runs a tool that fails within this process; returns its one line on stderr."""

    def error_of(tool, *arguments):
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(ROOT / tool), run_name='__main__')
        assert end.value.code == 1
        line, rest = capsys.readouterr().err.split('\n', 1)
        assert rest == ''
        return line

    return error_of


def test_the_zoo_is_up_to_date():
    assert run('tools/make_model_zoo.py', '--check').stderr == ''


@pytest.fixture
def copy(tmp_path):
    """Root of a copy of the zoo with two of its models."""
    (tmp_path / 'configs/metafiles').mkdir(parents=True)
    for name in ('model-index.yml', 'model_zoo.md'):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / 'docs/model_cards').mkdir(parents=True)
    for name in ('visual_ir50_affwild2', 'gone'):
        shutil.copy(ROOT / 'docs/model_cards/visual_ir50_affwild2.md', tmp_path / f'docs/model_cards/{name}.md')
    shutil.copytree(ROOT / 'configs/_base_', tmp_path / 'configs/_base_')
    for name in ('audio_vggish_affwild2', 'visual_ir50_affwild2'):
        shutil.copy(ROOT / f'configs/{name}.py', tmp_path / 'configs')
    content = yaml.safe_load((ROOT / 'configs/metafiles/unimodal.yml').read_text())
    content['Models'] = [one for one in content['Models'] if one['Name'] == 'visual_ir50_affwild2']
    content['Models'][0]['Metadata'].update(Parameters=7, FLOPs=8, Window=9, Activations=10)
    (tmp_path / 'configs/metafiles/unimodal.yml').write_text(yaml.safe_dump(content))
    return tmp_path


def test_what_is_out_of_date_is_said(copy):
    lines = run('tools/make_model_zoo.py', '--check', '--root', copy, expect=1).stderr.splitlines()
    assert lines[0] == 'model-index.yml: out of date: -  - configs/metafiles/ca.yml'
    assert lines[1].startswith('model_zoo.md: out of date: ')
    assert lines[
        2
    ] == 'docs/model_cards/visual_ir50_affwild2.md: out of date: -| parameters | 44,369,090; 1,820.6 GFLOPs ' + (
        'a window of 300 frames |'
    )
    assert lines[3] == 'docs/model_cards/gone.md: the card of no model'
    assert lines[4] == 'visual_ir50_affwild2: Parameters 44369090, its metafile says 7'
    assert [line.split()[1] for line in lines[5:8]] == ['FLOPs', 'Window', 'Activations']
    assert lines[8] == 'configs/audio_vggish_affwild2.py: no entry in configs/metafiles'
    assert len(lines) == 10
    (copy / 'configs/visual_ir50_affwild2.py').unlink()
    (copy / 'configs/audio_vggish_affwild2.py').unlink()
    lines = run('tools/make_model_zoo.py', '--check', '--root', copy, expect=1).stderr.splitlines()
    assert lines[3] == 'visual_ir50_affwild2: configs/visual_ir50_affwild2.py does not exist'


def test_measuring_mends_it(copy):
    (copy / 'configs/audio_vggish_affwild2.py').unlink()
    (copy / 'docs/model_cards/gone.md').unlink()
    (copy / 'docs/model_cards/visual_ir50_affwild2.md').unlink()
    run('tools/make_model_zoo.py', '--measure', '--root', copy)
    card = (copy / 'docs/model_cards/visual_ir50_affwild2.md').read_text()
    assert card == (ROOT / 'docs/model_cards/visual_ir50_affwild2.md').read_text()
    sizes = yaml.safe_load((copy / 'configs/metafiles/unimodal.yml').read_text())['Models'][0]['Metadata']
    assert (sizes['Parameters'], sizes['Window']) == (44_369_090, 300)
    assert sizes['FLOPs'] == pytest.approx(2 * 300 * 3.03e9, rel=0.01)
    assert f'| {sizes["Activations"] / 2**30:.2f} |' in (copy / 'model_zoo.md').read_text()
    run('tools/make_model_zoo.py', '--check', '--root', copy)


@pytest.mark.parametrize(
    ('path', 'mode', 'message'),
    [
        (['Form'], '--check', "no 'Form' in its metafile"),
        (['Metadata'], '--measure', "no 'Metadata' in its metafile"),
        (['Metadata', 'Audio Backbone'], '--measure', "no 'Audio Backbone' in its metafile"),
        (['Metadata', 'Activations'], '--check', "no 'Activations' in its metafile; run --measure"),
    ],
)
def test_entries_that_lack_something(copy, error_of, path, mode, message):
    file = copy / 'configs/metafiles/unimodal.yml'
    content = yaml.safe_load(file.read_text())
    node = content['Models'][0]
    for key in path[:-1]:
        node = node[key]
    del node[path[-1]]
    file.write_text(yaml.safe_dump(content))
    assert error_of('tools/make_model_zoo.py', mode, '--root', copy) == f'error: visual_ir50_affwild2: {message}'


@pytest.mark.parametrize('path', METAFILES, ids=lambda path: path.stem)
def test_every_entry_says_where_its_figures_are_from(path):
    content = yaml.safe_load(path.read_text())
    for collection in content['Collections']:
        assert collection['Paper']['URL'].startswith('https://arxiv.org/abs/')
    for model in content['Models']:
        assert model['In Collection'] in [one['Name'] for one in content['Collections']]
        assert model['Weights'] is None or {'Weights Size', 'Weights SHA-256'} <= set(model)
        for result in model['Results']:
            assert result['Split']
            assert result['Reported In']
            assert set(result['Metrics']) == {'CCC valence', 'CCC arousal'}
            assert all(-1 < value < 1 for value in result['Metrics'].values())
        for result in model.get('Measured', []):
            assert result['Split']
            assert result['How']
            assert result['Command']
            for target in ('valence', 'arousal'):
                low, high = result['Metrics'][f'CCC {target} interval']
                assert -1 < low < result['Metrics'][f'CCC {target}'] < high < 1


def test_print_config(tmp_path):
    out = tmp_path / 'whole.py'
    run('tools/print_config.py', 'grjca_demo', '--cfg-options', 'model.neck.num_iters=3', '--out', out)
    cfg = Config.fromfile(out)
    assert cfg.model.neck.num_iters == 3
    assert cfg.train_dataloader.dataset.type == 'AffectDataset'
    assert "default_scope = 'mmaffect'" in run('tools/print_config.py', 'configs/grjca_demo.py').stdout
    error = run('tools/print_config.py', 'grjca_demo', '--cfg-options', 'model.neck.num_iter=3', expect=1).stderr
    assert error.startswith("error: model.neck.num_iter: no such argument of GRJCA; did you mean 'num_iters'?")


def test_get_complexity():
    found = json.loads(run('tools/analysis/get_complexity.py', 'configs/grjca_demo.py', '--json').stdout)
    table = run('tools/analysis/get_complexity.py', 'grjca_demo').stdout.splitlines()
    assert [row.split()[0] for row in table[1:-2]] == list(found['parts'])
    assert table[-2].split()[:2] == ['all', f'{found["parameters"]:,}']
    assert table[-1].endswith(f'{found["activation_bytes_per_window"] / 2**30:.3f} GiB per window')
    assert found['flops_per_frame'] == found['flops_per_window'] / found['frames']
    assert 'does not exist' in run('tools/analysis/get_complexity.py', 'nothing', expect=1).stderr


def test_get_complexity_of_what_does_not_fit(tmp_path, error_of):
    (tmp_path / 'empty.py').write_text('a = 1')
    (tmp_path / 'alone.py').write_text(
        "model = dict(type='AffectEstimator', visual=dict(type='Stream', in_channels=4, batch_norm=True), "
        "head=dict(type='AffectHead', in_channels=4))"
    )
    for arguments, message in (
        ([tmp_path / 'empty.py'], f'{tmp_path}/empty.py: has no model'),
        ([tmp_path / 'alone.py'], f'{tmp_path}/alone.py: has no data loader'),
        (['grjca_demo', '--cfg-options', 'model.neck.seq_len=abc'], "model.neck.seq_len = 'abc': expected an integer"),
        ([tmp_path / 'alone.py', '--cfg-options', 'model.head.in_channels=0'], 'in_channels=0; expected an integer'),
    ):
        error = error_of('tools/analysis/get_complexity.py', *arguments)
        assert error.startswith('error: ')
        assert message in error
