"""What a run tells, and what is kept of it."""

import logging
import time

from mmengine.dist import is_main_process
from mmengine.hooks import LoggerHook as _LoggerHook
from mmengine.runner import Runner

from ...evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE
from ...registry import HOOKS
from ..runner import terminal_handlers


@HOOKS.register_module()
class LoggerHook(_LoggerHook):
    """MMEngine's hook of this name; arguments as there.

    Under the scope ``mmaffect``, as in a Runner, it stands in the place of MMEngine's, and differs from it in this:

    - the time that is left (``eta``) counts validations and checkpoints too, in the proportion of what this process
      has trained so far;
    - where parts of the model have learning rates of their own, the lowest and the highest are logged (``min_lr``,
      ``max_lr``) beside ``lr``, that of the first;
    - what a metric tells of a validation goes to the log file; the terminal shows one line of it;
    - the name of the experiment is told once (``interval_exp_name`` is not used);
    - one rank writes the figures of a test, and not all of them the same file, which broke its JSON now and then.
    """

    def before_train(self, runner: Runner) -> None:
        """Tell what will be trained."""
        self._first_iter = runner.iter
        self._start = time.monotonic()
        weights = sum(weight.numel() for weight in runner.model.parameters())
        dataset = runner.train_dataloader.dataset
        metainfo = getattr(dataset, 'metainfo', {})
        name = ', '.join(str(metainfo[key]) for key in ('corpus', 'split') if key in metainfo)
        first, last = runner.epoch + 1, runner.max_epochs
        epochs = f'epochs {first} to {last}' if first <= last else f'all {last} epochs are trained'
        runner.logger.info(
            f'{runner.experiment_name}: {weights:,} weights, {len(dataset)} windows ({name or type(dataset).__name__}) '
            f'in {len(runner.train_dataloader)} batches, {epochs}; '
            f'all settings and figures: {runner.log_dir}'
        )
        if metainfo.get('synthetic'):
            runner.logger.info(SYNTHETIC_NOTICE)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Log every ``interval`` iterations, at least once an epoch."""
        batches = len(runner.train_dataloader)
        at_end = batch_idx + 1 == batches and (not self.ignore_last or batches <= self.interval)
        if not (self.every_n_inner_iters(batch_idx, self.interval) or at_end):
            return
        self._log_time_left(runner)
        self._log_rates(runner)
        tag, line = runner.log_processor.get_log_after_iter(runner, batch_idx, 'train')
        runner.logger.info(line)
        runner.visualizer.add_scalars(tag, step=runner.iter + 1, file_path=self.json_log_path)

    def before_val_epoch(self, runner: Runner) -> None:
        """Keep the explanations of metrics off the terminal."""
        for handler in terminal_handlers(runner.logger):
            handler.addFilter(_not_of_a_metric)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Log the figures of a validation."""
        for handler in terminal_handlers(runner.logger):
            handler.removeFilter(_not_of_a_metric)
        super().after_val_epoch(runner, metrics)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Log the figures of a test, on rank 0."""
        if is_main_process():
            super().after_test_epoch(runner, metrics)

    def _log_time_left(self, runner: Runner) -> None:
        done = runner.iter + 1
        each = (time.monotonic() - self._start) / (done - self._first_iter)
        runner.message_hub.update_info('eta', each * (runner.max_iters - done))

    def _log_rates(self, runner: Runner) -> None:
        hub = runner.message_hub
        for name, rates in runner.optim_wrapper.get_lr().items():
            if len(set(rates)) > 1 or f'train/min_{name}' in hub.log_scalars:
                hub.update_scalar(f'train/min_{name}', min(rates))
                hub.update_scalar(f'train/max_{name}', max(rates))


def _not_of_a_metric(record: logging.LogRecord) -> bool:
    return record.module != 'ccc_metric' or record.levelno > logging.INFO
