"""The shell launchers, on two processes without a GPU; Slurm's commands are stood in for by scripts."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.corpora import write_corpus

ROOT = Path(__file__).parents[2]
SMALL = [
    '--cfg-options',
    'model.neck.seq_len=20',
    'train_cfg.max_epochs=1',
    *(f'{part}_dataloader.dataset.window=20' for part in ('train', 'val', 'test')),
    *(f'{part}_dataloader.dataset.hop=10' for part in ('train', 'val', 'test')),
]

# Starts the command behind "bash" once a task, as srun does: so many tasks on each node, on part of the job's nodes.
SRUN = """#!/usr/bin/env bash
echo "$@" >"$SRUN_LOG"
for option in "$@"; do
    case $option in
        --ntasks=*) export SLURM_NTASKS=${option#*=} ;;
        --ntasks-per-node=*) per_node=${option#*=} ;;
    esac
done
while [ "$1" != bash ]; do shift; done
export SLURM_JOB_ID=4021 SLURM_STEP_ID=3 SLURM_NODELIST='node[1-4]' SLURM_STEP_NODELIST='node[3-4]'
for ((i = 0; i < SLURM_NTASKS; i++)); do
    SLURM_PROCID=$i SLURM_LOCALID=$((i % per_node)) SLURM_NODEID=$((i / per_node)) "$@" & pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || status=1; done
exit ${status:-0}
"""
SCONTROL = '#!/usr/bin/env bash\n[ "$*" = "show hostnames node[3-4]" ] && printf "127.0.0.1\\n127.0.0.2\\n"\n'


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path / 'corpus')


@pytest.fixture
def environment(tmp_path):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    tools = tmp_path / 'bin'
    tools.mkdir()
    for name, text in (('srun', SRUN), ('scontrol', SCONTROL)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    path = f'{tools}:{Path(sys.executable).parent}:{os.environ["PATH"]}'
    return {
        **os.environ,
        'PATH': path,
        'PORT': str(port),
        'OMP_NUM_THREADS': '1',
        'SRUN_LOG': str(tmp_path / 'srun.log'),
    }


def run(*command, environment):
    done = subprocess.run([*map(str, command)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def test_torchrun(corpus, tmp_path, environment):
    del environment['PORT']  # a free one is taken
    data = ('--data-root', corpus, '--work-dir', tmp_path / 'work')
    run('bash', 'tools/dist_train.sh', 'configs/grjca_demo.py', 2, *data, *SMALL, environment=environment)
    checkpoint = tmp_path / 'work/epoch_1.pth'
    text = run(
        'bash', 'tools/dist_test.sh', 'configs/grjca_demo.py', checkpoint, 2, *data, *SMALL, environment=environment
    )
    assert text.count('\ntarget ') == 1  # rank 0 alone prints the table


def test_slurm(corpus, tmp_path, environment):
    environment |= {'GPUS': '2', 'GPUS_PER_NODE': '1', 'SRUN_ARGS': '--exclusive', 'CPUS_PER_TASK': '3'}
    data = ('--data-root', corpus, '--work-dir', tmp_path / 'work')
    train = ('bash', 'tools/slurm_train.sh', 'gpu', 'grjca', 'configs/grjca_demo.py')
    run(*train, *data, *SMALL, environment=environment)
    assert (tmp_path / 'work/epoch_1.pth').is_file()
    asked = (tmp_path / 'srun.log').read_text()
    for option in ('-p gpu', '--job-name=grjca', '--gres=gpu:1', '--ntasks=2', '--ntasks-per-node=1', '--exclusive'):
        assert option in asked
    for option in ('--cpus-per-task=3', '--kill-on-bad-exit=1'):
        assert option in asked


def test_environment_of_slurm_tasks(tmp_path, environment):
    (tmp_path / 'bin/python').write_text(
        '#!/bin/sh\necho $SLURM_PROCID $SLURM_LOCALID $MASTER_ADDR $MASTER_PORT "$@" >>"$SRUN_LOG".tasks\n'
    )
    (tmp_path / 'bin/python').chmod(0o755)
    train = ('bash', 'tools/slurm_train.sh', 'gpu', 'job', 'a config.py', '--resume')

    def tasks():
        text = (tmp_path / 'srun.log.tasks').read_text()
        (tmp_path / 'srun.log.tasks').unlink()
        return sorted(text.splitlines())

    run(*train, environment=environment | {'GPUS': '4', 'GPUS_PER_NODE': '2'})
    command = '-u tools/train.py a config.py --launcher slurm --resume'
    port = environment['PORT']
    assert tasks() == [f'{n} {n % 2} 127.0.0.1 {port} {command}' for n in range(4)]
    # Steps of a job and jobs on one host meet at ports of their own.
    del environment['PORT']
    run(*train, environment=environment | {'GPUS': '2'})
    assert tasks() == [f'{n} {n} 127.0.0.1 {15000 + (16 * 4021 + 3) % 15000} {command}' for n in range(2)]


def test_dist_scripts_pass_on_what_mmengine_users_set(tmp_path, environment):
    (tmp_path / 'bin/python').write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / 'bin/python').chmod(0o755)
    nodes = {'NNODES': '2', 'NODE_RANK': '1', 'MASTER_ADDR': 'host'}
    train = ('bash', 'tools/dist_train.sh', 'a.py', 8, '--resume')
    several = run(*train, environment=environment | nodes).split()
    assert (
        several
        == (
            '-m mmaffect.utils.launch --nnodes=2 --node-rank=1 --nproc-per-node=8 --master-addr=host '
            f'--master-port={environment["PORT"]} tools/train.py a.py --launcher pytorch --resume'
        ).split()
    )
    del environment['PORT']
    one = run('bash', 'tools/dist_test.sh', 'a.py', 'a.pth', 2, '--out', 'b', environment=environment).split()
    assert not any('port' in flag for flag in one)
    assert one[-7:] == ['tools/test.py', 'a.py', 'a.pth', '--launcher', 'pytorch', '--out', 'b']


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh'])
def test_usage(script):
    done = subprocess.run(['bash', f'tools/{script}', 'x'], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert f'bash tools/{script}' in done.stderr


def test_slurm_launcher_outside_slurm(corpus):
    command = [sys.executable, 'tools/train.py', 'configs/grjca_demo.py', '--data-root', corpus, '--launcher', 'slurm']
    clean = {key: value for key, value in os.environ.items() if not key.startswith('SLURM')}
    done = subprocess.run([*map(str, command)], cwd=ROOT, env=clean, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith('error: --launcher slurm: the environment has no SLURM_')
