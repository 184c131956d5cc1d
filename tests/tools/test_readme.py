"""What the README shows, as it is written."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mmaffect.datasets.features import FeatureWriter
from mmaffect.registry import MODELS
from tests.corpora import write_corpus

ROOT = Path(__file__).parents[2]
README = (ROOT / 'README.md').read_text(encoding='utf-8')


def blocks(heading, language):
    """Code of a section of the README."""
    section = README.split(f'\n## {heading}\n')[1].split('\n## ')[0]
    return re.findall(rf'```{language}\n(.*?)```', section, re.DOTALL)


@pytest.fixture(scope='module')
def clone(tmp_path_factory):
    """A checkout with the features of a small corpus."""
    root = tmp_path_factory.mktemp('clone')
    shutil.copytree(ROOT / 'configs', root / 'configs')
    shutil.copytree(ROOT / 'tools', root / 'tools')
    trials = [('a1', 'train', 130, True), ('a2', 'train', 60, False), ('b1', 'val', 110, True), ('b2', 'val', 40, True)]
    write_corpus(root / 'data/demo', trials)
    for modality in ('visual', 'audio'):
        writer = FeatureWriter(root / f'data/demo/features/demo/{modality}', {})
        for n, (trial, _, frames, _) in enumerate(trials):
            writer.write(trial, np.random.default_rng(n).normal(size=(frames, 64)).astype(np.float32))
    return root


def shell(root, line):
    path = f'{Path(sys.executable).parent}:{os.environ["PATH"]}'
    environment = {**os.environ, 'PATH': path, 'OMP_NUM_THREADS': '1'}
    return subprocess.run(['bash', '-c', line], cwd=root, env=environment, capture_output=True, text=True, timeout=300)


def test_own_neck(clone):
    neck, config = blocks('Your own fusion neck', 'python')
    assert len(neck.splitlines()) <= 30
    (clone / 'my_fusion.py').write_text(neck)
    (clone / 'configs/comparison/shared_demo.py').write_text(config)
    (lines,) = blocks('Your own fusion neck', 'bash')
    train, compare = lines.strip().splitlines()
    done = shell(clone, train)
    assert done.returncode == 0, done.stderr
    assert (clone / 'work_dirs/shared_demo/epoch_12.pth').is_file()

    done = shell(clone, compare)
    assert done.returncode == 0, done.stderr
    assert re.search(r'\| shared_demo \| -?\d\.\d{3} ± \d\.\d{3} \|', done.stdout)
    assert re.search(r'\| grjca_demo \| -?\d\.\d{3} ± \d\.\d{3} \|', done.stdout)
    assert 'no accuracy on people' in done.stdout
    assert (clone / 'work_dirs/compare/comparison.png').stat().st_size > 10_000

    # Finished runs are kept.
    before = {path: path.stat().st_mtime_ns for path in (clone / 'work_dirs/compare').rglob('result.json')}
    assert len(before) == 6
    again = shell(clone, compare)
    assert again.stdout.split('\n\n')[1:] == done.stdout.split('\n\n')[1:]
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_compare_names_what_is_wrong(clone):
    shutil.rmtree(clone / 'data/none', ignore_errors=True)
    done = shell(clone, 'python tools/analysis/compare.py configs/comparison/grjca_demo.py --data-root data/none')
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert 'data/none: no such folder' in done.stderr


def test_backbones_from_elsewhere():
    (code,) = blocks('Backbones from elsewhere', 'python')
    names = {}
    exec(code, names)
    with torch.device('meta'):
        assert MODELS.build(names['visual']).out_channels == 1024
        assert MODELS.build(names['audio']).out_channels == 768
    # A project that need not be installed.
    assert names['resnet']['backbone']['type'] == 'mmpretrain.ResNet'


def test_own_code():
    code = blocks('Use it in your own code', 'python')[0]
    names = {}
    exec(code.split('\nfrom mmaffect.datasets')[0], names)
    assert names['fused'].shape == (2, 300, 384)
