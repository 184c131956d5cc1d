"""Nothing that a checkpoint holds is executed."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...registry import HOOKS


@HOOKS.register_module()
class CheckpointGuardHook(Hook):
    """Drop the config text of a loaded checkpoint, which MMEngine's ``resume`` would run as Python."""

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Called between reading and use."""
        checkpoint.get('meta', {}).pop('config', None)
