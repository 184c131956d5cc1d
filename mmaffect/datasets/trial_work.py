"""A task of each of many trials, in processes: a trial that is broken costs itself only."""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing

from pebble import ProcessExpired

from ..errors import ConfigError, CorpusError, MediaError, MMAffectError
from ..utils.processes import run_in_processes
from ..utils.progress import Progress
from .raw import RawTrial


def work_on_trials(
    function: Callable,
    trials: list[RawTrial],
    tasks: list[tuple],
    jobs: int,
    seconds: float,
    unit: str,
    done: int,
) -> Iterator[tuple[RawTrial, MMAffectError]]:
    """Do a task of each trial.

    Args:
        function: importable by name.
        trials: of which there is something to do.
        tasks: arguments of the function, for each trial.
        jobs: worker processes.
        seconds: after which a trial counts as broken.
        unit: what the progress counts.
        done: number of trials that an earlier run has done.

    Yields:
        Trials that are broken, and why.

    Raises:
        CorpusError: if the worker processes were ended.
        Exception: any other that is not the trial's.
    """
    if not trials:
        return
    outcomes = run_in_processes(
        function, tasks, min(jobs, len(trials)), seconds, ('mmaffect.media', f'{__package__}.preparation')
    )
    with closing(outcomes), Progress(done + len(trials), unit, done) as progress:
        for index, outcome in outcomes:
            progress.update()
            if isinstance(outcome, BaseException):
                yield trials[index], _broken(trials[index], outcome, seconds)


def _broken(trial: RawTrial, error: BaseException, seconds: float) -> MMAffectError:
    """The error to report for a trial; raises those that are not the trial's."""
    if isinstance(error, MMAffectError) and not isinstance(error, ConfigError):
        return error
    if isinstance(error, ProcessExpired):
        code = error.exitcode
        how = signal.Signals(-code).name if code is not None and code < 0 else f'exit status {code}'
        return MediaError(f'{trial.video}: reading trial {trial.name} ended its process ({how}); is a file damaged?')
    if isinstance(error, (FutureTimeoutError, TimeoutError)):
        return MediaError(f'{trial.video}: trial {trial.name} took more than {seconds:.0f} s; is a file damaged?')
    if isinstance(error, MemoryError):
        return MediaError(f'{trial.video}: trial {trial.name} needs more memory than there is')
    if isinstance(error, BrokenProcessPool):
        raise CorpusError(f'{trial.name}: the worker processes were ended; run it again, it continues') from None
    raise error
