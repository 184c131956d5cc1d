"""Backbones of other projects on MMEngine: mmpretrain, mmdet, mmseg, ..."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec

from mmengine.config.utils import MODULE2PACKAGE
from mmengine.model import BaseModule
from mmengine.registry import Registry
from torch import Tensor, nn

from ...errors import ConfigError
from ...registry import MODELS


def load_project(scope: str) -> Registry:
    """The registry of models of another project, with its models imported.

    Args:
        scope: name of its registry and package, such as ``mmpretrain``.

    Raises:
        ConfigError: if the package is missing, does not import or has no such registry.
    """
    try:
        if scope not in MODELS.root.children:
            if find_spec(scope) is None:
                package = MODULE2PACKAGE.get(scope, scope)
                raise ConfigError(f'{scope} is not installed: pip install {package}')
            import_module(f'{scope}.registry')
        registry = MODELS.root.children[scope]
        registry.import_from_location()
    except KeyError:
        raise ConfigError(f'{scope}.registry has no registry of models with the scope {scope!r}') from None
    except ConfigError:
        raise
    # Projects refuse versions of mmcv by assert, and lack its compiled part by many types.
    except Exception as error:
        text = ' '.join(str(error).split())
        raise ConfigError(
            f'{scope} is installed but does not import ({type(error).__name__}: {text}); '
            'many of these projects need the full mmcv: pip install -U openmim && mim install mmcv'
        ) from None
    return registry


def build_foreign(cfg: Mapping) -> nn.Module:
    """Build a model of another project, with that project's names for all that is inside it.

    Args:
        cfg: ``dict(type='<project>.<class>', ...)`` or ``dict(type='<class>', _scope_='<project>', ...)``.

    Raises:
        ConfigError: without a project, or for a class that it does not have.
    """
    kind = cfg.get('type', '')
    # Python-style configs name the class itself, and its whole path once dumped.
    path = kind if isinstance(kind, str) else f'{kind.__module__}.{kind.__name__}'
    name = path.rpartition('.')[2]
    scope = cfg.get('_scope_') or path.rpartition('.')[0].partition('.')[0]
    if not scope:
        raise ConfigError(f"backbone.type={path!r}; expected '<project>.<class>', such as 'mmpretrain.ResNet'")
    registry = load_project(scope)
    if registry.get(name) is None:
        close = get_close_matches(name, registry.module_dict, n=3, cutoff=0.5)
        hint = f'; did you mean {" or ".join(close)}?' if close else ''
        raise ConfigError(f'backbone.type={path!r}: {scope} has no such model{hint}')
    return MODELS.build({**cfg, 'type': name, '_scope_': scope})


@MODELS.register_module()
class MMBackbone(BaseModule):
    """Backbone of another project on MMEngine: ``(N, C, S, S)`` images to ``(N, out_channels)``.

    Example:
        ``dict(type='MMBackbone', backbone=dict(type='mmpretrain.ResNet', depth=18), out_channels=512)``

    Args:
        backbone: its config, with the project's name before the class.
        out_channels: channels of the last feature map.
        init_cfg: as in MMEngine.

    Raises:
        ConfigError: if the project is not installed or has no such class.
    """

    def __init__(self, backbone: dict, out_channels: int, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.backbone = build_foreign(backbone)
        self.out_channels = out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Embed images.

        Args:
            x: ``(N, C, S, S)``.

        Returns:
            ``(N, out_channels)``: the last output, averaged over space if it is a map.

        Raises:
            ConfigError: for another number of dimensions, or an output that is no map of ``out_channels``.
        """
        if x.ndim != 4:
            raise ConfigError(f'MMBackbone got {tuple(x.shape)}; expected images (N, C, S, S)')
        y = self.backbone(x)
        if isinstance(y, (tuple, list)):
            y = y[-1]
        shape = tuple(y.shape)
        if len(shape) not in (2, 4) or shape[1] != self.out_channels:
            raise ConfigError(
                f'{type(self.backbone).__name__} gives {shape}; expected (N, {self.out_channels}) or '
                f'(N, {self.out_channels}, H, W) (out_channels={self.out_channels})'
            )
        return y.mean((2, 3)) if y.ndim == 4 else y
