"""tools/live.py as a process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mmaffect.apis import get_model
from mmaffect.media import write_video
from mmaffect.traces import Trace

ROOT = Path(__file__).parents[2]
CONFIG = 'configs/grjca_demo.py'


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'untrained.pth'
    torch.save({'state_dict': get_model(ROOT / CONFIG).state_dict(), 'meta': {}}, path)
    return path


@pytest.fixture(scope='module')
def clip(tmp_path_factory):
    """40 grey pictures with their sound."""
    path = tmp_path_factory.mktemp('clip') / 'grey.mp4'
    tone = 0.3 * np.sin(2 * np.pi * 300 * np.arange(25600) / 16000)
    write_video(path, (np.full((96, 128, 3), 120, np.uint8) for _ in range(40)), 25, tone, 16000)
    return path


def live(*arguments):
    return [sys.executable, 'tools/live.py', *map(str, arguments)], {
        'cwd': ROOT,
        'text': True,
        'stdout': subprocess.PIPE,
        'stderr': subprocess.PIPE,
        'env': {**os.environ, 'OMP_NUM_THREADS': '1'},
    }


def test_a_file_as_fast_as_it_goes(clip, weights, tmp_path):
    command, options = live(
        *(clip, '--model', CONFIG, '--weights', weights, '--speed', 'max', '--hop', 8, '--out', tmp_path / 'a.json')
    )
    done = subprocess.run(command, **options, timeout=300)
    assert done.returncode == 0, done.stderr
    trace = Trace.load(tmp_path / 'a.json')
    assert len(trace) == 40
    assert 'no_face' in trace.flags
    assert trace.header['command'].startswith('tools/live.py ')
    assert trace.header['window'] == {'length': 100, 'hop': 8, 'stride': 1, 'schedule': 'delayed', 'delay': 0}
    lines = done.stdout.splitlines()
    assert '40 frames, 40 predicted, 0 with a face, 0 dropped' in lines
    assert lines[-1] == f'written: {tmp_path}/a.json'


def test_an_interrupt_keeps_what_was_predicted(clip, weights, tmp_path):
    out = tmp_path / 'a.csv'
    # At this speed the file would play for two minutes and a half.
    command, options = live(clip, '--model', CONFIG, '--weights', weights, '--speed', 0.01, '--hop', 1, '--out', out)
    with subprocess.Popen(command, **options) as process:
        for line in process.stdout:
            if 'perceived' in line:
                break
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert ' frames, ' in rest
    if out.exists():
        assert 'stopped' in Trace.load(out).flags


@pytest.mark.parametrize('arguments', [(), ('a.mp4', '--camera')])
def test_what_is_followed_must_be_clear(arguments):
    command, options = live(*arguments)
    done = subprocess.run(command, **options, timeout=120)
    assert done.returncode == 2
    assert 'expected a file, or --camera and --microphone' in done.stderr
