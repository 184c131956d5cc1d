"""Warm-up of the released LFAN and GRJCA code."""

from mmengine.optim import OptimWrapper
from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from torch.optim import Optimizer

from ...errors import ConfigError
from ...registry import PARAM_SCHEDULERS


def saw_tooth(step: int, epoch_length: int, epochs: int = 5) -> float:
    """Share of the learning rate at an iteration: rises from 0 in every epoch, to (epoch + 1) / epochs ** 2.

    The released code divides by the number of epochs twice, so that the warm-up ends at a fifth of the learning rate,
    from where it jumps.

    Args:
        step: iteration, from 0.
        epoch_length: iterations of an epoch.
        epochs: of the warm-up.

    Examples:
        >>> [saw_tooth(step, epoch_length=2) for step in (0, 1, 2, 3, 9, 10)]
        [0.0, 0.02, 0.0, 0.04, 0.1, 1.0]
    """
    epoch, batch = divmod(step, epoch_length)
    return (epoch + 1) * batch / (epochs**2 * epoch_length) if epoch < epochs else 1.0


@PARAM_SCHEDULERS.register_module()
class SawToothWarmupLR(LRSchedulerMixin, _ParamScheduler):
    """Learning rate times :func:`saw_tooth`, iteration by iteration; then the learning rate itself.

    In a config with ``convert_to_iter_based=True``, by which MMEngine tells the length of an epoch.

    Args:
        optimizer: the optimizer or its wrapper.
        begin: first epoch.
        end: epoch after the last.
        epoch_length: iterations of an epoch.
        last_step: as in MMEngine.
        by_epoch: ``begin`` and ``end`` are in epochs; must be ``True``.
        verbose: log every change.

    Raises:
        ConfigError: without ``convert_to_iter_based=True``.
    """

    def __init__(
        self,
        optimizer: Optimizer | OptimWrapper,
        begin: int = 0,
        end: int = 5,
        epoch_length: int | None = None,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        if epoch_length is None or not by_epoch:
            raise ConfigError('SawToothWarmupLR: changes at every iteration; expected convert_to_iter_based=True')
        self.epoch_length = epoch_length
        self.epochs = end - begin
        # One step more, which sets the learning rate itself.
        super().__init__(
            optimizer,
            begin=begin * epoch_length,
            end=end * epoch_length + 1,
            last_step=last_step,
            by_epoch=False,
            verbose=verbose,
        )

    @classmethod
    def build_iter_from_epoch(
        cls,
        optimizer: Optimizer | OptimWrapper,
        epoch_length: int,
        begin: int = 0,
        end: int = 5,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> 'SawToothWarmupLR':
        """Build it where a config says ``convert_to_iter_based=True``."""
        return cls(optimizer, begin, end, epoch_length, last_step, by_epoch, verbose)

    def _get_value(self) -> list[float]:
        share = saw_tooth(self.last_step, self.epoch_length, self.epochs)
        return [value * share for value in self.base_values]
