"""Several configs, each trained with several seeds."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from .running import load_config, use_randomness
from .training import check_data, train_or_keep


def train_once(
    config: str,
    seed: int,
    work_dir: str,
    data_root: str | None = None,
    features: str | None = None,
    options: Mapping[str, object] | None = None,
) -> dict:
    """Train a config with a seed and keep what its validation said; a finished run of the same config is not repeated.

    As :func:`mmaffect.engine.training.train_or_keep`; what another process trains is waited for.

    Args:
        config: config file.
        seed: of the run.
        work_dir: folder of its logs and checkpoints, and of ``result.json``.
        data_root: corpus, instead of the config's.
        features: cached features in the place of the backbones.
        options: ``--cfg-options``.

    Returns:
        As :func:`mmaffect.engine.training.train_or_keep`.

    Raises:
        ConfigError: if the work dir has the finished run of another config.
        MMAffectError: as :func:`mmaffect.engine.running.build_runner`.
    """
    cfg = load_config(config, options=options, data_root=data_root, work_dir=work_dir, features=features)
    check_data(cfg)
    use_randomness(cfg, seed)
    return train_or_keep(cfg)


def summarise(runs: Sequence[dict]) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation (n - 1) over the runs of a config.

    Args:
        runs: as :func:`train_once` returns them.

    Returns:
        ``best/<figure>``: at the epoch with the highest ``CCC/mean``, chosen on the trials that it is measured on; and
        ``last/<figure>``: after the last epoch, which nothing was chosen by.
    """
    return mean_and_deviation([best_and_last(run) for run in runs])


def best_index(run: Mapping) -> int:
    """Index of the highest ``CCC/mean`` in the history of a run; that of the last, if there never was one."""
    means = np.array(run['history']['CCC/mean'])
    return len(means) - 1 if np.isnan(means).all() else int(np.nanargmax(means))


def best_and_last(run: Mapping) -> dict[str, float]:
    """CCC of a run at its best epoch and after its last one, keyed as by :func:`summarise`."""
    best = best_index(run)
    figures = {}
    for key, numbers in run['history'].items():
        if key.startswith('CCC/'):
            figures |= {f'best/{key}': numbers[best], f'last/{key}': numbers[-1]}
    return figures


def mean_and_deviation(rows: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation (n - 1; NaN of one value) by name, of the rows that have it."""
    values: dict[str, list[float]] = {}
    for row in rows:
        for key, value in row.items():
            values.setdefault(key, []).append(value)
    return {
        key: (float(np.mean(found)), float(np.std(found, ddof=1)) if len(found) > 1 else float('nan'))
        for key, found in values.items()
    }


def comparison_table(runs: Mapping[str, Sequence[dict]]) -> str:
    """Markdown table, one row a config.

    Args:
        runs: by name of the config, as :func:`train_once` returns them; configs may predict different targets.
    """
    rows = {name: summarise(found) for name, found in runs.items()}
    targets = list(dict.fromkeys(key[9:] for row in rows.values() for key in row if key.startswith('best/CCC/')))
    lines = [
        f'| config | {" | ".join(targets)} | mean after the last epoch | runs | parameters | seconds an epoch |',
        f'|---|{"---|" * (len(targets) + 4)}',
    ]
    for name, found in runs.items():
        cells = [spread(rows[name].get(f'best/CCC/{target}')) for target in targets]
        cells += [spread(rows[name]['last/CCC/mean']), str(len(found)), f'{found[0]["parameters"]:,}']
        seconds = [run['seconds'] for run in found if run['seconds'] is not None]
        lines.append(f'| {name} | {" | ".join(cells)} | {f"{np.mean(seconds):.2f}" if seconds else "–"} |')
    return '\n'.join(lines)


def spread(value: tuple[float, float] | None) -> str:
    """Mean and standard deviation as text.

    Examples:
        >>> spread((0.512, 0.013))
        '0.512 ± 0.013'
        >>> spread((0.512, float('nan')))  # of a single run
        '0.512'
    """
    if value is None:
        return '–'
    return f'{value[0]:.3f}' if math.isnan(value[1]) else f'{value[0]:.3f} ± {value[1]:.3f}'
