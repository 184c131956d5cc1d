"""What a run tells on the terminal, and what of it is in the log file, in JSON and in TensorBoard."""

import io
import json
import logging
import re
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.logging import MessageHub

from mmaffect.engine.hooks import LoggerHook
from mmaffect.engine.log_processor import LogProcessor
from tests.corpora import write_corpus

ROOT = Path(__file__).parents[2]
OPTIONS = {
    'model.neck.seq_len': 20,
    'train_cfg.max_epochs': 2,
    **{f'{part}_dataloader.dataset.window': 20 for part in ('train', 'val', 'test')},
    **{f'{part}_dataloader.dataset.hop': 10 for part in ('train', 'val', 'test')},
    'optim_wrapper.paramwise_cfg': {'custom_keys': {'visual.backbone': {'lr_mult': 0.1}}},
}


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Terminal, log file, rows of the JSON and TensorBoard's scalars of two epochs of three batches."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from mmaffect.engine.running import build_runner, load_config

    work = tmp_path_factory.mktemp('work')
    corpus = write_corpus(tmp_path_factory.mktemp('data') / 'corpus')
    cfg = load_config(ROOT / 'configs/grjca_demo.py', options=OPTIONS, data_root=str(corpus), work_dir=str(work))
    cfg.visualizer.vis_backends.append(dict(type='TensorboardVisBackend'))
    terminal = io.StringIO()
    with redirect_stdout(terminal):
        build_runner(cfg).train()
    (scalars,) = work.glob('*/vis_data/scalars.json')
    (log,) = work.glob('*/*.log')
    events = EventAccumulator(str(scalars.parent)).Reload()
    return SimpleNamespace(
        terminal=terminal.getvalue(),
        log=log.read_text(),
        rows=[json.loads(line) for line in scalars.read_text().splitlines()],
        tensorboard={
            tag: {event.step: event.value for event in events.Scalars(tag)} for tag in events.Tags()['scalars']
        },
    )


def test_terminal_shows_the_run_and_the_file_its_settings(run):
    lines = run.terminal.splitlines()
    assert len(lines) < 20
    assert re.search(r'weights, 23 windows \(toy, training, fold 0.*in 3 batches, epochs 1 to 2', lines[0])
    assert run.terminal.count('no accuracy on people') == 1
    assert 'Exp name' not in run.log
    settings = ('System environment', 'Hooks will be executed', "type='GRJCA'", 'CCC valence ', 'paramwise_options')
    assert [text in run.log for text in settings] == [True] * 5
    assert [text in run.terminal for text in settings] == [False] * 5
    assert set(re.findall(r'- INFO - (.*)', run.terminal)) <= set(re.findall(r'- INFO - (.*)', run.log))


def test_every_epoch_has_a_line_of_its_training_and_of_its_validation(run):
    lines = run.terminal.splitlines()
    training = [line for line in lines if 'Epoch(train)' in line]
    assert len(training) == 2
    for line in training:
        assert re.search(r'\[3/3\]  .*\blr: \S+ .*eta: \d:\d\d:\d\d  time: .*  loss: \d', line)
    validation = [line for line in lines if 'Epoch(val)' in line]
    assert len(validation) == 2
    for line, row in zip(validation, [row for row in run.rows if 'CCC/mean' in row], strict=True):
        shown = re.findall(r'([A-Z]\w+/\w+): (\S+)', line)
        assert shown == [(f'CCC/{name}', f'{row[f"CCC/{name}"]:.4f}') for name in ('valence', 'arousal', 'mean')]
        two = ' '.join(f'{row[f"gate/audio/iteration_{t}"]:.2f}' for t in (1, 2))
        assert f'gate/audio/iteration: {two}' in line
        assert 'RMSE' not in line
        assert 'RMSE/valence' in row


def test_json_and_tensorboard_hold_the_same(run):
    training = [row for row in run.rows if 'loss' in row]
    validation = [row for row in run.rows if 'loss' not in row]
    assert [row['step'] for row in training] == [3, 6]  # iterations
    assert [row['step'] for row in validation] == [1, 2]  # epochs
    for key in ('lr', 'min_lr', 'max_lr', 'loss', 'time', 'epoch', 'iter'):
        assert all(key in row for row in training)
        assert all(key not in row for row in validation)
    gates = [f'gate/{m}/{g}_{n}' for m in ('audio', 'visual') for g in ('iteration', 'stage') for n in (1, 2)]
    for key in ('CCC/valence', 'CCC/arousal', 'CCC/mean', 'val/time', *gates):
        assert all(key in row for row in validation)
    wanted = {}
    for row in run.rows:
        for key in set(row) - {'step'}:
            wanted.setdefault(key, {})[row['step']] = pytest.approx(row[key], rel=1e-6)
    assert run.tensorboard == wanted


def test_learning_rates_of_all_parts(run):
    first, second = (row for row in run.rows if 'lr' in row)
    # The warm-up ends with the third iteration; then a cosine of 33 iterations to 1e-5 begins.
    assert (first['max_lr'], first['min_lr']) == (pytest.approx(1e-3), pytest.approx(1e-4))
    cosine = (1 + np.cos(np.pi * 2 / 33)) / 2
    for key, top in (('max_lr', 1e-3), ('min_lr', 1e-4)):
        assert second[key] == pytest.approx(1e-5 + (top - 1e-5) * cosine)
    assert all(row['lr'] in (row['min_lr'], row['max_lr']) for row in (first, second))


def logging_runner(first, max_iters=100):
    hub = MessageHub(f'logs{np.random.default_rng().integers(1 << 60)}')
    return SimpleNamespace(
        iter=first, max_iters=max_iters, message_hub=hub, epoch=0, max_epochs=9, log_dir='', experiment_name='e',
        model=SimpleNamespace(parameters=list), train_dataloader=SimpleNamespace(dataset=[0], __len__=lambda: 1),
    )  # fmt: skip


@pytest.mark.parametrize('first', [0, 30])
def test_time_left_counts_from_where_the_process_began_and_counts_validations(monkeypatch, first):
    class Loader(list):
        dataset = range(10)

    runner = logging_runner(first)
    runner.train_dataloader = Loader([0] * 5)
    runner.logger = logging.getLogger('silent')
    runner.optim_wrapper = SimpleNamespace(get_lr=lambda: {'lr': [0.1, 0.1]})
    runner.visualizer = SimpleNamespace(add_scalars=lambda *args, **kwargs: None)
    runner.log_processor = SimpleNamespace(get_log_after_iter=lambda *args: ({}, ''))
    clock = 1000.0
    monkeypatch.setattr('mmaffect.engine.hooks.logger_hook.time.monotonic', lambda: clock)
    hook = LoggerHook(interval=5)
    hook.before_run(SimpleNamespace(timestamp='now'))
    hook.before_train(runner)
    for number in range(10):
        clock += 1.0
        hook.after_train_iter(runner, number % 5)
        runner.iter += 1
        if number == 4:
            clock += 10.0  # a validation
    # Ten iterations took 20 seconds with their validation.
    assert runner.message_hub.get_info('eta') == pytest.approx(2.0 * (100 - first - 10))
    assert not runner.message_hub.log_scalars  # one learning rate


def test_figures_of_others_are_shown_if_none_is_ours():
    runner = logging_runner(0)
    runner._train_loop = runner.val_loop = SimpleNamespace(dataloader=[0, 0])
    for key, value in (('val/accuracy', 0.5), ('val/time', 1.0), ('val/data_time', 0.1)):
        runner.message_hub.update_scalar(key, value)
    tag, line = LogProcessor().get_log_after_epoch(runner, 2, 'val')
    assert 'accuracy: 0.5000' in line
    assert tag == {'accuracy': 0.5, 'val/time': 1.0, 'val/data_time': 0.1}
    runner.message_hub.update_scalar('val/CCC/mean', 0.25)
    assert LogProcessor().get_log_after_epoch(runner, 2, 'val')[1].endswith('[2/2]  CCC/mean: 0.2500')
    shown = LogProcessor(val_pattern='acc', log_with_hierarchy=True).get_log_after_epoch(runner, 2, 'val')
    assert shown[1].endswith('[2/2]  accuracy: 0.5000')
    assert set(shown[0]) == {'val/accuracy', 'val/time', 'val/data_time', 'val/CCC/mean'}
