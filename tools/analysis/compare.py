"""Train several configs with several seeds and print mean and standard deviation of their CCC.

    python tools/analysis/compare.py configs/comparison/*_demo.py --seeds 0 1 2

Runs that are finished are kept, those that were interrupted continue. Table, figures and picture are written to the
work dir.
"""

import argparse
import os
import sys
from contextlib import closing
from pathlib import Path

from mmaffect.utils.cli import one_line, run_tool


def parse_args() -> argparse.Namespace:
    from mmaffect.utils.options import OptionsAction

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='+', help='config files, or names that list_models() gives')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2], help='(default: 0 1 2)')
    parser.add_argument('--jobs', type=int, help='runs at once (default: one a core, with a GPU one)')
    parser.add_argument('--data-root', help="folder of the prepared corpus, instead of the configs'")
    parser.add_argument(
        '--features', metavar='NAME', help='cached features (tools/extract_features.py) in the place of the backbones'
    )
    parser.add_argument('--work-dir', default='work_dirs/compare', help='(default: %(default)s)')
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction, help='override config keys of every config')
    args = parser.parse_args()
    if args.jobs is not None and args.jobs < 1:
        parser.error(f'--jobs {args.jobs}: expected at least 1')
    if len(set(args.seeds)) < len(args.seeds):
        parser.error(f'--seeds {args.seeds}: a seed is given twice')
    return args


def main() -> int:
    args = parse_args()

    import torch

    from mmaffect.apis.zoo import config_path
    from mmaffect.engine.comparison import Comparison, train_once
    from mmaffect.engine.running import load_config
    from mmaffect.engine.training import check_data
    from mmaffect.errors import ConfigError
    from mmaffect.utils.processes import run_in_processes
    from mmaffect.utils.progress import Progress

    configs = {}
    for given in args.configs:
        path = str(config_path(given))
        check_data(load_config(path, options=args.cfg_options, data_root=args.data_root, features=args.features))
        if Path(path).stem in configs:
            raise ConfigError(f'{given}: a second config of the name {Path(path).stem}')
        configs[Path(path).stem] = path
    work_dir = Path(args.work_dir)
    runs: dict[str, list[dict]] = {name: [] for name in configs}
    failed: list[str] = []
    names = [(name, seed) for name in configs for seed in args.seeds]
    tasks = [
        (configs[name], seed, str(work_dir / name / f'seed_{seed}'), args.data_root, args.features, args.cfg_options)
        for name, seed in names
    ]
    jobs = args.jobs or (1 if torch.cuda.is_available() else min(len(tasks), os.cpu_count() or 1))
    outcomes = run_in_processes(train_once, tasks, jobs, preload=('mmaffect.engine.comparison',))
    with closing(outcomes), Progress(len(tasks), 'runs') as progress:
        for index, outcome in outcomes:
            name, seed = names[index]
            if isinstance(outcome, BaseException):
                failed.append(f'{name}, seed {seed}: {type(outcome).__name__}: {one_line(outcome)}')
            else:
                runs[name].append(outcome)
            progress.update()
    for line in failed:
        print(f'error: {line}', file=sys.stderr)
    runs = {name: sorted(found, key=lambda run: run['seed']) for name, found in runs.items() if found}
    if not runs:
        return 1

    comparison = Comparison(runs, failed)
    print(f'\n{comparison.markdown()}\n')
    comparison.write(work_dir)
    print(f'written: {work_dir}/comparison.md, .json and .png')
    return 1 if failed else 0


if __name__ == '__main__':
    run_tool(main)
