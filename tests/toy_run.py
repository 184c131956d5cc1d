"""A Runner that trains in a fraction of a second: a small model with dropout on random windows."""

import uuid
from typing import ClassVar

import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from mmaffect import compat
from mmaffect.engine.resume import prepare_resume, use_safe_loading


class ToyData(Dataset):
    """Noise that depends on the seed of a window, and remembers which windows were read."""

    metainfo: ClassVar[dict] = {'audio_mean': 0.0, 'audio_std': 1.0}

    def __init__(self, size=22):
        self.size = size
        self.read = []

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        index, seed = index if isinstance(index, tuple) else (index, (0, 0, index))
        self.read.append(index)
        noise = torch.randn(4, generator=torch.Generator().manual_seed(sum(7919**k * s for k, s in enumerate(seed))))
        return {'inputs': noise, 'data_samples': index}


class ToyModel(BaseModel):
    """Two layers, BatchNorm and dropout."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(8, 1))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        x = torch.stack(list(inputs))
        out = self.head(self.backbone(x))[:, 0]
        if mode == 'loss':
            return {'loss': (out - x.sum(1)).square().mean()}
        return [{'error': float((o - i.sum()).square())} for o, i in zip(out, x, strict=True)]


class ToyMetric(BaseMetric):
    """``CCC/mean``: given figures one after another, or minus the error."""

    def __init__(self, figures=None):
        super().__init__()
        self.figures = figures

    def process(self, data_batch, data_samples):
        self.results += [sample['error'] for sample in data_samples]

    def compute_metrics(self, results):
        error = sum(results) / len(results)
        return {'CCC/mean': -error if self.figures is None else self.figures.pop(0), 'error': error}


def toy_runner(work_dir, resume=False, hooks=(), epochs=4, batch_size=4, figures=None, **parts):
    """Runner with our loop and our CheckpointHook; ``parts`` replace arguments of the Runner."""
    torch.manual_seed(5)  # a config's model is built after the Runner has done it
    cfg = {
        'model': ToyModel(),
        'work_dir': str(work_dir),
        'train_dataloader': {
            'dataset': ToyData(),
            'batch_size': batch_size,
            'num_workers': 0,
            'sampler': {'type': 'WindowSampler', 'shuffle': True},
            'collate_fn': {'type': 'pseudo_collate'},
        },
        'val_dataloader': {
            'dataset': ToyData(6),
            'batch_size': 3,
            'num_workers': 0,
            'sampler': {'type': 'DefaultSampler', 'shuffle': False},
            'collate_fn': {'type': 'pseudo_collate'},
        },
        'train_cfg': {'type': 'EpochBasedTrainLoop', 'max_epochs': epochs, 'val_interval': 1},
        'val_cfg': {'type': 'ValLoop'},
        'val_evaluator': Evaluator(ToyMetric(figures)),
        'optim_wrapper': {'type': 'OptimWrapper', 'optimizer': {'type': 'Adam', 'lr': 1e-2}},
        'param_scheduler': [
            {'type': 'LinearLR', 'start_factor': 0.1, 'by_epoch': True, 'end': 2, 'convert_to_iter_based': True}
        ],
        'default_hooks': {
            'logger': {'type': 'LoggerHook', 'interval': 1},
            'checkpoint': {'type': 'CheckpointHook', 'iter_interval': 2},
            'sampler_seed': {'type': 'DistSamplerSeedHook'},
        },
        'custom_hooks': [{'type': 'CheckpointGuardHook'}, *hooks],
        'randomness': {'seed': 5},
        'default_scope': 'mmaffect',
        'experiment_name': uuid.uuid4().hex,
        'log_level': 'WARNING',
        **parts,
    }
    compat.allow_runner_checkpoints()
    compat.write_whole_checkpoints()
    use_safe_loading()
    if resume:
        from mmengine.config import Config

        found = Config({'work_dir': str(work_dir), 'randomness': cfg['randomness']})
        prepare_resume(found, 'auto' if resume is True else str(resume))
        cfg.update(resume=found.resume, load_from=found.load_from, randomness=found.randomness)
    return Runner(**cfg)
