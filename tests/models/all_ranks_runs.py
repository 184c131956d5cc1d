"""What test_all_ranks.py computes on two gloo ranks, and in one process with the batch of both."""

import warnings
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from mmaffect.models.layers import AllRankBatchNorm
from mmaffect.models.losses import ccc_loss

CONFIG = Path(__file__).parents[2] / 'configs/grjca_demo.py'
# 20 windows of 20 frames: five batches of four windows an epoch.
TRIALS = [('a1', 95), ('a2', 40), ('b1', 12), ('b2', 61), ('c1', 20)]
SGD = dict(type='SGD', lr=1e-4, momentum=0.9)
ADAM = dict(type='Adam', lr=1e-3, weight_decay=5e-4)
TRAININGS = {
    'float32': dict(optimizer=SGD, dtype=torch.float32),
    'float64': dict(optimizer={**SGD, 'lr': 1e-2}, dtype=torch.float64),
    'float64 Adam': dict(optimizer=ADAM, dtype=torch.float64),
}
WINDOWS = {'uneven': (3, 1), 'a rank without a window': (4, 0)}
NORMS = {
    'vectors': (nn.BatchNorm1d, (6,), {}),
    'sequences': (nn.BatchNorm1d, (6, 5), {}),
    'images, channels last': (nn.BatchNorm2d, (6, 3, 4), {}),
    'clips': (nn.BatchNorm3d, (6, 2, 3, 4), {}),
    'not affine': (nn.BatchNorm1d, (6, 5), {'affine': False}),
    'cumulative': (nn.BatchNorm1d, (6, 5), {'momentum': None}),
    'not tracked': (nn.BatchNorm1d, (6, 5), {'track_running_stats': False}),
}


def on_rank(folder: Path) -> dict:
    """Everything that a rank computes."""
    trained = {name: train(folder, name, 2, **arguments) for name, arguments in TRAININGS.items()}
    rank = dist.get_rank()
    return {
        **trained,
        'losses': {(name, *case): loss_on_rank(name, *case, rank) for name in WINDOWS for case in loss_cases()},
        'norms': {(name, size): norm_on_rank(name, size, rank) for name in NORMS for size in WINDOWS},
        'silent': loss_on_rank('uneven', 'window', False, rank, frames=False),
        'others': low_precision_and_eval(rank),
    }


def loss_cases() -> list[tuple[str, bool]]:
    return [(reduction, sample) for reduction in ('window', 'batch') for sample in (False, True)]


def loss_batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Predictions, targets and a mask of four windows: one whole, one half, one of one frame, one of none."""
    g = np.random.default_rng(0)
    pred, target = g.normal(size=(4, 10, 2)), g.uniform(-1, 1, (4, 10, 2))
    mask = np.ones((4, 10), bool)
    mask[1, 5:], mask[2, 1:], mask[0, 3] = False, False, False
    mask[3] = g.random(10) > 0.4
    target[~mask] = np.nan
    return torch.from_numpy(pred), torch.from_numpy(target), torch.from_numpy(mask)


def of_rank(x: torch.Tensor, sizes: tuple[int, int], rank: int) -> torch.Tensor:
    return x.split(sizes)[rank].clone()


def loss_on_rank(name: str, reduction: str, sample: bool, rank: int, frames: bool = True) -> tuple[float, torch.Tensor]:
    pred, target, mask = (of_rank(x, WINDOWS[name], rank) for x in loss_batch())
    loss = ccc_loss(pred.requires_grad_(), target, mask & frames, reduction, sample, all_ranks=True)
    loss.backward()
    return loss.item(), pred.grad


def norm_batch(name: str) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A BatchNorm with drawn weights, an input of four and the factors of a loss."""
    kind, shape, arguments = NORMS[name]
    g = torch.Generator().manual_seed(3)
    norm = kind(shape[0], **arguments).double()
    for parameter in norm.parameters():
        parameter.data = torch.randn(parameter.shape, generator=g, dtype=torch.float64)
    x = 3 + 2 * torch.randn(4, *shape, generator=g, dtype=torch.float64)
    factors = torch.randn(4, *shape, generator=g, dtype=torch.float64)
    if 'channels last' in name:
        x = x.contiguous(memory_format=torch.channels_last)
    return norm, x, factors


def norm_twice(norm: nn.Module, x: torch.Tensor, factors: torch.Tensor) -> dict[str, torch.Tensor]:
    """Output, gradients and statistics after two batches."""
    x.requires_grad_()
    norm(x.detach() * 2)
    y = norm(x)
    (y * factors).sum().backward()
    gradients = {f'{key}.grad': parameter.grad for key, parameter in norm.named_parameters()}
    return {'y': y.detach(), 'x.grad': x.grad, **gradients, **dict(norm.named_buffers())}


def norm_on_rank(name: str, size: str, rank: int) -> dict[str, torch.Tensor]:
    from mmaffect.models.layers import use_sync_batch_norm

    norm, x, factors = norm_batch(name)
    norm = use_sync_batch_norm(norm)
    assert type(norm) is AllRankBatchNorm
    strides = x.stride()
    x, factors = (of_rank(one, WINDOWS[size], rank) for one in (x, factors))
    result = norm_twice(norm, x, factors)
    if 'channels last' in name and len(x):
        assert result['y'].stride() == strides
    return result


def low_precision_and_eval(rank: int) -> dict[str, torch.Tensor]:
    """bfloat16 under autocast on both ranks; what rank 1 does alone must not wait for rank 0."""
    norm = AllRankBatchNorm(6)
    with torch.autocast('cpu', torch.bfloat16):
        low = norm(of_rank(norm_batch('vectors')[1].bfloat16(), (3, 1), rank))
    norm.eval()
    alone = [norm(torch.ones(2, 6)), AllRankBatchNorm(6, track_running_stats=False).eval()(torch.randn(5, 6))]
    return {'low': low, 'alone': alone[0 if rank else 1], 'running_mean': norm.running_mean}


def train(folder: Path, name: str, ranks: int, optimizer: dict, dtype: torch.dtype) -> dict[str, dict]:
    """20 steps of the demo's GRJCA by the Runner, with total batches of four windows and without dropout.

    Returns:
        ``start`` and ``end``: state dicts; ``gradient``: the largest that each parameter had.
    """
    from mmaffect.compat import use_sync_batch_norm_everywhere
    from mmaffect.engine.running import build_runner, load_config

    warnings.filterwarnings('ignore')
    use_sync_batch_norm_everywhere()
    cfg = load_config(CONFIG, data_root=str(folder / 'corpus'), work_dir=str(folder / f'{name}{ranks}'))
    cfg.launcher = 'pytorch' if ranks > 1 else 'none'
    cfg.experiment_name, cfg.log_level = f'{name}{ranks}', 'ERROR'
    cfg.sync_bn = 'torch'
    model_cfg = cfg.model
    model_cfg.head.loss.update(all_ranks=True)
    model_cfg.visual.backbone.update(channels=[4, 4, 6, 8], out_channels=8, dropout=0.0)
    model_cfg.audio.backbone.update(channels=[4, 4, 8, 8, 8, 8], hidden=16, out_channels=8)
    for stream in (model_cfg.visual, model_cfg.audio):
        stream.temporal.update(in_channels=8, channels=[8, 8])
    model_cfg.neck.update(audio_channels=8, visual_channels=8)
    model_cfg.head.update(in_channels=16, hidden=16)
    for part in (model_cfg.visual.temporal, model_cfg.audio.temporal, model_cfg.neck, model_cfg.head):
        part.dropout = 0.0
    model_cfg.neck.seq_len = 20
    cfg.train_dataloader.batch_size = 4 // ranks
    cfg.train_dataloader.dataset.update(window=20, hop=10)
    cfg.optim_wrapper.optimizer = dict(optimizer)
    cfg.train_cfg.max_epochs = 4
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    cfg.default_hooks = dict(logger=None, checkpoint=None, sampler_seed=dict(type='DistSamplerSeedHook'))
    cfg.custom_hooks = [dict(type='CorpusStatisticsHook'), dict(type='SyncBuffersHook')]
    torch.set_default_dtype(dtype)
    try:
        runner = build_runner(cfg)
    finally:
        torch.set_default_dtype(torch.float32)
    model = getattr(runner.model, 'module', runner.model)
    assert any(isinstance(part, AllRankBatchNorm) for part in model.modules()) == (ranks > 1)
    model.data_preprocessor.register_forward_hook(
        lambda module, arguments, out: {**out, 'inputs': {key: as_type(x, dtype) for key, x in out['inputs'].items()}}
    )
    start = {key: value.clone() for key, value in model.state_dict().items()}
    largest = {key: 0.0 for key, _ in model.named_parameters()}

    def note(*_: object) -> None:
        for key, parameter in model.named_parameters():
            largest[key] = max(largest[key], parameter.grad.abs().max().item())

    runner.optim_wrapper.optimizer.register_step_pre_hook(note)
    runner.train()
    assert runner.iter == 20
    return {'start': start, 'end': model.state_dict(), 'gradient': largest}


def as_type(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return x.to(dtype) if x.is_floating_point() else x


def write_moving_corpus(root: Path) -> None:
    """A corpus whose faces and sound follow its targets, so that features differ from frame to frame."""
    from mmaffect.datasets import CorpusWriter
    from mmaffect.media.log_mel import get_front_end

    writer = CorpusWriter(root, name='toy', front_end=get_front_end('paper'), face_size=48, synthetic=True)
    ramp = np.linspace(0, 1, 48)[None, None, :, None]
    bands = np.linspace(0, 1, 64)
    for name, frames in TRIALS:
        g = np.random.default_rng(frames)
        time_ = np.arange(frames) / 25
        affect = 0.7 * np.stack([np.sin(3 * time_ + frames), np.cos(2 * time_ + frames)], 1)
        faces = 0.5 * g.integers(0, 256, (frames, 48, 48, 3)) + 60 * (1 + affect[:, :1, None, None]) * ramp
        rows = affect.repeat(4, 0)
        sound = -30 + 5 * g.normal(size=(len(rows), 64)) + 20 * rows[:, :1] * bands + 20 * rows[:, 1:] * (1 - bands)
        writer.write_trial(
            name,
            video=f'{name}.mp4',
            split='train',
            faces=faces.clip(0, 255).astype(np.uint8),
            logmel=sound.astype(np.float16),
            timestamps=time_,
            targets=affect,
            valid=g.random(frames) > 0.1,
            face_present=np.ones(frames, bool),
        )
    writer.finish([name for name, _ in TRIALS])
