"""Parameters and floating-point operations of a model, part by part, at no cost: on PyTorch's meta device."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..errors import ConfigError
from ..media.log_mel import get_front_end
from ..models.preprocessors import Waveforms
from ..registry import MODELS

# The rate at which frames are taken to follow each other where it matters, for waveforms.
FRAME_RATE = 25.0
PARTS = ('visual.backbone', 'visual.temporal', 'visual.norm', 'audio.backbone', 'audio.temporal', 'audio.norm')


class Cost(NamedTuple):
    """What a part of a model costs.

    Attributes:
        parameters: number of parameters.
        flops: floating-point operations for one window, 2 for each multiplication with its addition; those of
            matrix products, convolutions and attention, not those of activations and normalisation.
    """

    parameters: int
    flops: int


class Complexity(NamedTuple):
    """What a model costs.

    Attributes:
        parts: by the name of the part, such as ``'visual.backbone'``.
        total: of the whole model.
        frames: of the window that ``flops`` are of.
    """

    parts: dict[str, Cost]
    total: Cost
    frames: int

    def as_dict(self) -> dict:
        """The same as plain numbers, for JSON."""
        return {
            'frames': self.frames,
            'parameters': self.total.parameters,
            'flops_per_window': self.total.flops,
            'flops_per_frame': self.total.flops / self.frames,
            'parts': {name: cost._asdict() for name, cost in self.parts.items()},
        }

    def as_table(self) -> str:
        """Text with one row a part."""
        rows = [('part', 'parameters', f'GFLOPs per window of {self.frames} frames', 'MFLOPs per frame')]
        for name, cost in [*self.parts.items(), ('all', self.total)]:
            flops = (f'{cost.flops / 1e9:,.3f}', f'{cost.flops / self.frames / 1e6:,.3f}')
            rows.append((name, f'{cost.parameters:,}', *flops))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return '\n'.join(
            '  '.join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
            for row in rows
        )


def get_complexity(cfg: Config) -> Complexity:
    """Count parameters and FLOPs of a config's model, for one window as its data loader would give it.

    Args:
        cfg: config of a Runner, with a model and a data loader.

    Raises:
        ConfigError: if there is no data loader to take the window's size from.
    """
    model = build_on_meta(cfg)
    inputs = dummy_inputs(cfg, getattr(_submodule(model, 'audio.backbone'), 'sample_rate', 16000))
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model(inputs)
    counts = counter.get_flop_counts()
    parts = {}
    for name in (*PARTS, 'neck', 'head'):
        module = _submodule(model, name)
        parameters = sum(one.numel() for one in module.parameters()) if module is not None else 0
        flops = sum(counts.get(f'{type(model).__name__}.{name}', {}).values())
        if parameters or flops:
            parts[name] = Cost(parameters, flops)
    total = Cost(count_parameters(model), counter.get_total_flops())
    return Complexity(parts, total, next(iter(inputs.values())).shape[1])


def build_on_meta(cfg: Config) -> nn.Module:
    """The model of a config, without memory for its weights."""
    with torch.device('meta'):
        return MODELS.build(cfg.model).eval()


def count_parameters(model: nn.Module) -> int:
    """Number of parameters."""
    return sum(one.numel() for one in model.parameters())


def dummy_inputs(cfg: Config, sample_rate: int = 16000) -> dict[str, Tensor | Waveforms]:
    """Inputs of a config's model for one window, without memory, as its data preprocessor would return them.

    Args:
        cfg: config of a Runner.
        sample_rate: of waveforms, Hz.

    Raises:
        ConfigError: if there is no data loader to take the window's size from.
    """
    loaders = (cfg.get(f'{split}_dataloader') for split in ('val', 'train', 'test'))
    dataset = next((loader['dataset'] for loader in loaders if loader is not None), None)
    if dataset is None:
        raise ConfigError('the config has no data loader; its window says how much a model computes')
    frames = dataset.get('window', 300)
    inputs: dict[str, Tensor | Waveforms] = {}
    for modality in ('visual', 'audio'):
        stream = cfg.model.get(modality)
        if stream is None:
            continue
        inputs[f'{modality}_mask'] = torch.ones(1, frames, dtype=torch.bool, device='meta')
        if stream.get('backbone') is None:
            inputs[modality] = torch.empty(1, frames, stream['in_channels'], device='meta')
        elif modality == 'visual':
            inputs[modality] = _faces(cfg.model, dataset, frames)
        elif dataset.get('waveform'):
            inputs[modality] = _waveforms(dataset, frames, sample_rate)
        else:
            inputs[modality] = _patches(cfg.model, dataset, frames)
    return inputs


def _faces(model: Mapping, dataset: Mapping, frames: int) -> Tensor:
    preprocessor = model.get('data_preprocessor') or {}
    side = preprocessor.get('image_size') or preprocessor.get('crop_size', 40)
    channels = 4 if dataset.get('masks') else 3
    clip = dataset.get('clip_frames', 1)
    shape = (channels, side, side) if clip == 1 else (channels, clip, side, side)
    return torch.empty(1, frames, *shape, device='meta')


def _waveforms(dataset: Mapping, frames: int, sample_rate: int) -> Waveforms:
    seconds = frames * dataset.get('stride', 1) / FRAME_RATE + 2 * dataset.get('waveform_margin', 0.5)
    samples = torch.empty(1, round(seconds * sample_rate), device='meta')
    return Waveforms(samples, torch.zeros(1, frames, dtype=torch.int64, device='meta'))


def _patches(model: Mapping, dataset: Mapping, frames: int) -> Tensor:
    rows = (model.get('data_preprocessor') or {}).get('patch_rows', 107)
    bands = get_front_end(dataset.get('front_end', 'paper')).n_mels
    return torch.empty(1, frames, 1, rows, bands, device='meta')


def _submodule(model: nn.Module, name: str) -> nn.Module | None:
    for part in name.split('.'):
        model = getattr(model, part, None)
    return model
