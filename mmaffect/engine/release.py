"""Parts of a model, which are frozen and released group by group."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from mmengine.model import is_model_wrapper
from torch import nn

from ..errors import ConfigError


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside of DDP's wrapper, or the model."""
    return model.module if is_model_wrapper(model) else model


def find_part(model: nn.Module, name: str, owner: str) -> nn.Module | None:
    """A part of a model by its name in ``model.named_modules()``.

    Args:
        model: the model.
        name: of the part.
        owner: name of the class that asks, for the error.

    Returns:
        The part; ``None`` if its place is empty, as that of a backbone beside cached features.

    Raises:
        ConfigError: if there is no such place, with the nearest name.
    """
    part: object = model
    for step in name.split('.'):
        part = getattr(part, step, False)
        if part is None:
            return None
        if not isinstance(part, nn.Module):
            close = get_close_matches(name, [known for known, _ in model.named_modules() if known], n=1, cutoff=0.5)
            hint = f'; did you mean {close[0]!r}?' if close else ''
            raise ConfigError(f'{owner}: {name!r} is no module of {type(model).__name__}{hint}')
    return part


def is_within(name: str, parts: Sequence[str]) -> bool:
    """Whether a module is one of the parts, or in one.

    Examples:
        >>> [is_within(name, ['visual.backbone']) for name in ('visual.backbone.stages.3', 'visual.backbone2')]
        [True, False]
    """
    return any(name == part or name.startswith(f'{part}.') for part in parts)


def freeze(model: nn.Module, frozen: Sequence[nn.Module], released: Sequence[nn.Module]) -> None:
    """Train everything in a model that is not frozen, or was released; what is frozen has no gradient.

    Args:
        model: the model.
        frozen: parts of it.
        released: parts of the frozen ones.
    """
    for part in frozen:
        part.requires_grad_(False)
    for part in released:
        part.requires_grad_(True)
    for parameter in model.parameters():
        if not parameter.requires_grad:
            parameter.grad = None


def set_mode(module: nn.Module, trains: bool = True) -> None:
    """Put a module and what is in it into train mode where something is trained, else into eval mode.

    Args:
        module: the module.
        trains: mode of a module without weights, such as dropout: that of what it is in.
    """
    weights = list(module.parameters())
    if weights:
        trains = any(weight.requires_grad for weight in weights)
    module.training = trains
    for child in module.children():
        set_mode(child, trains)


def is_pretrained(model: nn.Module, name: str) -> bool:
    """Whether a part, what it is in or something in it has an ``init_cfg`` of type ``Pretrained``."""
    steps = name.split('.')
    above = (model.get_submodule('.'.join(steps[:depth])) for depth in range(len(steps)))
    return any(map(_loads_weights, (*above, *model.get_submodule(name).modules())))


def _loads_weights(module: nn.Module) -> bool:
    return any(one.get('type') == 'Pretrained' for one in _init_cfgs(module))


def _init_cfgs(module: nn.Module) -> Iterator[dict]:
    init_cfg = getattr(module, 'init_cfg', None) or []
    yield from [init_cfg] if isinstance(init_cfg, dict) else init_cfg
