"""Logs of several ranks."""

from mmengine.dist import is_main_process
from mmengine.hooks import LoggerHook as _LoggerHook
from mmengine.runner import Runner

from ...registry import HOOKS


@HOOKS.register_module()
class LoggerHook(_LoggerHook):
    """MMEngine's hook of this name; arguments as there.

    Under the scope ``mmaffect``, as in a Runner, it stands in the place of MMEngine's, by which all ranks of a test
    write the same file at the same time, so that its JSON is broken now and then.
    """

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Log the figures of a test, on rank 0."""
        if is_main_process():
            super().after_test_epoch(runner, metrics)
