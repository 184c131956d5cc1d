"""Checkpoints from which a run continues exactly."""

import shutil
from pathlib import Path
from uuid import uuid4

from mmengine.dist import barrier, get_rank, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from ...errors import ConfigError
from ...registry import HOOKS
from ...utils.files import replacing, write_text
from ...utils.random_state import random_state
from ..loops import check_loop
from ..monitor import Rule, check_rule, is_better, monitored
from ..resume import RUN
from ..run_state import (
    buffers,
    catch_up,
    gather,
    like,
    plain_values,
    progress,
    schedulers_of,
    stateful,
    waiting_gradients,
)


@HOOKS.register_module()
class CheckpointHook(Hook):
    """Save checkpoints that hold everything a run depends on, and keep the best weights.

    Under the scope ``mmaffect``, as in a Runner, it stands in the place of MMEngine's. A checkpoint is saved when an
    epoch was trained **and validated**, since scheduler, early stopping and gradual release decide by the validation;
    with ``iter_interval`` also within an epoch. It holds, beside MMEngine's parts, random state and buffers of every
    rank, the state of every hook that has one (``state_dict``, ``load_state_dict``), and gradients that wait for
    accumulation. ``last_checkpoint`` names it relative to its folder. Nothing is deleted before its successor is there.

    MMEngine's ``by_epoch=False, interval=n`` is ``iter_interval=n`` here; ``out_dir``, ``filename_tmpl``,
    ``published_keys``, ``save_optimizer``, ``save_begin``, and several figures to save the best by, are not taken.

    Args:
        interval: epochs between checkpoints.
        iter_interval: iterations between checkpoints within an epoch, of which only the last one is kept; ``None``
            for none.
        max_keep_ckpts: epochs whose checkpoints are kept, with the best weights at that time; all, if -1.
        save_best: figure of the validation by which the best weights are kept; ``None`` for none.
        rule: which figure is better, ``'greater'`` or ``'less'``.
        save_last: save after the last epoch in any case.

    Attributes:
        best_score: best figure so far, ``None`` before the first.
        best_ckpt: file of the weights that gave it, in the work dir.

    Raises:
        ConfigError: if a number is out of range, or there is no such rule.
    """

    priority = 'VERY_LOW'

    def __init__(
        self,
        interval: int = 1,
        iter_interval: int | None = None,
        max_keep_ckpts: int = 2,
        save_best: str | None = 'CCC/mean',
        rule: Rule = 'greater',
        save_last: bool = True,
    ) -> None:
        for name, value in (('interval', interval), ('iter_interval', iter_interval)):
            if value is not None and value < 1:
                raise ConfigError(f'CheckpointHook: {name}={value}; expected at least 1')
        if max_keep_ckpts == 0 or max_keep_ckpts < -1:
            raise ConfigError(f'CheckpointHook: max_keep_ckpts={max_keep_ckpts}; expected at least 1, or -1 for all')
        check_rule('CheckpointHook', rule)
        self.interval = interval
        self.iter_interval = iter_interval
        self.max_keep_ckpts = max_keep_ckpts
        self.save_best = save_best
        self.rule = rule
        self.save_last = save_last
        self.best_score: float | None = None
        self.best_ckpt: str | None = None
        # Checkpoints of epochs, each with the best weights at its time, without which it could not be continued.
        self._kept: list[list[str | None]] = []
        self._last: str | None = None
        # Everything written and not deleted yet, also by a run that was killed before it could.
        self._files: list[str] = []
        self._random_states: list[dict] | None = None
        self._gradients: dict[str, Tensor] = {}
        self._buffers: list[dict[str, Tensor]] = []
        self._fresh_schedulers: list[dict] = []
        self._run: str | None = None
        self._source: Path | None = None
        self._training = False

    def state_dict(self) -> dict:
        """Best figure, and the names of files."""
        return {
            'best_score': self.best_score,
            'best_ckpt': self.best_ckpt,
            'kept': [list(one) for one in self._kept],
            'last': self._last,
            'files': list(self._files),
        }

    def load_state_dict(self, state: dict) -> None:
        """Continue from a state of :meth:`state_dict`."""
        self.best_score, self.best_ckpt = state['best_score'], state['best_ckpt']
        self._kept, self._last = [list(one) for one in state['kept']], state['last']
        self._files = list(state['files'])

    def before_run(self, runner: Runner) -> None:
        """Remember schedulers as they are at the start, before a checkpoint is loaded."""
        self._fresh_schedulers = [plain_values(one.state_dict()) for one in schedulers_of(runner)]
        self._source = None

    def before_train(self, runner: Runner) -> None:
        """Make the work dir that of this run, and clear away what a killed run had begun to write."""
        check_loop(runner, 'CheckpointHook')
        self._training = True
        if self._source is not None:
            for scheduler in schedulers_of(runner):
                catch_up(scheduler)
        work_dir = Path(runner.work_dir)
        if self._source is not None and self._source.parent.resolve() != work_dir.resolve():
            self._move_in(runner)
        self._delete_stale(runner)
        if is_main_process():
            for half in work_dir.glob('.*.tmp.pth'):
                half.unlink(missing_ok=True)
            # A run that is killed before its first checkpoint must not be resumed from one of an earlier run.
            if self._last is not None and (work_dir / self._last).is_file():
                write_text(work_dir / 'last_checkpoint', self._last)
            else:
                (work_dir / 'last_checkpoint').unlink(missing_ok=True)
            if self._source is None:
                self._run = uuid4().hex
            write_text(work_dir / RUN, self._run or '')
        barrier()

    def after_train(self, runner: Runner) -> None:
        """A validation that comes later is no matter of this hook."""
        self._training = False

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Save within an epoch."""
        done = runner.iter + 1
        # The end of an epoch is saved after the validation.
        if self.iter_interval is None or done % self.iter_interval or batch_idx + 1 == len(runner.train_dataloader):
            return
        self._save(runner, f'iter_{done}.pth', iteration=done)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:
        """Keep the weights, if they are the best so far."""
        if not self._training or self.save_best is None:
            return
        score = monitored(metrics, self.save_best, 'CheckpointHook', 'save_best')
        if not is_better(score, self.best_score, self.rule):
            return
        self.best_score = score
        self.best_ckpt = f'best_{self.save_best.replace("/", "_")}_epoch_{runner.epoch}.pth'
        self._remember(self.best_ckpt)
        runner.message_hub.update_info('best_score', self.best_score)
        runner.message_hub.update_info('best_ckpt', self.best_ckpt)
        runner.save_checkpoint(
            runner.work_dir,
            self.best_ckpt,
            save_optimizer=False,
            save_param_scheduler=False,
            meta={'epoch': runner.epoch, 'iter': runner.iter, self.save_best: score},
            by_epoch=False,
        )
        runner.logger.info(f'best {self.save_best} so far, {score:.4f}: {self.best_ckpt}')

    def after_cycle(self, runner: Runner) -> None:
        """Save after an epoch and its validation."""
        last = runner.epoch >= runner.max_epochs or runner.train_loop.stop_training
        if runner.epoch % self.interval and not (self.save_last and last):
            return
        name = f'epoch_{runner.epoch}.pth'
        self._kept = [one for one in self._kept if one[0] != name] + [[name, self.best_ckpt]]
        if self.max_keep_ckpts > 0:
            self._kept = self._kept[-self.max_keep_ckpts :]
        self._save(runner, name, iteration=runner.iter)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add what MMEngine leaves out."""
        if self._random_states is None:  # weights only
            return
        checkpoint['meta']['run'] = self._run
        checkpoint['random_states'] = self._random_states
        checkpoint['gradients'] = self._gradients
        checkpoint['buffers'] = self._buffers
        checkpoint['hooks'] = {}
        for key, hook in stateful(runner.hooks):
            state = hook.state_dict()
            if (kept := plain_values(state)).keys() != state.keys():
                raise ConfigError(
                    f'{key}.state_dict: {next(iter(state.keys() - kept.keys()))!r} is no plain value, nor a tensor; '
                    'a checkpoint with it could not be read again'
                )
            checkpoint['hooks'][key] = kept
        if 'param_schedulers' in checkpoint:
            pairs = zip(schedulers_of(runner), self._fresh_schedulers, strict=True)
            states = [progress(scheduler, fresh) for scheduler, fresh in pairs]
            checkpoint['param_schedulers'] = like(runner.param_schedulers, states)
        hub = checkpoint['message_hub']
        hub['runtime_info'] = plain_values(hub['runtime_info'])

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Hand out what :meth:`before_save_checkpoint` added; called between reading and MMEngine's own use."""
        if not runner._resume:
            return
        self._run, self._source = checkpoint['meta'].get('run'), Path(runner._load_from)
        loop = runner.train_loop
        loop.batch = self._batch(runner, checkpoint['meta'])
        loop.gradients = checkpoint.get('gradients')
        states = checkpoint.get('random_states') or []
        if len(states) == get_world_size():
            loop.random_state, loop.epoch_state = states[get_rank()], states[get_rank()].get('epoch')
            loop.buffers = checkpoint['buffers'][get_rank()] if checkpoint.get('buffers') else {}
        else:
            runner.logger.warning(
                f'the checkpoint has random states of {len(states)} ranks, there are {get_world_size()}: the run '
                'continues with other draws than it would have made'
            )
        found = checkpoint.get('hooks', {})
        for key, hook in stateful(runner.hooks):
            if key in found:
                hook.load_state_dict(found[key])

    def _batch(self, runner: Runner, meta: dict) -> int:
        """Batch of the epoch to go on with, also if an epoch has another number of batches now."""
        batch, then, now = meta.get('batch', 0), meta.get('batches'), len(runner.train_dataloader)
        if not batch or then == now:
            return batch
        runner.logger.warning(f'an epoch had {then} batches, now it has {now}: going on in about the same place')
        return min(batch * now // then, now - 1)

    def _move_in(self, runner: Runner) -> None:
        """Continue in another folder: the files of the old one are none of ours, but for the best weights."""
        self._kept, self._files, self._last = [], [], None
        if self.best_ckpt is None:
            return
        best = self._source.parent / self.best_ckpt
        if not best.is_file():
            runner.logger.warning(f'{best}: no such file; the best {self.save_best} is looked for anew')
            self.best_score = self.best_ckpt = None
            return
        self._files = [self.best_ckpt]
        if is_main_process():
            with replacing(Path(runner.work_dir, self.best_ckpt)) as temporary:
                shutil.copyfile(best, temporary)

    def _remember(self, name: str) -> None:
        if name not in self._files:
            self._files.append(name)

    def _save(self, runner: Runner, name: str, iteration: int) -> None:
        self._last = name
        self._remember(name)
        self._random_states = gather({**random_state(), 'epoch': runner.train_loop.epoch_state})
        # Statistics of BatchNorm, which each rank has of its own batches until they are averaged for a validation.
        self._buffers = gather(buffers(runner)) if get_world_size() > 1 else []
        self._gradients = waiting_gradients(runner)
        runner.save_checkpoint(
            runner.work_dir,
            name,
            save_param_scheduler=runner.param_schedulers is not None,
            meta={
                'epoch': runner.epoch,
                'iter': iteration,
                'batch': runner.train_loop.batch,
                'batches': len(runner.train_dataloader),
            },
            by_epoch=False,
        )
        self._random_states, self._gradients, self._buffers = None, {}, []
        if is_main_process():
            write_text(Path(runner.work_dir, 'last_checkpoint'), name)
        self._delete_stale(runner)
        runner.logger.info(f'saved {name}')

    def _delete_stale(self, runner: Runner) -> None:
        needed = {self._last, self.best_ckpt, *(one for pair in self._kept for one in pair)}
        if is_main_process():
            for stale in set(self._files) - needed:
                Path(runner.work_dir, stale).unlink(missing_ok=True)
        self._files = [one for one in self._files if one in needed]
