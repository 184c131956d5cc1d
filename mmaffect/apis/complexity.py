"""Parameters, floating-point operations and activations of a model, at no cost: on PyTorch's meta device."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from ..engine.running import build_model, data_loaders
from ..errors import ConfigError, MMAffectError
from ..media.log_mel import get_front_end
from ..models.preprocessors import Waveforms

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
        frames: of the window that ``flops`` and ``activations`` are of.
        activations: bytes that a forward pass keeps for backward, inputs included, in float32 with every layer
            trained; weights, gradients, the optimizer's state and working memory come on top.
    """

    parts: dict[str, Cost]
    total: Cost
    frames: int
    activations: int

    def as_dict(self) -> dict:
        """The same as plain numbers, for JSON."""
        return {
            'frames': self.frames,
            'parameters': self.total.parameters,
            'flops_per_window': self.total.flops,
            'flops_per_frame': self.total.flops / self.frames,
            'activation_bytes_per_window': self.activations,
            'parts': {name: cost._asdict() for name, cost in self.parts.items()},
        }

    def as_table(self) -> str:
        """Text with one row a part, and the activations below."""
        rows = [('part', 'parameters', f'GFLOPs per window of {self.frames} frames', 'MFLOPs per frame')]
        for name, cost in [*self.parts.items(), ('all', self.total)]:
            flops = (f'{cost.flops / 1e9:,.3f}', f'{cost.flops / self.frames / 1e6:,.3f}')
            rows.append((name, f'{cost.parameters:,}', *flops))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            '  '.join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
            for row in rows
        ]
        size = f'{self.activations / 2**30:,.3f} GiB per window'
        return '\n'.join([*lines, f'activations kept for backward (float32, every layer trained): {size}'])


def get_complexity(cfg: Config) -> Complexity:
    """Count parameters, FLOPs and activations of a config's model, for one window as its data loader would give it.

    Args:
        cfg: config of a Runner, with a model and a data loader.

    Raises:
        ConfigError: if there is no model, a value does not fit its constructor, there is no data loader to take the
            window's size from, or the model does not take such windows.
    """
    with torch.device('meta'):
        model = build_model(cfg).eval()
    counter = FlopCounterMode(display=False)
    try:
        inputs = dummy_inputs(cfg, getattr(_submodule(model, 'audio.backbone'), 'sample_rate', 16000))
        with torch.no_grad(), counter:
            model(inputs)
        activations = saved_bytes(model, inputs)
    except (RuntimeError, TypeError, ValueError) as error:  # what PyTorch raises for shapes that do not fit
        if isinstance(error, MMAffectError):
            raise
        raise ConfigError(f'{cfg.filename}: the model does not take windows of its data loader: {error}') from error
    counts = counter.get_flop_counts()
    parts = {}
    further = [f'further.{name}' for name in cfg.model.get('further') or {}]
    for name in (*PARTS, *further, 'neck', 'head'):
        module = _submodule(model, name)
        parameters = sum(one.numel() for one in module.parameters()) if module is not None else 0
        flops = sum(counts.get(f'{type(model).__name__}.{name}', {}).values())
        if parameters or flops:
            parts[name] = Cost(parameters, flops)
    total = Cost(sum(one.numel() for one in model.parameters()), counter.get_total_flops())
    return Complexity(parts, total, next(iter(inputs.values())).shape[1], activations)


def saved_bytes(model: nn.Module, *inputs: object) -> int:
    """Bytes that a forward pass keeps for backward, beside parameters and buffers, each piece of memory once.

    Args:
        model: the model, which is left in training mode with every parameter trainable and no layer dropped.
        inputs: what it is called with.
    """
    model.train().requires_grad_(True)
    for module in model.modules():
        # Speech models skip layers by a random number, also on the meta device.
        if hasattr(module, 'layer_drop'):
            module.layer_drop = 0.0
    own = {one.untyped_storage()._cdata for one in (*model.parameters(), *model.buffers())}
    # The storages are kept, so that no address comes twice.
    kept = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage
        return tensor

    with torch.enable_grad(), saved_tensors_hooks(pack, lambda tensor: tensor):
        model(*inputs)
    return sum(storage.nbytes() for address, storage in kept.items() if address not in own)


def dummy_inputs(cfg: Config, sample_rate: int = 16000) -> dict[str, Tensor | Waveforms]:
    """Inputs of a config's model for one window, without memory, as its data preprocessor would return them.

    Args:
        cfg: config of a Runner.
        sample_rate: of waveforms, Hz.

    Raises:
        ConfigError: if there is no data loader to take the window's size from, or no stream that takes its data.
    """
    loaders = data_loaders(cfg, ('val_dataloader', 'train_dataloader', 'test_dataloader'))
    dataset = next((loader['dataset'] for loader in loaders if loader.get('dataset')), None)
    if dataset is None:
        raise ConfigError(f'{cfg.filename}: has no data loader; its window says how much a model computes')
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
    for name, stream in (cfg.model.get('further') or {}).items():
        inputs[f'{name}_mask'] = torch.ones(1, frames, dtype=torch.bool, device='meta')
        inputs[name] = torch.empty(1, frames, stream['in_channels'], device='meta')
    if not inputs:
        raise ConfigError(f'{cfg.filename}: its model has neither model.visual nor model.audio')
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
