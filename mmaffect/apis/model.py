"""Models by the name of their config."""

from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from ..engine.checkpoint import load_weights
from ..engine.config_check import check_config, check_options
from ..engine.running import load_config
from ..errors import ConfigError
from ..registry import MODELS
from ..utils.download import fetch
from .zoo import config_path, get_model_info


def get_model(
    name_or_config: str | Path | Config, pretrained: bool | str | Path = False, device: str = 'cpu'
) -> nn.Module:
    """Build a model.

    Args:
        name_or_config: name as :func:`mmaffect.apis.list_models` gives it, path of a config file, or a config.
        pretrained: ``True``: load the published weights, verified by their SHA-256; a path or URL: load that
            checkpoint; ``False``: random weights.
        device: such as ``'cuda:0'``.

    Returns:
        The model in training mode, with its config as ``cfg``.

    Raises:
        ConfigError: for an unknown name or device, or if no weights are published for it.
        DownloadError: if the weights cannot be fetched.
        CheckpointError: if they are damaged or of another model.
    """
    cfg = _config(name_or_config, None)
    if pretrained is True:
        if isinstance(name_or_config, Config) or str(name_or_config).endswith('.py'):
            raise ConfigError('pretrained=True takes the name of a model; give the path or URL of a checkpoint')
        info = get_model_info(str(name_or_config))
        if info.weights is None:
            note = info.entry.get('Weights Note', 'train it, and give the path of your checkpoint')
            raise ConfigError(f'{info.name}: no weights are published; {note}')
        model = _build(cfg, device)
        path = fetch(info.weights.url, sha256=info.weights.sha256, size=info.weights.size)
        load_weights(model, path, expected_sha256=info.weights.sha256)
        return model
    model = _build(cfg, device)
    if pretrained:
        load_weights(model, fetch(pretrained))
    return model


def init_model(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    device: str = 'cpu',
    cfg_options: Mapping[str, object] | None = None,
) -> nn.Module:
    """Build a model to predict with.

    Args:
        config: name as :func:`mmaffect.apis.list_models` gives it, path of a config file, or a config.
        checkpoint: path or URL of a checkpoint of that model; random weights, if ``None``.
        device: such as ``'cuda:0'``.
        cfg_options: dotted keys and values merged into the config.

    Returns:
        The model in evaluation mode, with its config as ``cfg``.

    Raises:
        ConfigError: for an unknown name, key or device.
        DownloadError: if the checkpoint cannot be fetched.
        CheckpointError: if it is damaged or of another model.
    """
    model = _build(_config(config, cfg_options), device)
    if checkpoint is not None:
        load_weights(model, fetch(checkpoint))
    return model.eval()


def _config(config: str | Path | Config, options: Mapping[str, object] | None) -> Config:
    if not isinstance(config, Config):
        return load_config(config_path(config), options=options)
    cfg = config.copy()
    check_options(cfg, options)
    cfg.merge_from_dict(dict(options or {}))
    check_config(cfg)
    return cfg


def _build(cfg: Config, device: str) -> nn.Module:
    with DefaultScope.overwrite_default_scope('mmaffect'):
        model = MODELS.build(cfg.model)
    model.cfg = cfg
    try:
        return model.to(torch.device(device))
    # A device that this machine or this build of PyTorch has not.
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f'device={device!r}: {str(error).splitlines()[0]}') from None
