"""What a rank tells its launcher (mmaffect/utils/launch.py), and which of its errors follow from another rank's."""

import ctypes
import json
import os
import re
import signal
import sys
import time

LAUNCHER = 'MMAFFECT_LAUNCHER'  # names the launcher's process to the ranks

_LOST = re.compile(
    r'connection closed|connection (was likely )?(closed|reset)|connection refused|broken pipe|pair closure'
    r'|time(d )?out (after|waiting) \d+ ?ms|socket timeout|connectFullMesh failed|failed to (connect|recv)'
    r'|remote process exited|ncclRemoteError|communicator was aborted|collective operation timeout',
    re.IGNORECASE,
)


def launched() -> bool:
    """Whether our launcher started this very process, and not one that this process comes from."""
    return os.environ.get(LAUNCHER) == str(os.getppid()) and bool(os.environ.get('TORCHELASTIC_ERROR_FILE'))


def end_with_launcher() -> None:
    """Have Linux end this rank when its launcher dies, be it of SIGKILL: else it would keep its GPU."""
    if launched() and sys.platform.startswith('linux'):
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
        if not launched():  # it died before
            sys.exit(128 + signal.SIGTERM)


def tell_launcher(kind: str, message: str) -> bool:
    """Leave word for the launcher, where ``torch.distributed.elastic`` looks for it.

    Args:
        kind: ``'error'``: of the user's, to be printed as it is; ``'lost'``: follows from another rank's failure;
            ``'defect'``: anything else.
        message: the line to print; of a kind other than ``'error'`` what goes after the rank's name.

    Returns:
        Whether there is such a launcher.
    """
    if not launched():
        return False
    from .files import write_text

    word = {'message': message, 'timestamp': int(time.time()), 'kind': kind}
    try:
        write_text(os.environ['TORCHELASTIC_ERROR_FILE'], json.dumps(word))
    except OSError:
        return False
    return True


def lost_connection(error: BaseException) -> str | None:
    """What a collective operation says when another rank has gone, in short; ``None``: the error is another one.

    gloo and DDP's backward raise a plain ``RuntimeError`` for it, NCCL and the store their own kinds of it.

    Examples:
        >>> os.environ['WORLD_SIZE'] = '2'
        >>> lost_connection(RuntimeError('[tcp/pair.cc:561] Connection closed by peer [10.0.0.1]:1. This is typical'))
        'Connection closed by peer [10.0.0.1]:1'
        >>> lost_connection(RuntimeError('mat1 and mat2 shapes cannot be multiplied'))
        >>> del os.environ['WORLD_SIZE']
    """
    if int(os.environ.get('WORLD_SIZE', '1')) < 2:
        return None
    # A RuntimeError may have been turned into an error of the config.
    for one in (error, error.__cause__):
        if isinstance(one, RuntimeError) and _LOST.search(str(one)) and not port_in_use(one):
            text = ' '.join(re.sub(r'^\[\S+:\d+\] ', '', str(one)).split())
            return re.split(r'\. ', text)[0][:200]
    return None


def port_in_use(error: BaseException) -> bool:
    """Whether the store of a process group could not have its port.

    Examples:
        >>> port_in_use(RuntimeError('The server socket has failed ... port: 29500, ... name: EADDRINUSE, ...'))
        True
    """
    return isinstance(error, RuntimeError) and 'EADDRINUSE' in str(error)
