"""Learning rate by the validation CCC."""

from mmengine.optim import OptimWrapper, ReduceOnPlateauLR
from torch.optim import Optimizer

from ...errors import ConfigError
from ...registry import PARAM_SCHEDULERS
from ..monitor import Rule, check_rule, is_better, monitored


@PARAM_SCHEDULERS.register_module()
class PlateauLR(ReduceOnPlateauLR):
    """Multiply the learning rate by ``factor`` when more than ``patience`` validations give no higher CCC.

    :class:`mmengine.optim.ReduceOnPlateauLR` with these differences: the best figure is that of the whole run, also of
    the epochs before ``begin`` and, under :class:`GradualReleaseHook`, before a release (the released LFAN and GRJCA
    code compares with its best checkpoint); a threshold is absolute, since a relative one accepts a worse CCC while the
    best is negative; small changes of a small rate count too, without which it would stop at 1e-8; and ``begin`` is
    what it is in other schedulers, so that ``end=5`` of a warm-up and ``begin=5`` here meet.

    Args:
        optimizer: the optimizer or its wrapper.
        monitor: figure of the validation; NaN is no improvement.
        rule: which figure is better, ``'greater'`` or ``'less'``.
        factor: in (0, 1).
        patience: validations without improvement that are borne, as in PyTorch; the next one reduces.
        threshold: an improvement is larger than this, >= 0.
        begin: first epoch, from 0, whose validation is counted.
        end: epoch from which on none is counted; a Runner gives its ``max_epochs``.
        last_step: as in MMEngine.
        by_epoch: must be ``True``.
        verbose: log every change.

    Raises:
        ConfigError: if a number is out of range, or there is no such rule or, at the first validation, figure.
    """

    def __init__(
        self,
        optimizer: Optimizer | OptimWrapper,
        monitor: str = 'CCC/mean',
        rule: Rule = 'greater',
        factor: float = 0.1,
        patience: int = 5,
        threshold: float = 0.0,
        begin: int = 0,
        end: int = 1_000_000_000,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        check_rule('PlateauLR', rule)
        if not 0 < factor < 1:
            raise ConfigError(f'PlateauLR: factor={factor}; expected 0 < factor < 1')
        if patience < 0 or threshold < 0:
            raise ConfigError(f'PlateauLR: patience={patience}, threshold={threshold}; expected at least 0')
        if not by_epoch:
            raise ConfigError('PlateauLR: by_epoch=False; validations are counted, expected by_epoch=True')
        super().__init__(
            optimizer,
            monitor=monitor,
            rule=rule,
            factor=factor,
            patience=patience,
            threshold=threshold,
            threshold_rule='abs',
            eps=0.0,
            begin=begin,
            # A Runner gives its max_epochs, which a user may have cut below the end of the warm-up.
            end=max(end, begin + 1),
            last_step=last_step,
            by_epoch=by_epoch,
            verbose=verbose,
        )

    def step(self, metrics: dict[str, float] | None = None) -> None:
        """Count an epoch, or its validation.

        Args:
            metrics: figures of the validation; ``None`` for an epoch.
        """
        if metrics is None:
            self._global_step += 1
            return
        value = monitored(metrics, self.monitor, 'PlateauLR')
        better = is_better(value, self.best, self.rule, self.threshold)
        if better:
            self.best = value
        # The epoch that was validated has been counted already.
        if self.begin < self._global_step <= self.end:
            self.last_step += 1
            self.num_bad_epochs = 0 if better else self.num_bad_epochs + 1
            if self.num_bad_epochs > self.patience:
                self.num_bad_epochs = 0
                for i, (group, rate) in enumerate(zip(self.optimizer.param_groups, self._get_value(), strict=True)):
                    group[self.param_name] = rate
                    self.print_value(self.verbose, i, rate)
        self._last_value = [group[self.param_name] for group in self.optimizer.param_groups]
