"""Lines of the log."""

import re
from collections.abc import Mapping

from mmengine.runner import LogProcessor as _LogProcessor
from mmengine.runner import Runner

from ..registry import LOG_PROCESSORS

TIMES = ('time', 'data_time')


@LOG_PROCESSORS.register_module()
class LogProcessor(_LogProcessor):
    """MMEngine's log processor, with a validation that fits on a line.

    Under the scope ``mmaffect``, as in a Runner, it stands in the place of MMEngine's. All figures of a validation go
    to JSON and TensorBoard; the line shows those that are chosen by. Times of a validation are named ``val/time`` and
    ``val/data_time``: in TensorBoard those of training stand over iterations, those of validation over epochs.

    Args:
        window_size: iterations over which losses and times are averaged.
        by_epoch: count epochs, not iterations.
        custom_cfg: further statistics, as in MMEngine.
        num_digits: digits of a number.
        log_with_hierarchy: name everything ``train/...``, ``val/...`` and ``test/...``.
        mean_pattern: regular expression of what is averaged.
        val_pattern: regular expression of the figures on the line of a validation; all, if it fits none.
    """

    def __init__(
        self,
        window_size: int = 10,
        by_epoch: bool = True,
        custom_cfg: list[dict] | None = None,
        num_digits: int = 4,
        log_with_hierarchy: bool = False,
        mean_pattern: str = r'.*(loss|time|data_time|grad_norm).*',
        val_pattern: str = r'(CCC|gate)/',
    ) -> None:
        super().__init__(window_size, by_epoch, custom_cfg, num_digits, log_with_hierarchy, mean_pattern)
        self.val_pattern = re.compile(val_pattern)

    def get_log_after_epoch(
        self, runner: Runner, batch_idx: int, mode: str, with_non_scalar: bool = False
    ) -> tuple[dict, str]:
        """Figures and line after a validation or a test; arguments as in MMEngine."""
        tag, line = super().get_log_after_epoch(runner, batch_idx, mode, with_non_scalar)
        if mode != 'val':
            return tag, line
        figures = {key.removeprefix('val/'): value for key, value in tag.items()}
        shown = {key: value for key, value in figures.items() if self.val_pattern.match(key)}
        if shown:
            line = f'{line.split("    ")[0]}  {short_line(shown, self.num_digits)}'
        return {f'val/{key}' if key in TIMES else key: value for key, value in tag.items()}, line


def short_line(figures: Mapping[str, float], digits: int = 4) -> str:
    """Figures on one line, those whose names differ in a last number only together, with half the digits.

    Args:
        figures: by name.
        digits: digits after the point.

    Examples:
        >>> short_line({'CCC/mean': 0.51234, 'gate/audio/stage_1': 0.25, 'gate/audio/stage_2': 0.75})
        'CCC/mean: 0.5123  gate/audio/stage: 0.25 0.75'
    """
    parts: dict[str, str] = {}
    for key, value in figures.items():
        name, number = re.fullmatch(r'(.*?)(_\d+)?', key).groups()
        text = f'{value:.{digits // 2 if number else digits}f}'
        parts[name] = f'{parts[name]} {text}' if number and name in parts else text
    return '  '.join(f'{name}: {text}' for name, text in parts.items())
