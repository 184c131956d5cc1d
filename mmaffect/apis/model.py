"""Models by the name of their config."""

from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config
from torch import nn

from ..engine.checkpoint import load_weights
from ..engine.config_check import check_config
from ..engine.running import build_model, check_device, init_weights, load_config, merge_options
from ..engine.size_check import check_sizes
from ..errors import ConfigError
from ..utils.download import fetch
from .zoo import config_path, get_model_info, is_config_file


def get_model(
    name_or_config: str | Path | Config, pretrained: bool | str | Path = False, device: str = 'cpu'
) -> nn.Module:
    """Build a model.

    Args:
        name_or_config: name as :func:`mmaffect.apis.list_models` gives it, path of a config file, or a config.
        pretrained: ``True``: load the published weights, verified by their SHA-256; a path or URL: load that
            checkpoint; ``False``: the weights that training would begin with, by ``init_cfg`` of the config where
            it has one, else random.
        device: such as ``'cuda:0'``.

    Returns:
        The model in training mode, with its config as ``cfg`` and, of loaded weights, what their file says of the
        training data as ``dataset_meta`` (``None``: nothing).

    Raises:
        ConfigError: for an unknown name or device, a value that does not fit, or if no weights are published for it.
        DownloadError: if the weights cannot be fetched.
        CheckpointError: if they are damaged or of another model.
    """
    cfg = _config(name_or_config, None)
    if pretrained is True:
        if isinstance(name_or_config, Config) or is_config_file(name_or_config):
            raise ConfigError('pretrained=True takes the name of a model; give the path or URL of a checkpoint')
        info = get_model_info(str(name_or_config))
        if info.weights is None:
            note = info.entry.get('Weights Note', 'train it, and give the path of your checkpoint')
            raise ConfigError(f'{info.name}: no weights are published; {note}')
        model = _build(cfg, device)
        path = fetch(info.weights.url, sha256=info.weights.sha256, size=info.weights.size)
        _keep_meta(model, load_weights(model, path, expected_sha256=info.weights.sha256))
        return model
    model = _build(cfg, device)
    _load(model, pretrained or None)
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
        checkpoint: path or URL of a checkpoint of that model; ``None``: the weights that training would begin with.
        device: such as ``'cuda:0'``.
        cfg_options: dotted keys and values merged into the config.

    Returns:
        The model in evaluation mode, with its config as ``cfg`` and ``dataset_meta`` as of :func:`get_model`.

    Raises:
        ConfigError: for an unknown name, key or device, or a value that does not fit.
        DownloadError: if the checkpoint cannot be fetched.
        CheckpointError: if it is damaged or of another model.
    """
    model = _build(_config(config, cfg_options), device)
    _load(model, checkpoint)
    return model.eval()


def _config(config: str | Path | Config, options: Mapping[str, object] | None) -> Config:
    if not isinstance(config, Config):
        return load_config(config_path(config), options=options)
    cfg = config.copy()
    merge_options(cfg, options)
    check_config(cfg)
    check_sizes(cfg)
    return cfg


def _build(cfg: Config, device: str) -> nn.Module:
    place = check_device(device)
    model = build_model(cfg)
    model.cfg = cfg
    return model.to(place)


def _keep_meta(model: nn.Module, checkpoint: Mapping) -> None:
    meta = checkpoint.get('meta')
    known = meta.get('dataset_meta') if isinstance(meta, Mapping) else None
    model.dataset_meta = known if isinstance(known, Mapping) else None


def _load(model: nn.Module, checkpoint: str | Path | None) -> None:
    if checkpoint is not None:
        _keep_meta(model, load_weights(model, fetch(checkpoint)))
    elif hasattr(model, 'init_weights'):
        init_weights(model)
