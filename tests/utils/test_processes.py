import os
import signal
import subprocess
import sys
import time

import pytest
from pebble import ProcessExpired

from mmaffect.utils.processes import run_in_processes


def test_worker_that_dies_costs_its_own_task():
    signals = [0, signal.SIGABRT, 0, signal.SIGKILL, 0, 0, signal.SIGSEGV, 0]
    outcomes = dict(run_in_processes(signal.raise_signal, [(number,) for number in signals], jobs=2))
    assert sorted(outcomes) == list(range(len(signals)))
    for index, number in enumerate(signals):
        assert isinstance(outcomes[index], ProcessExpired) == (number != 0)
        if number:
            assert outcomes[index].exitcode == -number


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_process_that_asked_for_them(number, tmp_path):
    script = tmp_path / 'caller.py'
    script.write_text(
        'import os, sys, time\n'
        'from mmaffect.utils.processes import run_in_processes\n'
        'def work(path):\n'
        '    with open(path, "w") as file: file.write(str(os.getpid()))\n'
        '    os.rename(path, path + ".pid")\n'
        '    time.sleep(600)\n'
        'if __name__ == "__main__":\n'
        '    list(run_in_processes(work, [(sys.argv[1] + name,) for name in "ab"], jobs=2))\n'
    )
    with subprocess.Popen([sys.executable, script, f'{tmp_path}/']) as caller:
        try:
            assert _soon(lambda: len(list(tmp_path.glob('*.pid'))) == 2)
            workers = [int(path.read_text()) for path in tmp_path.glob('*.pid')]
            assert all(map(_runs, workers))
        finally:
            caller.send_signal(number)
    assert _soon(lambda: not any(map(_runs, workers)))


def _soon(condition):
    ends = time.monotonic() + 120
    while not condition() and time.monotonic() < ends:
        time.sleep(0.1)
    return condition()


def _runs(process):
    """A zombie, which waits for a parent that takes no notice, does not."""
    try:
        os.kill(process, 0)
        with open(f'/proc/{process}/stat') as file:
            return file.read().rpartition(')')[2].split()[0] != 'Z'
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not os.path.isdir('/proc')
