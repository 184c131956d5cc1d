"""Training from the best weights only."""

from pathlib import Path

from mmengine.dist import barrier
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...errors import ConfigError
from ...registry import HOOKS
from ..checkpoint import load_weights
from ..loops import check_loop
from ..release import unwrapped
from .checkpoint_hook import CheckpointHook


@HOOKS.register_module()
class RevertToBestHook(Hook):
    """Put the model back to the best weights so far after every validation that was not the best itself.

    All that a checkpoint has of the model is put back, BatchNorm statistics too; the optimizer keeps its moments.
    Training becomes a greedy search: an epoch that is no improvement is thrown away. The released LFAN and GRJCA code
    does so (``load_best_at_each_epoch``), the paper does not say it.

    Raises:
        ConfigError: when training begins, without a ``CheckpointHook`` that keeps the best weights.
    """

    priority = 'NORMAL'

    def __init__(self) -> None:
        self._validated = False
        self._best_before: str | None = None

    def before_train(self, runner: Runner) -> None:
        """Look for the hook that keeps the best weights."""
        check_loop(runner, 'RevertToBestHook')
        if runner.val_loop is None:
            runner.logger.warning('RevertToBestHook: there is no validation by which weights could be the best')
        else:
            best_keeper(runner, 'RevertToBestHook')

    def before_val_epoch(self, runner: Runner) -> None:
        """Remember which weights were the best before."""
        self._validated = True
        self._best_before = best_keeper(runner, 'RevertToBestHook').best_ckpt

    def after_cycle(self, runner: Runner) -> None:
        """Go back, unless the best weights are those that were just validated."""
        if self._validated and best_keeper(runner, 'RevertToBestHook').best_ckpt == self._best_before:
            load_best(runner)
        self._validated = False


def best_keeper(runner: Runner, owner: str) -> CheckpointHook:
    """The hook of a Runner that keeps the best weights.

    Args:
        runner: the Runner.
        owner: name of the class that needs it, for the error.

    Raises:
        ConfigError: if there is none.
    """
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook) and hook.save_best is not None:
            return hook
    raise ConfigError(f"{owner}: needs default_hooks.checkpoint=dict(type='CheckpointHook', save_best='CCC/mean')")


def load_best(runner: Runner) -> str | None:
    """Load the best weights so far into the model of a Runner; all ranks call it.

    Returns:
        Name of their file; ``None`` if there are none yet.

    Raises:
        CheckpointError: if the file is missing or damaged.
    """
    name = best_keeper(runner, 'load_best').best_ckpt
    if name is not None:
        # Rank 0 wrote it.
        barrier()
        load_weights(unwrapped(runner.model), Path(runner.work_dir, name), log=False)
        runner.logger.info(f'back to the best weights so far, {name}')
    return name
