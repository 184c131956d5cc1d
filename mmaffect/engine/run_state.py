"""What a run depends on beside its weights, as values that a checkpoint can hold."""

import copy
from collections.abc import Iterator

import numpy as np
import torch.distributed as dist
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.optim import _ParamScheduler
from mmengine.runner import Runner
from torch import Tensor

from .release import unwrapped


def stateful(hooks: list[Hook]) -> Iterator[tuple[str, Hook]]:
    """Hooks that have a state, each with a name: its class, and a number from the second of a class on."""
    seen: dict[str, int] = {}
    for hook in hooks:
        if hasattr(hook, 'state_dict') and hasattr(hook, 'load_state_dict'):
            name = type(hook).__name__
            seen[name] = seen.get(name, 0) + 1
            yield name if seen[name] == 1 else f'{name}.{seen[name]}', hook


def waiting_gradients(runner: Runner) -> dict[str, Tensor]:
    """Gradients of iterations since the last update, averaged over the ranks, which have not exchanged them yet.

    Continued from the average on every rank, the next update is the one that would have been, but for rounding.
    """
    model = unwrapped(runner.model)
    waiting = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            gradient = parameter.grad.detach().clone()
            if get_world_size() > 1:
                dist.all_reduce(gradient)
                gradient /= get_world_size()
            waiting[name] = gradient.cpu()
    return waiting


def buffers(runner: Runner) -> dict[str, Tensor]:
    """Buffers of the model of this rank, such as statistics of BatchNorm, on the CPU."""
    model = unwrapped(runner.model)
    return {name: buffer.detach().cpu() for name, buffer in model.named_buffers()}


def schedulers_of(runner: Runner) -> list[_ParamScheduler]:
    """All parameter schedulers of a Runner that trains, also those of several optimizers."""
    found = runner.param_schedulers or []
    found = [one for group in found.values() for one in group] if isinstance(found, dict) else found
    # In a test they are configs still.
    return [one for one in found if isinstance(one, _ParamScheduler)]


def catch_up(scheduler: _ParamScheduler) -> None:
    """Let a scheduler make the step that it left out at its end, if it has a later end now: more epochs were asked for.

    By default its end is that of the training; what it does in the last epoch was for none to come.
    """
    if getattr(scheduler, 'need_val_args', False) or not scheduler.begin <= scheduler._global_step < scheduler.end:
        return
    if scheduler.last_step == scheduler._global_step - scheduler.begin - 1:
        scheduler._global_step -= 1
        scheduler.step()


def plain_values(state: dict) -> dict:
    """Entries that a checkpoint can hold so that it can be read again: numbers, texts, tensors; lists, dicts of them.

    Others are left out, such as the bound method that OneCycleLR keeps.
    """
    return {key: copy.deepcopy(value) for key, value in state.items() if _is_plain(value)}


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, value)) and all(map(_is_plain, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (str, bytes, bool, int, float, Tensor, np.ndarray, np.generic))


def progress(scheduler: _ParamScheduler, fresh: dict) -> dict:
    """What a scheduler has gone through: the rest is its config, which may be another one when a run is continued.

    Args:
        scheduler: the scheduler.
        fresh: :func:`plain_values` of its state before the first step.
    """
    state = plain_values(scheduler.state_dict())
    return {key: value for key, value in state.items() if _differ(value, fresh.get(key))}


def _differ(a: object, b: object) -> bool:
    try:
        return bool(a != b)
    except (ValueError, RuntimeError):  # arrays and tensors
        return True


def like(schedulers: dict | list, states: list[dict]) -> dict | list:
    """States in the form of the schedulers: one list, or one of each optimizer."""
    if not isinstance(schedulers, dict):
        return states
    left = iter(states)
    return {name: [next(left) for _ in group] for name, group in schedulers.items()}


def gather(state: dict) -> list[dict]:
    """The states of all ranks, in their order."""
    if get_world_size() == 1:
        return [state]
    states: list[dict | None] = [None] * get_world_size()
    dist.all_gather_object(states, state)
    return states
