"""What the residual networks of torchvision's family share: depths, stages and the start of their weights."""

from collections.abc import Callable, Iterator, Sequence

from torch import nn

from ...errors import ConfigError

UNITS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


def choose_units(depth: int, units: Sequence[int] | None, channels: Sequence[int]) -> Sequence[int]:
    """Units of each of the four stages.

    Args:
        depth: number of layers, 18 or 34.
        units: units of each stage, instead of those of ``depth``.
        channels: widths of the stages.

    Raises:
        ConfigError: for an unknown depth, or other than one count and one width for each stage.
    """
    if units is None:
        if depth not in UNITS:
            raise ConfigError(f'depth={depth}; expected one of {sorted(UNITS)}')
        units = UNITS[depth]
    if not len(units) == len(channels) == 4:
        raise ConfigError(f'units {tuple(units)} and channels {tuple(channels)}; expected one for each of 4 stages')
    return units


def stages(
    unit: Callable[[int, int, int], nn.Module], units: Sequence[int], channels: Sequence[int]
) -> Iterator[tuple[str, nn.Sequential]]:
    """Stages ``layer1`` to ``layer4``, each but the first with stride 2.

    Args:
        unit: residual unit from channels of the input, channels of the output and stride.
        units: units of each stage.
        channels: widths of the stages; the input has the first.
    """
    width = channels[0]
    for i, (count, out_width) in enumerate(zip(units, channels, strict=True), start=1):
        first = unit(width, out_width, 1 if i == 1 else 2)
        yield f'layer{i}', nn.Sequential(first, *(unit(out_width, out_width, 1) for _ in range(count - 1)))
        width = out_width


def start_convolutions(model: nn.Module) -> None:
    """Draw the weights of all convolutions as He et al., ICCV 2015: normal, by the fan-out, for ReLU."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Conv3d)):
            nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')
