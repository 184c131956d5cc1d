"""Train several configs with several seeds and print mean and standard deviation of their CCC.

    python tools/analysis/compare.py configs/comparison/*_demo.py --seeds 0 1 2

Runs that are finished are kept, those that were interrupted continue. Table, figures and picture are written to the
work dir.
"""

import argparse
import json
import math
import os
from contextlib import closing
from pathlib import Path

from mmaffect.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='+', help='config files')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2], help='(default: 0 1 2)')
    parser.add_argument('--jobs', type=int, help='runs at once (default: one a core, with a GPU one)')
    parser.add_argument('--data-root', help="folder of the prepared corpus, instead of the configs'")
    parser.add_argument('--work-dir', default='work_dirs/compare', help='(default: %(default)s)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override config keys of every config')
    args = parser.parse_args()
    if args.jobs is not None and args.jobs < 1:
        parser.error(f'--jobs {args.jobs}: expected at least 1')
    if len(set(args.seeds)) < len(args.seeds):
        parser.error(f'--seeds {args.seeds}: a seed is given twice')
    return args


def table(rows: dict[str, dict], runs: dict[str, list[dict]]) -> str:
    """Markdown table, one row a config."""
    targets = [key.rpartition('/')[2] for key in next(iter(rows.values())) if key.startswith('best/')]
    lines = [
        f'| config | {" | ".join(targets)} | mean after the last epoch | parameters | seconds an epoch |',
        f'|---|{"---|" * (len(targets) + 3)}',
    ]
    for name, row in rows.items():
        cells = [spread(row[f'best/CCC/{target}']) for target in targets] + [spread(row['last/CCC/mean'])]
        seconds = sum(run['seconds'] for run in runs[name]) / len(runs[name])
        lines.append(f'| {name} | {" | ".join(cells)} | {runs[name][0]["parameters"]:,} | {seconds:.2f} |')
    return '\n'.join(lines)


def spread(value: tuple[float, float]) -> str:
    """``0.512 ± 0.013``, without the second of a single run."""
    return f'{value[0]:.3f}' if math.isnan(value[1]) else f'{value[0]:.3f} ± {value[1]:.3f}'


def main() -> None:
    args = parse_args()

    import torch

    from mmaffect.engine.comparison import config_name, summarise, train_once
    from mmaffect.engine.running import load_config
    from mmaffect.errors import ConfigError, MMAffectError
    from mmaffect.evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE
    from mmaffect.utils.files import write_text
    from mmaffect.utils.processes import run_in_processes
    from mmaffect.utils.progress import Progress
    from mmaffect.visualization import draw_comparison

    names = [config_name(path) for path in args.configs]
    if len(set(names)) < len(names):
        raise ConfigError(f'configs: two have the name {next(name for name in names if names.count(name) > 1)}')
    for path in args.configs:
        load_config(path, options=args.cfg_options)
    work_dir = Path(args.work_dir)
    tasks = [
        (path, seed, str(work_dir / name / f'seed_{seed}'), args.data_root, args.cfg_options)
        for path, name in zip(args.configs, names, strict=True)
        for seed in args.seeds
    ]
    jobs = args.jobs or (1 if torch.cuda.is_available() else min(len(tasks), os.cpu_count() or 1))
    runs: dict[str, list[dict]] = {name: [] for name in names}
    outcomes = run_in_processes(train_once, tasks, jobs, preload=('mmaffect.engine.comparison',))
    with closing(outcomes), Progress(len(tasks), 'runs') as progress:
        for index, outcome in outcomes:
            if isinstance(outcome, BaseException):
                if isinstance(outcome, (MMAffectError, OSError)):
                    raise outcome
                raise ConfigError(f'{tasks[index][0]}, seed {tasks[index][1]}: {outcome}; see {tasks[index][2]}')
            runs[names[index // len(args.seeds)]].append(outcome)
            progress.update()

    for found in runs.values():
        found.sort(key=lambda run: run['seed'])
    rows = {name: summarise(found) for name, found in runs.items()}
    first = next(iter(runs.values()))[0]
    title = (
        f'CCC on {first["corpus"]}, {first["split"]}: mean ± standard deviation over seeds '
        f'{", ".join(map(str, args.seeds))}; best epoch by CCC/mean, chosen on these trials'
    )
    text = f'{title}\n\n{table(rows, runs)}\n'
    note = SYNTHETIC_NOTICE if first['synthetic'] else ''
    if note:
        text += f'\n{note}\n'
    print(f'\n{text}')
    write_text(work_dir / 'comparison.md', text)
    write_text(work_dir / 'comparison.json', json.dumps({'rows': rows, 'runs': runs}, indent=1))
    figures = [key for key in next(iter(rows.values())) if key.startswith('best/')]
    draw_comparison(work_dir / 'comparison.png', rows, figures, title=title.replace('; best', '\nbest'), note=note)
    print(f'written: {work_dir}/comparison.md, .json and .png')


if __name__ == '__main__':
    run_tool(main)
