"""How much work a pickle asks for, found out before it is opened.

``weights_only`` keeps a pickle from running code, not from being slow: 200 bytes can describe tuples of tuples of the
same tuples, whose hash takes hours, and one opcode a byte keeps an unpickler in Python busy for long.
"""

import pickletools
from typing import BinaryIO

from ..errors import CheckpointError

# 450 tensors with the state of Adam take about 50,000 steps; a million take about a second.
MAX_STEPS = 1_000_000
MAX_PARTS = 1_000_000
# These fill an object that has no hash, so that its parts do not count.
FILLING = frozenset({'APPEND', 'APPENDS', 'SETITEM', 'SETITEMS', 'ADDITEMS', 'BUILD'})


def check_pickle(file: BinaryIO, count: int = 1) -> None:
    """Follow the opcodes of pickles without carrying them out.

    Args:
        file: a file at the beginning of the first.
        count: how many follow one another.

    Raises:
        CheckpointError: if they are damaged, have too many steps, or build a tuple of too many parts.
    """
    steps = 0
    for _ in range(count):
        try:
            steps = _follow(file, steps)
        except CheckpointError:
            raise
        except Exception as error:  # pickletools and the stack report damage by several types
            raise CheckpointError(f'damaged ({type(error).__name__}); it was not loaded') from None


def _follow(file: BinaryIO, steps: int) -> int:
    # Stack and memo hold how many parts, counted as often as they occur, each object is made of.
    stack: list[int | None] = []
    memo: dict[int, int] = {}
    for opcode, argument, _ in pickletools.genops(file):
        steps += 1
        if steps > MAX_STEPS:
            raise CheckpointError(f'a pickle of more than {MAX_STEPS} steps; it was not loaded')
        name = opcode.name
        if name == 'MEMOIZE':
            memo[len(memo)] = stack[-1]
        elif name.endswith('PUT'):
            memo[int(argument)] = stack[-1]
        elif name.endswith('GET'):
            stack.append(memo[int(argument)])
        elif name == 'DUP':
            stack.append(stack[-1])
        elif name == 'MARK':
            stack.append(None)
        else:
            parts = _pop(stack, opcode.stack_before)
            if parts > MAX_PARTS:
                raise CheckpointError(f'a pickle of an object of more than {MAX_PARTS} parts; it was not loaded')
            stack += [1 if name in FILLING else 1 + parts] * len(opcode.stack_after)
    return steps


def _pop(stack: list[int | None], before: list) -> int:
    if pickletools.markobject not in before:
        return sum(stack.pop() or 0 for _ in before)
    parts = 0
    while (top := stack.pop()) is not None:
        parts += top
    return parts + sum(stack.pop() or 0 for _ in before[: before.index(pickletools.markobject)])
