"""Initial weights from a checkpoint of another model, through the same checks as any other checkpoint."""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mmengine.logging import print_log
from mmengine.model.weight_init import update_init_info
from torch import Tensor, nn

from ..errors import CheckpointError
from ..registry import WEIGHT_INITIALIZERS
from ..utils.download import fetch
from .checkpoint import other_shapes, printable, read_checkpoint, without_wrapper


class Match(NamedTuple):
    """How the weights of a file fit a model.

    Attributes:
        weights: those that both have, by the model's names.
        missing: names that the model has and the file has not.
        unexpected: names that the file has and the model has not.
    """

    weights: dict[str, Tensor]
    missing: list[str]
    unexpected: list[str]

    def report(self, source: str | Path, limit: int | None = None) -> None:
        """Log how many fit, and as warnings the names of those that do not, grouped by part.

        Args:
            source: the file.
            limit: names of each part that are written out; all, if ``None``.
        """
        print_log(f'{source}: {len(self.weights)} weights fit the model', logger='current')
        for kind, names in (('missing in the file', self.missing), ('not in the model', self.unexpected)):
            if names:
                lines = [f'  {part} ({len(group)}): {_some(group, limit)}' for part, group in by_part(names).items()]
                text = '\n'.join([f'{source}: {len(names)} weights are {kind}:', *lines])
                print_log(text, logger='current', level=logging.WARNING)


def match_weights(model: nn.Module, state: Mapping[str, Tensor], source: str | Path) -> Match:
    """Compare the weights of a file with those of a model.

    ``module.``, which DataParallel puts before every name, is taken off.

    Args:
        model: the model.
        state: names and weights of the file.
        source: the file, for errors.

    Raises:
        CheckpointError: if no name fits, or a weight is of another shape.
    """
    wanted = model.state_dict()
    if not any(key.startswith('module.') for key in wanted):
        state = without_wrapper(state)
    shapes = other_shapes(wanted, state)
    if shapes:
        more = f' and {len(shapes) - 1} more' if len(shapes) > 1 else ''
        raise CheckpointError(f'{source}: a checkpoint of another model; {shapes[0]}{more}')
    weights = {key: value for key, value in state.items() if key in wanted}
    if not weights:
        raise CheckpointError(
            f'{source}: none of its {len(state)} weights ({_some(state)}) fits the model ({_some(wanted)})'
        )
    missing = [key for key in wanted if key not in state]
    return Match(weights, missing, [key for key in state if key not in wanted])


def by_part(names: Sequence[str]) -> dict[str, list[str]]:
    """Names of weights grouped by the part of the model that they are in.

    Examples:
        >>> by_part(['audio.norm.bias', 'head.fc1.bias', 'audio.norm.weight'])
        {'audio.norm': ['audio.norm.bias', 'audio.norm.weight'], 'head.fc1': ['head.fc1.bias']}
    """
    parts = defaultdict(list)
    for name in names:
        parts['.'.join(name.split('.')[:2]) if name.count('.') > 1 else name.partition('.')[0]].append(name)
    return dict(parts)


@WEIGHT_INITIALIZERS.register_module(name='Pretrained')
class Pretrained:
    """Initialise a module from a checkpoint; arguments as MMEngine's initialiser of this name.

    ``init_cfg=dict(type='Pretrained', checkpoint='ir50.pth', prefix='visual.backbone.')`` in a backbone. Under the
    scope ``mmaffect``, as in a Runner, it stands in the place of MMEngine's, which loads what fits and says nothing
    about a prefix that no name has.

    Args:
        checkpoint: path or URL; ``#sha256=<digits>`` at a URL's end says what is expected.
        prefix: which part of the file: names that begin so, without it; all, if ``None``.
        map_location: not used, since weights are copied to where the module is; MMEngine's users write it.
    """

    def __init__(self, checkpoint: str, prefix: str | None = None, map_location: str = 'cpu') -> None:
        self.checkpoint = checkpoint
        self.prefix = prefix
        self.map_location = map_location

    def __call__(self, module: nn.Module) -> None:
        """Load the weights.

        Raises:
            CheckpointError: if the file is damaged, has nothing under the prefix, or weights of another shape.
            DownloadError: if it cannot be fetched.
        """
        state = read_checkpoint(fetch(self.checkpoint))['state_dict']
        if self.prefix is not None:
            prefix = self.prefix if self.prefix.endswith('.') else f'{self.prefix}.'
            part = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
            if not part:
                raise CheckpointError(f'{self.checkpoint}: no weight begins with {prefix!r} ({_some(state)})')
            state = part
        match = match_weights(module, state, self.checkpoint)
        match.report(self.checkpoint)
        module.load_state_dict(match.weights, strict=False)
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=f'Pretrained: load from {self.checkpoint}')


def _some(names: Collection[str], limit: int | None = 2) -> str:
    first = [printable(name) for name in list(names)[:limit]]
    return ', '.join([*first, '...'] if len(names) > len(first) else first)
