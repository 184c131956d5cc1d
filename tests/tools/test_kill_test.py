"""The short form of tools/analysis/kill_test.py: the released recipe on a corpus of seconds, killed and resumed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from tests.corpora import write_corpus
from tools.analysis.kill_test import KINDS, differences, plan

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    """GRJCA of the demo with everything that decides by the validation, in quick succession."""
    folder = tmp_path_factory.mktemp('kill')
    cfg = Config.fromfile(ROOT / 'configs/grjca_demo.py')
    cfg.model.neck.seq_len = 20
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.update(data_root=str(write_corpus(folder / 'corpus')), window=20, hop=10)
    cfg.train_dataloader.sampler.reshuffle = False
    cfg.train_cfg.max_epochs = 9
    cfg.param_scheduler = [
        dict(type='SawToothWarmupLR', by_epoch=True, begin=0, end=1, convert_to_iter_based=True),
        dict(type='PlateauLR', monitor='CCC/mean', factor=0.01, patience=0, begin=2),
    ]
    cfg.custom_hooks += [
        dict(type='RevertToBestHook'),
        dict(
            type='GradualReleaseHook',
            groups=[['visual.backbone.output'], ['visual.backbone.stages.3']],
            min_lr=2e-5,
            min_epochs=1,
            frozen_mode='train',
        ),
        # Nothing is such an improvement: it stops three epochs after the release.
        dict(type='EarlyStoppingHook', patience=3, min_delta=2.0),
    ]
    cfg.dump(folder / 'recipe.py')
    return folder / 'recipe.py'


def test_kinds_take_turns_at_moments_in_order():
    moments = plan(iterations=100, kills=12, seed=1)
    assert [moment['kind'] for moment in moments] == list(KINDS) * 3
    assert [moment['iteration'] for moment in moments] == sorted({moment['iteration'] for moment in moments})
    assert moments != plan(iterations=100, kills=12, seed=2)


def test_killed_runs_are_the_unbroken_run(config, tmp_path):
    command = [sys.executable, 'tools/analysis/kill_test.py', config, '--kills', '4', '--iter-interval', '2']
    command += ['--workers', '2', '0', '--work-dir', tmp_path]
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, capture_output=True, text=True, timeout=900, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for workers in (0, 2):
        found = re.search(rf'workers {workers}, killed (\d) times: weights.*bit for bit', done.stdout)
        assert int(found[1]) >= 3, done.stdout
    # The run was one in which there was something to go wrong.
    text = (tmp_path / 'reference' / 'output.log').read_text()
    assert 'release 1 of visual.backbone.stages.3' in text
    assert int(re.search(r'epoch_(\d)', (tmp_path / 'reference' / 'last_checkpoint').read_text())[1]) < 9
    # And a difference would have been seen: one bit of one weight, and one figure.
    last = tmp_path / 'workers_0' / (tmp_path / 'workers_0' / 'last_checkpoint').read_text()
    checkpoint = torch.load(last, weights_only=False)
    weight = checkpoint['state_dict']['head.fc1.weight']
    weight[0, 0] = torch.nextafter(weight[0, 0], torch.tensor(torch.inf))
    torch.save(checkpoint, last)
    log = sorted((tmp_path / 'workers_0').glob('*/vis_data/scalars.json'))[-1]
    line = json.loads(log.read_text().splitlines()[-1])
    log.write_text(json.dumps({**line, 'CCC/mean': 2.0}) + '\n')
    found = differences(tmp_path / 'reference', tmp_path / 'workers_0')
    assert 'state_dict' in found
    assert any('CCC/mean is 2.0' in one for one in found)
