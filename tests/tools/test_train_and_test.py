"""The tools as processes, on a corpus of seconds and windows of 20 frames."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.corpora import write_corpus

ROOT = Path(__file__).parents[2]
SMALL = [
    'model.neck.seq_len=20',
    'train_cfg.max_epochs=1',
    *(f'{part}_dataloader.dataset.window=20' for part in ('train', 'val', 'test')),
    *(f'{part}_dataloader.dataset.hop=10' for part in ('train', 'val', 'test')),
]


def run(*arguments, ranks=0, options=(), expect=0):
    """Run a tool; with ``ranks``, under torchrun."""
    launch = [sys.executable]
    if ranks:
        launch += ['-m', 'torch.distributed.run', '--standalone', f'--nproc-per-node={ranks}']
    launcher = ['--launcher', 'pytorch'] if ranks else []
    command = [*launch, *map(str, arguments), *launcher, '--cfg-options', *SMALL, *options]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, env={**os.environ, 'OMP_NUM_THREADS': '1'}
    )
    assert done.returncode == expect, done.stderr[-3000:]
    return done


def figures(work_dir):
    """Figures of the last test."""
    return json.loads(sorted(Path(work_dir).glob('*/*.json'))[-1].read_text().splitlines()[-1])


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp('data') / 'corpus')


@pytest.fixture(scope='module')
def trained(corpus, tmp_path_factory):
    """Work dir after two ranks trained an epoch and one process resumed for another."""
    work = tmp_path_factory.mktemp('work')
    base = ('tools/train.py', 'configs/grjca_demo.py', '--data-root', corpus, '--work-dir', work)
    run(*base, ranks=2)
    assert (work / 'epoch_1.pth').is_file()
    done = run(*base, '--resume', options=['train_cfg.max_epochs=2'])
    assert 'resumed epoch: 1' in done.stdout + done.stderr
    return work


def test_two_ranks_train_without_a_gpu_and_one_resumes(trained):
    first, second = (torch.load(trained / f'epoch_{n}.pth', weights_only=False) for n in (1, 2))
    assert (first['meta']['epoch'], second['meta']['epoch']) == (1, 2)
    assert second['meta']['iter'] > first['meta']['iter']
    key = 'neck.layers.0.W_ha'
    assert not torch.equal(first['state_dict'][key], second['state_dict'][key])


def test_checkpoint_holds_the_corpus_statistics(trained, corpus):
    audio = json.loads((corpus / 'corpus.json').read_text())['audio']
    state = torch.load(trained / 'epoch_2.pth', weights_only=False)['state_dict']
    assert state['data_preprocessor.audio_mean'].item() == pytest.approx(audio['mean'])
    assert state['data_preprocessor.audio_std'].item() == pytest.approx(audio['std'])


def test_figures_do_not_depend_on_batch_workers_or_ranks(trained, corpus, tmp_path):
    base = ('tools/test.py', 'configs/grjca_demo.py', trained / 'epoch_2.pth', '--data-root', corpus, '--work-dir')
    variants = {
        'one': (0, ['test_dataloader.batch_size=1']),
        'workers': (0, ['test_dataloader.batch_size=4', 'test_dataloader.num_workers=2']),
        'ranks': (2, ['test_dataloader.batch_size=4']),
    }
    found = {}
    for name, (ranks, options) in variants.items():
        run(*base, tmp_path / name, ranks=ranks, options=options)
        found[name] = figures(tmp_path / name)
    for name in ('workers', 'ranks'):
        for key in ('CCC/valence', 'CCC/arousal', 'CCC/mean', 'CCC_per_trial/valence', 'RMSE/arousal'):
            assert found[name][key] == pytest.approx(found['one'][key], abs=1e-6)


def test_test_writes_traces(trained, corpus, tmp_path):
    done = run(
        'tools/test.py', 'configs/grjca_demo.py', trained / 'epoch_2.pth', '--data-root', corpus,
        '--work-dir', tmp_path / 'work', '--out', tmp_path / 'traces',
    )  # fmt: skip
    names = {path.name for path in (tmp_path / 'traces').iterdir()}
    assert names == {'about.json', 'd1.csv', 'd1.png', 'd2.csv', 'd2.png'}
    table = done.stdout[done.stdout.index('\ntarget ') :].splitlines()
    assert table[1].split() == ['target', 'CCC', 'PCC', 'RMSE', 'CCC_per_trial']
    assert [row.split()[0] for row in table[2:5]] == ['valence', 'arousal', 'mean']
    assert 'no accuracy on people' in table[-1]


def test_amp_on_the_cpu_and_tensorboard(corpus, tmp_path):
    options = ['visualizer.vis_backends.0.type=TensorboardVisBackend']
    run(
        'tools/train.py',
        'configs/grjca_demo.py',
        '--data-root',
        corpus,
        '--work-dir',
        tmp_path,
        '--amp',
        options=options,
    )
    assert list(tmp_path.rglob('events.out.tfevents*'))
    assert (
        torch.load(tmp_path / 'epoch_1.pth', weights_only=False)['state_dict']['head.fc1.weight'].dtype == torch.float32
    )


def test_resuming_runs_nothing_that_the_checkpoint_holds(trained, corpus, tmp_path):
    checkpoint = torch.load(trained / 'epoch_2.pth', weights_only=False)
    checkpoint['meta']['config'] = f"open({str(tmp_path / 'ran')!r}, 'w')"
    torch.save(checkpoint, tmp_path / 'epoch_2.pth')
    tool = ('tools/train.py', 'configs/grjca_demo.py', '--data-root', corpus, '--work-dir', tmp_path / 'work')
    run(*tool, '--resume', tmp_path / 'epoch_2.pth', options=['train_cfg.max_epochs=3'])
    assert (tmp_path / 'work/epoch_3.pth').is_file()
    assert not (tmp_path / 'ran').exists()


def one_line_error(*arguments, options=()):
    done = run(*arguments, options=options, expect=1)
    assert 'Traceback' not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith('error: ')]
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_without_data_the_way_to_it_is_told(tmp_path):
    line = one_line_error('tools/train.py', 'configs/grjca_affwild2.py', '--data-root', tmp_path / 'none')
    for part in ('Aff-Wild2', 'tools/dataset/prepare_affwild2.py', 'tools/quickstart.sh'):
        assert part in line


@pytest.mark.parametrize(
    ('damage', 'text'),
    [
        (lambda data: data[: len(data) // 2], 'truncated or damaged'),
        (lambda data: b'', '0 bytes'),
        (lambda data: b'<html>not found</html>', 'an HTML page'),
    ],
)
def test_damaged_checkpoint(trained, corpus, tmp_path, damage, text):
    bad = tmp_path / 'bad.pth'
    bad.write_bytes(damage((trained / 'epoch_2.pth').read_bytes()))
    base = ('configs/grjca_demo.py', '--data-root', corpus, '--work-dir', tmp_path / 'work')
    assert text in one_line_error('tools/test.py', base[0], bad, *base[1:])
    assert text in one_line_error('tools/train.py', *base, '--resume', bad)


def test_checkpoint_of_another_model(trained, corpus, tmp_path):
    base = ('--data-root', corpus, '--work-dir', tmp_path)
    options = ['model.neck.num_iters=3']
    for tool in (['tools/test.py', 'configs/grjca_demo.py', trained / 'epoch_2.pth'],
                 ['tools/train.py', 'configs/grjca_demo.py', '--resume', trained / 'epoch_2.pth']):  # fmt: skip
        assert 'a checkpoint of another model' in one_line_error(*tool, *base, options=options)


def test_key_that_does_not_exist(corpus):
    line = one_line_error(
        'tools/train.py', 'configs/grjca_demo.py', '--data-root', corpus, options=['model.neck.iters=3']
    )
    assert 'model.neck.iters' in line
    assert "'num_iters'" in line


@pytest.mark.parametrize(
    ('option', 'text'),
    [
        ('model.neck.num_iters=0', 'num_iters=0'),
        ('train_dataloader.dataset.hop=50', 'hop=50'),
        ('optim_wrapper.optimizer.lr=-1.0', 'Invalid learning rate: -1.0'),
        ('model.neck.seq_len=30', 'model.neck.seq_len = 30: expected the same'),
    ],
)
def test_value_that_does_not_fit(corpus, tmp_path, option, text):
    tool = ('tools/train.py', 'configs/grjca_demo.py', '--data-root', corpus, '--work-dir', tmp_path)
    assert text in one_line_error(*tool, options=[option])


def test_figures_do_not_depend_on_the_order_of_trials(trained, corpus):
    from mmengine.config import DictAction

    from mmaffect.datasets import collate_windows
    from mmaffect.engine.checkpoint import load_weights
    from mmaffect.engine.running import load_config
    from mmaffect.evaluation import CCCMetric
    from mmaffect.registry import DATASETS, MODELS

    options = {key: DictAction._parse_int_float_bool(value) for key, value in (item.split('=') for item in SMALL)}
    cfg = load_config(ROOT / 'configs/grjca_demo.py', options=options, data_root=str(corpus))
    model = MODELS.build(cfg.model).eval()
    load_weights(model, trained / 'epoch_2.pth')
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    found = []
    for order in (range(len(dataset)), reversed(range(len(dataset)))):
        metric = CCCMetric()
        for index in order:
            with torch.no_grad():
                samples = model.test_step(collate_windows([dataset[index]]))
            metric.process({}, [sample.to_dict() for sample in samples])
        found.append(metric.evaluate(len(dataset)))
    assert found[1] == pytest.approx(found[0], abs=1e-6)
