"""Training that continues at any batch as if it had never stopped."""

from collections.abc import Iterator, Sequence

import torch
from mmengine.dist import get_rank
from mmengine.runner import EpochBasedTrainLoop as _EpochBasedTrainLoop
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ...datasets.affect_dataset import AffectDataset
from ...datasets.sampler import WindowSampler
from ...errors import ConfigError
from ...registry import LOOPS
from ...utils.random_state import random_state, set_random_state
from ..release import unwrapped


@LOOPS.register_module()
class EpochBasedTrainLoop(_EpochBasedTrainLoop):
    """MMEngine's loop of this name, exactly resumable, also in the middle of an epoch.

    Under the scope ``mmaffect``, as in a Runner, it stands in the place of MMEngine's. Beside the hook points of that
    it calls ``after_cycle`` when an epoch was trained and, if its turn has come, validated: what is decided or saved
    there knows the validation. Data loaders draw from generators of their own, so that the global ones depend on the
    model alone; ranks other than 0 begin with other draws.

    Args:
        runner: the Runner.
        dataloader: data loader of the training, or its config.
        max_epochs: epochs to train.
        val_begin: first epoch after which to validate.
        val_interval: epochs between validations.
        dynamic_intervals: other intervals later, as ``[(epoch, interval), ...]``.

    Attributes:
        batch: batches of the current epoch that were trained already.
        random_state: of this rank, to continue from; set by a resume, ``None`` later.
        epoch_state: the random state at the beginning of the epoch, for samplers that draw from it; else ``None``.
        gradients: by name of the parameter, those that waited for an update; set by a resume, ``None`` later.
        buffers: of this rank, by name, where ranks have their own; set by a resume, empty later.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        max_epochs: int,
        val_begin: int = 1,
        val_interval: int = 1,
        dynamic_intervals: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        super().__init__(runner, dataloader, max_epochs, val_begin, val_interval, dynamic_intervals)
        self.batch = 0
        self.random_state: dict | None = None
        self.epoch_state: dict | None = None
        self.gradients: dict[str, Tensor] | None = None
        self.buffers: dict[str, Tensor] = {}

    def run(self) -> nn.Module:
        """Train to the end, or until a hook sets ``stop_training``."""
        seed = self.runner.seed
        if not self._can_skip() and isinstance(self.dataloader.dataset, AffectDataset):
            self.runner.logger.warning(
                f'train_dataloader.sampler = {type(self.dataloader.sampler).__name__!r}: crop and flip of a window are '
                "the same in every epoch; 'WindowSampler' draws them anew"
            )
        for loader in (self.dataloader, getattr(self.runner.val_loop, 'dataloader', None)):
            if loader is not None:
                loader.generator = torch.Generator().manual_seed(seed)
        if get_rank():
            torch.manual_seed(seed + get_rank())
        self.runner.call_hook('before_train')
        self._continue()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._decide_current_val_interval()
            if self._validates():
                self.runner.val_loop.run()
            self.runner.call_hook('after_cycle')
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self) -> None:
        """Train what is left of an epoch."""
        # Before the hook, in which parts of the model may be put into eval mode.
        self.runner.model.train()
        self.runner.call_hook('before_train_epoch')
        # Of the epoch, so that workers begin a resumed one with the seed that they would have had.
        self.dataloader.generator.manual_seed(self.runner.seed + self._epoch)
        for index, data_batch in enumerate(self._batches(), self.batch):
            self.batch = index + 1
            self.run_iter(index, data_batch)
        self.batch, self.epoch_state = 0, None
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _continue(self) -> None:
        model = unwrapped(self.runner.model)
        for name, gradient in (self.gradients or {}).items():
            parameter = model.get_parameter(name)
            parameter.grad = gradient.to(parameter.device)
        for name, buffer in self.buffers.items():
            model.get_buffer(name).copy_(buffer)
        self.gradients, self.buffers = None, {}
        if not self.batch or self._can_skip():
            self._restore()

    def _restore(self) -> None:
        if self.random_state is not None:
            set_random_state(self.random_state)
            self.random_state = None

    def _can_skip(self) -> bool:
        return isinstance(self.dataloader.sampler, WindowSampler) and self.dataloader.batch_size is not None

    def _batches(self) -> Iterator[dict]:
        """Batches from the current one on; with a WindowSampler, windows before it are not read."""
        if self._can_skip():
            self.dataloader.sampler.skip = self.batch * self.dataloader.batch_size
            yield from self.dataloader
            return
        if self.epoch_state is None:
            self.epoch_state = random_state()
        else:
            set_random_state(self.epoch_state)
        batches = iter(self.dataloader)
        for _ in range(self.batch):
            next(batches)
        self._restore()
        yield from batches

    def _validates(self) -> bool:
        if self.runner.val_loop is None or self._epoch < self.val_begin:
            return False
        return self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs


def check_loop(runner: Runner, owner: str) -> None:
    """Raise :class:`ConfigError` if the training loop does not call ``after_cycle``, in which ``owner`` decides."""
    if not isinstance(runner.train_loop, EpochBasedTrainLoop):
        raise ConfigError(
            f"{owner}: needs train_cfg.type = 'EpochBasedTrainLoop', the loop of mmaffect; this is a "
            f'{type(runner.train_loop).__module__}.{type(runner.train_loop).__name__}'
        )
