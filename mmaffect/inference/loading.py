"""A model that predicts, from its name, its config or its checkpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.device import get_device
from torch import nn

from ..apis.model import get_model, init_model
from ..apis.zoo import get_model_info, is_config_file
from ..engine.checkpoint import read_checkpoint
from ..engine.running import check_device
from ..errors import ConfigError
from ..utils.download import fetch
from ..utils.files import sha256
from .notice import NOTICE, SYNTHETIC_MODEL_NOTICE
from .saved_config import config_of_checkpoint

DEFAULT_MODEL = 'grjca_demo'
CHECKPOINTS = ('.pth', '.pt', '.ckpt', '.safetensors')


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model and where it comes from.

    Attributes:
        model: in evaluation mode, on its device, with its config as ``cfg`` and ``dataset_meta``.
        name: of its config.
        weights: file name or path of its weights; ``None``: not from a file.
        weights_sha256: of that file.
    """

    model: nn.Module
    name: str
    weights: str | None
    weights_sha256: str | None

    @property
    def synthetic(self) -> bool:
        """Whether it was trained on a synthetic corpus."""
        return bool((getattr(self.model, 'dataset_meta', None) or {}).get('synthetic'))

    @property
    def notice(self) -> str:
        """What must be said wherever its values are shown."""
        return f'{NOTICE} {SYNTHETIC_MODEL_NOTICE}' if self.synthetic else NOTICE


def load_estimator(
    model: str | Path | Mapping | nn.Module | None = None,
    weights: str | Path | None = None,
    device: str | torch.device | None = None,
) -> LoadedModel:
    """Load a model to predict with.

    Args:
        model: name as :func:`mmaffect.apis.list_models` gives it; path of a config file, or a config; path of a
            checkpoint, which brings its config along; a model that is there; or ``None``: the model of ``weights``, or
            the one of the demo.
        weights: path or URL of a checkpoint; ``None``: the published weights of a name.
        device: such as ``'cuda:0'``; ``None``: a GPU if there is one.

    Raises:
        ConfigError: for an unknown name, a device that is not there, or a model without weights.
        DownloadError: if the weights cannot be fetched.
        CheckpointError: if they are damaged or of another model.
    """
    if isinstance(model, nn.Module):
        if weights is not None:
            raise ConfigError('model is loaded already; expected no weights beside it')
        if device is not None:
            model.to(check_device(str(device)))
        return LoadedModel(model.eval(), type(model).__name__, None, None)
    if not isinstance(model, str | Path | Mapping | Config | None):
        raise ConfigError(f'model is a {type(model).__name__}; expected a name, a path, a config or a model')
    place = str(device or get_device())
    if isinstance(model, (Config, Mapping)):
        cfg = model if isinstance(model, Config) else Config(dict(model))
        _require(weights, 'a config')
        path = fetch(str(weights))
        name = Path(cfg.filename).stem if cfg.filename else path.stem
        return LoadedModel(init_model(cfg, path, place), name, str(weights), sha256(path))
    if model is None and weights is None:
        model = DEFAULT_MODEL
    if model is None or (Path(model).is_file() and not is_config_file(model)):
        if model is not None and weights is not None:
            raise ConfigError(f'model={str(model)!r} is a checkpoint; expected no weights={str(weights)!r} beside it')
        return _from_checkpoint(model or weights, place)
    if Path(model).suffix in CHECKPOINTS:
        raise ConfigError(f'{model}: no such checkpoint')
    name = Path(model).stem if is_config_file(model) else str(model)
    if weights is None:
        if is_config_file(model):
            _require(weights, f'{model}')
        published = get_model(name, pretrained=True, device=place)
        info = get_model_info(name)
        return LoadedModel(published.eval(), name, Path(info.weights.url).name, info.weights.sha256)
    path = fetch(str(weights))
    return LoadedModel(init_model(model, path, place), name, str(weights), sha256(path))


def _from_checkpoint(source: str | Path, device: str) -> LoadedModel:
    path = fetch(str(source))
    checkpoint = read_checkpoint(path, log=False)
    cfg = config_of_checkpoint(checkpoint, path)
    name = checkpoint['meta'].get('experiment_name')
    # A Runner adds the time at which it began.
    name = re.sub(r'_\d{8}_\d{6}$', '', name) if isinstance(name, str) and name.isprintable() else path.stem
    return LoadedModel(init_model(cfg, path, device), name, str(source), sha256(path))


def _require(weights: str | Path | None, what: str) -> None:
    if weights is None:
        raise ConfigError(f'{what} says nothing of weights; give those of a checkpoint')
