import signal

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
