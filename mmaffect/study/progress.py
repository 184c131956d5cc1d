"""All runs of a study, side by side; what is finished goes into the table at once."""

import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from ..errors import ConfigError, MMAffectError
from ..utils.cli import one_line
from ..utils.processes import run_in_processes
from ..utils.progress import Progress
from .design import FUSIONS, LABELS, StudySettings, runs_of
from .material import Places
from .runs import read_record, run_config, run_epochs, train_run
from .statistics import mean_ccc
from .table import NORMAL, StudyTable
from .table_files import FILES

WRITE_SECONDS = 20.0


def run_all(
    corpora: Mapping[float, str], places: Places, settings: StudySettings, table: StudyTable, folder: Path, jobs: int
) -> list[str]:
    """Train and measure what is not finished yet; a run that fails does not stop the others.

    Args:
        corpora: by share of decoupled time, prepared, with features.
        places: where the runs are.
        settings: what is run.
        table: gets every finished run.
        folder: of the table's files, which are written now and then and at the end.
        jobs: runs at once, one thread each.

    Returns:
        What went wrong, a line a run.

    Raises:
        ConfigError: the table is of other corpora.
    """
    pending = []
    for weak, fusion, seed in runs_of(settings):
        arguments = (weak, fusion, seed, corpora[weak], str(places.run(weak, fusion, seed)), settings)
        try:
            record = read_record(run_config(*arguments))
        except MMAffectError:
            record = None  # told when it is run
        if record is None:
            pending.append(arguments)
        else:
            _add(table, record, folder)
    total, failed, written = len(runs_of(settings)), [], time.monotonic()
    outcomes = run_in_processes(train_run, pending, jobs, preload=('mmaffect.study.runs',))
    with closing(outcomes), Progress(total, 'runs', total - len(pending)) as progress:
        for index, outcome in outcomes:
            if isinstance(outcome, BaseException):
                weak, fusion, seed = pending[index][:3]
                failed.append(f'w={weak:g}, {fusion}, seed {seed}: {type(outcome).__name__}: {one_line(outcome)}')
            else:
                _add(table, outcome, folder)
            if time.monotonic() - written > WRITE_SECONDS:
                table.write(folder)
                written = time.monotonic()
            progress.update()
    if len(table):
        table.write(folder)
    return failed


def finished_checkpoint(
    weak: float, fusion: str, seed: int, corpus: str, places: Places, settings: StudySettings
) -> Path | None:
    """Weights of a finished run.

    Args:
        weak, fusion, seed: the run.
        corpus: that it was trained on.
        places: where the runs are.
        settings: of the study.

    Returns:
        The checkpoint; ``None`` if there is no run of these very settings.
    """
    work_dir = places.run(weak, fusion, seed)
    checkpoint = work_dir / f'epoch_{run_epochs(fusion, settings)}.pth'
    try:
        finished = read_record(run_config(weak, fusion, seed, corpus, str(work_dir), settings))
    except MMAffectError:
        return None
    return checkpoint if finished and checkpoint.is_file() else None


def read_table(folder: Path) -> StudyTable:
    """The table of a folder, or an empty one where there is none.

    Raises:
        ConfigError: its files are damaged.
    """
    return StudyTable.load(folder) if any((folder / name).is_file() for name in FILES) else StudyTable()


def summary(table: StudyTable, settings: StudySettings) -> str:
    """Tables of all fusions that were run, one for each share of decoupled time.

    Args:
        table: of the study.
        settings: what was run.

    Returns:
        Text: CCC as mean and standard deviation over seeds, on all frames, normal and decoupled ones.
    """
    parts = []
    decoupled = [word for word in table.conditions if word != NORMAL]
    for weak in sorted(set(settings.weak) & set(table.weak)):
        rows = [['fusion', 'group', 'CCC', 'normal frames', 'decoupled', 'runs', 'parameters']]
        for name in FUSIONS:
            if name not in settings.fusions or name not in table.fusions(weak):
                continue
            cells = [_ccc(table, weak, name, words) for words in (None, [NORMAL], decoupled if weak else [])]
            runs = table.runs(weak, name)
            fusion = FUSIONS[name]
            rows.append([fusion.label, LABELS[fusion.group], *cells, str(len(runs)), f'{runs[0]["parameters"]:,}'])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ['  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        parts.append('\n'.join([f'w = {weak:g}: mean CCC of valence and arousal, ± standard deviation', *lines]))
    return '\n\n'.join(parts)


def _ccc(table: StudyTable, weak: float, fusion: str, conditions: list[str] | None) -> str:
    from ..engine.comparison import spread

    if conditions == []:
        return spread(None)
    values = mean_ccc(table.moments(weak, fusion, conditions))
    deviation = float(values.std(ddof=1)) if len(values) > 1 else float('nan')
    return spread((float(values.mean()), deviation))


def _add(table: StudyTable, record: Mapping, folder: Path) -> None:
    try:
        table.add(record)
    except ConfigError as error:
        raise ConfigError(f'{folder}: {error}; the table is of another study: give another --table') from None
