"""How command-line tools end: what a user can cause is one line on stderr and a status that is not 0."""

import sys
from collections.abc import Callable
from typing import NoReturn

from ..errors import MMAffectError


def run_tool(main: Callable[[], int | None]) -> NoReturn:
    """Run ``main`` and exit with its status; 1 after an error of the user's, 130 after an interrupt.

    Anything else keeps its traceback, since it is a defect of ours.
    """
    try:
        status = main() or 0
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        status = 130
    except MMAffectError as error:
        print(f'error: {one_line(error)}', file=sys.stderr)
        status = 1
    except OSError as error:
        print(f'error: {one_line(error)}', file=sys.stderr)
        status = 1
    sys.exit(status)


def one_line(error: BaseException) -> str:
    """The error's text without line breaks.

    Examples:
        >>> one_line(OSError(28, 'No space left on device', 'faces/a.npy'))
        'faces/a.npy: No space left on device'
    """
    if isinstance(error, OSError) and error.strerror:
        where = f'{error.filename}: ' if error.filename is not None else ''
        return f'{where}{error.strerror}'
    return ' '.join(str(error).split()) or type(error).__name__
