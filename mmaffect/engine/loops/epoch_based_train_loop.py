"""Training that continues at any batch as if it had never stopped."""

from collections.abc import Iterable
from itertools import islice

import torch
from mmengine.dist import get_rank
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop as _EpochBasedTrainLoop
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ...datasets.sampler import WindowSampler
from ...registry import LOOPS
from ...utils.random_state import set_random_state


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

    Attributes:
        batch: batches of the current epoch that were trained already.
        random_state: of this rank, to continue from; set by a resume, ``None`` later.
        gradients: by name of the parameter, those that waited for an update; set by a resume, ``None`` later.
    """

    def __init__(
        self, runner: Runner, dataloader: DataLoader | dict, max_epochs: int, val_begin: int = 1, val_interval: int = 1
    ) -> None:
        super().__init__(runner, dataloader, max_epochs, val_begin, val_interval)
        self.batch = 0
        self.random_state: dict | None = None
        self.gradients: dict[str, Tensor] | None = None

    def run(self) -> nn.Module:
        """Train to the end, or until a hook sets ``stop_training``."""
        seed = self.runner.seed
        for number, loader in enumerate((self.dataloader, getattr(self.runner.val_loop, 'dataloader', None))):
            if loader is not None:
                loader.generator = torch.Generator().manual_seed(seed + number)
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
        for index, data_batch in enumerate(self._batches(), self.batch):
            self.batch = index + 1
            self.run_iter(index, data_batch)
        self.batch = 0
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _continue(self) -> None:
        if self.gradients is not None:
            model = self.runner.model.module if is_model_wrapper(self.runner.model) else self.runner.model
            for name, parameter in model.named_parameters():
                if name in self.gradients:
                    parameter.grad = self.gradients[name].to(parameter.device)
            self.gradients = None
        if self.random_state is not None:
            set_random_state(self.random_state)
            self.random_state = None

    def _batches(self) -> Iterable[dict]:
        """Batches from the current one on; windows before it are not read."""
        if not self.batch:
            return self.dataloader
        sampler = self.dataloader.sampler
        if not isinstance(sampler, WindowSampler) or self.dataloader.batch_size is None:
            return islice(self.dataloader, self.batch, None)
        sampler.skip = self.batch * self.dataloader.batch_size
        return self.dataloader

    def _validates(self) -> bool:
        if self.runner.val_loop is None or self._epoch < self.val_begin:
            return False
        return self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
