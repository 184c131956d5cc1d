"""Early stopping that survives an interruption."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...errors import ConfigError
from ...registry import HOOKS
from ..loops import check_loop
from ..monitor import Rule, check_rule, is_better, monitored


@HOOKS.register_module()
class EarlyStoppingHook(Hook):
    """Stop when a figure of the validation has not improved for a while; the count is part of the checkpoint.

    Under the scope ``mmaffect``, as in a Runner, it stands in the place of MMEngine's, which begins to count anew
    after a resume, and stops a CCC that climbs from 0.10 to 0.19 (``min_delta=0.1``). MMEngine's ``strict`` and
    ``check_finite`` are not arguments: a figure that is missing is an error, NaN is no improvement.

    Args:
        monitor: figure of the validation.
        rule: which figure is better, ``'greater'`` or ``'less'``.
        min_delta: an improvement is larger than this, >= 0.
        patience: validations without improvement after which to stop, >= 1.

    Raises:
        ConfigError: if a number is out of range, or there is no such rule or, at the first validation, figure.
    """

    # After gradual release, which may begin to count anew, before the checkpoint.
    priority = 80

    def __init__(
        self,
        monitor: str = 'CCC/mean',
        rule: Rule = 'greater',
        min_delta: float = 0.0,
        patience: int = 50,
    ) -> None:
        check_rule('EarlyStoppingHook', rule)
        if min_delta < 0:
            raise ConfigError(f'EarlyStoppingHook: min_delta={min_delta}; expected at least 0')
        if patience < 1:
            raise ConfigError(f'EarlyStoppingHook: patience={patience}; expected at least 1')
        self.monitor = monitor
        self.rule = rule
        self.min_delta = min_delta
        self.patience = patience
        self.best: float | None = None
        self.count = 0

    def state_dict(self) -> dict:
        """Best figure, and validations since."""
        return {'best': self.best, 'count': self.count}

    def load_state_dict(self, state: dict) -> None:
        """Continue from a state of :meth:`state_dict`."""
        self.best, self.count = state['best'], state['count']

    def reset(self) -> None:
        """Begin to count anew, without forgetting the best figure."""
        self.count = 0

    def before_train(self, runner: Runner) -> None:
        """A run that had stopped stays so when it is resumed."""
        check_loop(runner, 'EarlyStoppingHook')
        if runner.val_loop is None:
            runner.logger.warning('EarlyStoppingHook: there is no validation to decide by')
        self._decide(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:
        """Count."""
        value = monitored(metrics, self.monitor, 'EarlyStoppingHook')
        if is_better(value, self.best, self.rule, self.min_delta):
            self.best, self.count = value, 0
        else:
            self.count += 1

    def after_cycle(self, runner: Runner) -> None:
        """Stop, if nothing has begun the count anew."""
        self._decide(runner)

    def _decide(self, runner: Runner) -> None:
        if self.count >= self.patience:
            best = 'none' if self.best is None else f'{self.best:.4f}'
            runner.logger.info(f'early stop: {self.monitor} has not improved in {self.count} validations (best {best})')
            runner.train_loop.stop_training = True
