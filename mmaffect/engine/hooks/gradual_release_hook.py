"""Gradual release of pretrained layers."""

import copy
from collections.abc import Sequence
from typing import Literal

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapperDict, _ParamScheduler
from mmengine.runner import Runner
from mmengine.utils import is_list_of
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ...errors import ConfigError
from ...registry import HOOKS
from ..loops import check_loop
from ..release import find_part, freeze, is_pretrained, is_within, set_mode, unwrapped
from .early_stopping_hook import EarlyStoppingHook
from .revert_to_best_hook import best_keeper, load_best

# So that a rate of about 1e-8 is not below 1e-8 for one warm-up and below for another.
ROUNDING = 1e-6


@HOOKS.register_module()
class GradualReleaseHook(Hook):
    """Train a model's pretrained parts group by group, from the last layers to the first.

    At the beginning all of ``frozen`` is frozen but the first group. When the learning rate has fallen below
    ``min_lr``, more than ``min_epochs`` epochs after the last release, the next group is released: schedulers start
    anew, with their warm-up, but keep the best figure; the optimizer forgets its moments; early stopping begins to
    count anew; the best weights so far are loaded. When there is no group left, the training ends. Parts that a model
    does not have, as with cached features in the place of backbones, are passed over.

    Paper: arXiv 2503.12261 v1, section 2.2 ("gradually releasing the layers", "repetitive warm-up"); groups and trigger
    are those of the authors' released code.

    Args:
        groups: by release, the parts that are released: names of modules as in ``model.named_modules()``.
        frozen: parts that are frozen but for the groups released.
        min_lr: learning rate below which the next group is released, > 0; of the first parameter group or, where
            several differ, of the optimizer.
        min_epochs: the trigger is not looked at in so many epochs after a release, >= 0; they cover the warm-up, in
            which the learning rate is low too.
        frozen_mode: ``'eval'``: what has no trained weight keeps its BatchNorm statistics and has no dropout;
            ``'train'``: it is in train mode like all else (released code).
        reload_best: load the best weights at a release.

    Raises:
        ConfigError: if a number is out of range, there is no such mode or, when training begins, no such module, no
            scheduler, or no ``CheckpointHook`` that keeps the best weights.
    """

    priority = 'LOW'

    def __init__(
        self,
        groups: Sequence[Sequence[str]],
        frozen: Sequence[str] = ('visual.backbone', 'audio.backbone'),
        min_lr: float = 1e-8,
        min_epochs: int = 5,
        frozen_mode: Literal['eval', 'train'] = 'eval',
        reload_best: bool = True,
    ) -> None:
        if isinstance(groups, str) or not groups or any(isinstance(group, str) or not group for group in groups):
            raise ConfigError(f'GradualReleaseHook: groups={groups!r}; expected lists of names of modules')
        if isinstance(frozen, str):
            raise ConfigError(f'GradualReleaseHook: frozen={frozen!r}; expected a list of names of modules')
        if min_lr <= 0 or min_epochs < 0:
            raise ConfigError(f'GradualReleaseHook: min_lr={min_lr}, min_epochs={min_epochs}; expected > 0 and >= 0')
        if frozen_mode not in ('eval', 'train'):
            raise ConfigError(f"GradualReleaseHook: frozen_mode={frozen_mode!r}; expected 'eval' or 'train'")
        for name in (name for group in groups for name in group):
            if not is_within(name, frozen):
                raise ConfigError(f'GradualReleaseHook: groups: {name!r} is in none of frozen={list(frozen)}')
        self.groups = [list(group) for group in groups]
        self.frozen = list(frozen)
        self.min_lr = min_lr
        self.min_epochs = min_epochs
        self.frozen_mode = frozen_mode
        self.reload_best = reload_best
        self.released = 1
        self.epoch = 0
        self.ended = False
        self._schedulers: list[dict] = []
        self._rates: list[float] = []

    def state_dict(self) -> dict:
        """Number of groups released, epochs since the last release, and whether the training has ended."""
        return {'released': self.released, 'epoch': self.epoch, 'ended': self.ended}

    def load_state_dict(self, state: dict) -> None:
        """Continue from a state of :meth:`state_dict`."""
        self.released, self.epoch, self.ended = state['released'], state['epoch'], state['ended']

    def before_run(self, runner: Runner) -> None:
        """Keep what schedulers and learning rates are at the start, before a checkpoint is loaded."""
        if is_list_of(runner.param_schedulers, _ParamScheduler):
            self._schedulers = [copy.deepcopy(one.state_dict()) for one in runner.param_schedulers]
            self._rates = [group['lr'] for group in runner.optim_wrapper.param_groups]

    def before_train(self, runner: Runner) -> None:
        """Freeze what has not been released."""
        check_loop(runner, 'GradualReleaseHook')
        if isinstance(runner.optim_wrapper, OptimWrapperDict):
            raise ConfigError('GradualReleaseHook: optim_wrapper: takes one optimizer, not several')
        if not self._schedulers:
            raise ConfigError('GradualReleaseHook: needs a param_scheduler that lowers the learning rate, as PlateauLR')
        if runner.val_loop is None:
            runner.logger.warning('GradualReleaseHook: there is no validation, without which nothing more is released')
        elif self.reload_best:
            best_keeper(runner, 'GradualReleaseHook')
        self._keep_what_there_is(unwrapped(runner.model))
        if not self.groups:
            runner.logger.info('GradualReleaseHook: the model has none of the parts, there is nothing to release')
            return
        self._freeze(runner)
        if runner.iter == 0:
            self._warn_of_random_weights(runner)
            self._report(runner)
        if self.ended:
            runner.logger.info('GradualReleaseHook: no group was left to release: the training has ended')
            runner.train_loop.stop_training = True

    def before_train_epoch(self, runner: Runner) -> None:
        """Put parts that are not trained into eval mode."""
        if self.frozen_mode == 'eval':
            for name in self.frozen:
                set_mode(unwrapped(runner.model).get_submodule(name))

    def after_cycle(self, runner: Runner) -> None:
        """Release the next group, or end the training, if its turn has come."""
        self.epoch += 1
        rate = learning_rate(runner)
        if not self.groups or self.epoch <= self.min_epochs or rate >= self.min_lr * (1 - ROUNDING):
            return
        if self.released >= len(self.groups):
            runner.logger.info(f'the learning rate is {rate:.1e}, and no group is left to release: the end')
            self.ended = runner.train_loop.stop_training = True
            return
        self.released += 1
        self.epoch = 0
        if self.reload_best:
            load_best(runner)
        self._freeze(runner)
        self._start_anew(runner)
        self._report(runner)

    def _keep_what_there_is(self, model: nn.Module) -> None:
        def there(names: Sequence[str]) -> list[str]:
            return [name for name in names if find_part(model, name, 'GradualReleaseHook') is not None]

        self.frozen = there(self.frozen)
        self.groups = [group for group in map(there, self.groups) if group]

    def _freeze(self, runner: Runner) -> None:
        model = unwrapped(runner.model)
        released = [name for group in self.groups[: self.released] for name in group]
        freeze(model, [model.get_submodule(name) for name in self.frozen], [model.get_submodule(n) for n in released])
        wrap_anew(runner)

    def _start_anew(self, runner: Runner) -> None:
        """Optimizer, schedulers and early stopping as at the start, but for the best figure."""
        optim_wrapper = runner.optim_wrapper
        optim_wrapper.optimizer.state.clear()
        optim_wrapper.zero_grad()
        for group, rate in zip(optim_wrapper.param_groups, self._rates, strict=True):
            group['lr'] = rate
        for scheduler, state in zip(runner.param_schedulers, self._schedulers, strict=True):
            best = {'best': scheduler.best} if hasattr(scheduler, 'best') else {}
            scheduler.load_state_dict(copy.deepcopy(state) | best)
        for hook in runner.hooks:
            if isinstance(hook, EarlyStoppingHook):
                hook.reset()

    def _report(self, runner: Runner) -> None:
        parameters = list(unwrapped(runner.model).parameters())
        trained = sum(one.numel() for one in parameters if one.requires_grad)
        runner.logger.info(
            f'epoch {runner.epoch}: release {self.released - 1} of {", ".join(self.groups[self.released - 1])}; '
            f'{trained:,} of {sum(one.numel() for one in parameters):,} parameters are trained'
        )
        runner.visualizer.add_scalars({'release': self.released - 1}, step=runner.epoch)

    def _warn_of_random_weights(self, runner: Runner) -> None:
        model = unwrapped(runner.model)
        random = [name for name in self.frozen if not is_pretrained(model, name)]
        if random and not runner._load_from:
            runner.logger.warning(
                f'GradualReleaseHook: {", ".join(random)}: frozen, but without init_cfg=dict(type="Pretrained", ...), '
                'nor is there a load_from: what is frozen gives random features'
            )


def learning_rate(runner: Runner) -> float:
    """Learning rate of a Runner's optimizer, without the factors of ``paramwise_cfg``."""
    rates = runner.optim_wrapper.get_lr()
    return rates.get('base_lr', rates['lr'])[0]


def wrap_anew(runner: Runner) -> None:
    """Wrap the model in DDP anew, which waits for the gradients of those parameters that were trained when it was made.

    Raises:
        ConfigError: for another wrapper.
    """
    if isinstance(runner.model, DistributedDataParallel):
        runner.model = runner.wrap_model(runner.cfg.get('model_wrapper_cfg'), runner.model.module)
    elif is_model_wrapper(runner.model):
        raise ConfigError(f'GradualReleaseHook: works with DDP, not with {type(runner.model).__name__}')
