"""Runs of a tiny model through the real Runner, loop, hooks and schedulers, with a validation that follows a script."""

from collections.abc import Callable, Sequence
from pathlib import Path
from unittest.mock import patch

import torch
from mmengine.dist import get_world_size
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.model import BaseModel, BaseModule, is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from tests.toy_run import ToyData, toy_runner

WIDTH = 4


def linear() -> nn.Linear:
    return nn.Linear(WIDTH, WIDTH)


class TinyBackbone(BaseModule):
    """Modules by the names of IR-50 and VGGish, so that the groups of a config fit."""

    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.stages = nn.ModuleList([nn.Sequential(*(linear() for _ in range(n))) for n in (1, 1, 14, 1)])
        self.embeddings = nn.Sequential(linear(), nn.ReLU(), linear(), nn.ReLU(), linear())
        self.output = nn.Sequential(nn.BatchNorm1d(WIDTH), nn.Dropout(0.1), linear())

    def forward(self, x):
        for stage in self.stages:
            x = x + stage(x)
        return self.output(x + self.embeddings(x))


class TinyStream(nn.Module):
    def __init__(self, init_cfg=None):
        super().__init__()
        self.backbone = TinyBackbone(init_cfg)


class TinyModel(BaseModel):
    def __init__(self, init_cfg=None):
        super().__init__()
        self.visual, self.audio = TinyStream(init_cfg), TinyStream(init_cfg)
        self.head = linear()

    def forward(self, inputs, data_samples=None, mode='tensor'):
        x = torch.stack(list(inputs))
        out = self.head(sum(one.backbone(x) for one in (self.visual, self.audio) if one.backbone is not None) + x)
        return {'loss': (out - 1).square().mean()} if mode == 'loss' else [{}] * len(x)


class ScriptedMetric(BaseMetric):
    """CCC of an epoch as the script says."""

    default_prefix = ''

    def __init__(self, script: Callable[[int], float]):
        super().__init__()
        self.script = script

    def process(self, data_batch, data_samples):
        self.results += [0] * len(data_samples)

    def compute_metrics(self, results):
        return {'CCC/mean': self.script(MessageHub.get_current_instance().get_info('epoch')), 'RMSE/valence': 0.5}


class Trace(Hook):
    """What a run does: the learning rate of every iteration, and the model after every epoch."""

    priority = 'LOWEST'

    def __init__(self):
        self.rates: list[float] = []
        self.epochs: list[dict] = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.rates.append(runner.optim_wrapper.optimizer.param_groups[0]['lr'])

    def after_cycle(self, runner):
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self.epochs.append(
            {
                'state': {key: value.clone() for key, value in model.state_dict().items()},
                'trained': {name for name, one in model.named_parameters() if one.requires_grad},
                'moments': len(runner.optim_wrapper.optimizer.state),
            }
        )


def tiny_run(
    work_dir: Path,
    script: Callable[[int], float],
    epochs: int,
    schedulers: Sequence[dict],
    hooks: Sequence[dict | Hook],
    *,
    lr: float = 1e-4,
    checkpoint: dict | None = None,
    batches: int = 2,
    resume: str | None = None,
    val_interval: int = 1,
    **parts,
) -> tuple[Runner, Trace]:
    """Build a Runner, to be trained. An epoch has ``batches`` batches of 4 rows on each rank."""
    trace = Trace()
    torch.manual_seed(5)
    cfg = {
        'model': TinyModel(),
        'train_dataloader': {
            'dataset': ToyData(4 * batches * get_world_size()),
            'batch_size': 4,
            'num_workers': 0,
            'sampler': {'type': 'WindowSampler'},
            'collate_fn': {'type': 'pseudo_collate'},
        },
        'train_cfg': {'type': 'EpochBasedTrainLoop', 'max_epochs': epochs, 'val_interval': val_interval},
        'val_evaluator': Evaluator(ScriptedMetric(script)),
        'optim_wrapper': {'type': 'OptimWrapper', 'optimizer': {'type': 'Adam', 'lr': lr}},
        'param_scheduler': list(schedulers),
        'default_hooks': {'checkpoint': {'type': 'CheckpointHook', **(checkpoint or {})}},
        'visualizer': {'type': 'Visualizer', 'vis_backends': [{'type': 'LocalVisBackend'}]},
        'log_level': 'INFO',
        **parts,
    }
    with patch.object(Runner, '_log_env'):  # seconds
        return toy_runner(work_dir, resume or False, [*hooks, trace], **cfg), trace
