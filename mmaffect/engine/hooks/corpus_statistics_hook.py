"""Normalisation of log-mel values by the training corpus."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...registry import HOOKS
from ..release import unwrapped


@HOOKS.register_module()
class CorpusStatisticsHook(Hook):
    """Give the data preprocessor mean and standard deviation of the training corpus' log-mel values.

    They become part of the checkpoint, so that a test on another corpus normalises as the training did.
    """

    def before_train(self, runner: Runner) -> None:
        """Copy the figures from the index of the corpus."""
        metainfo = runner.train_dataloader.dataset.metainfo
        model = unwrapped(runner.model)
        model.data_preprocessor.set_audio_statistics(metainfo['audio_mean'], metainfo['audio_std'])
