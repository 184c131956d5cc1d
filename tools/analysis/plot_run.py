"""Draw loss, CCC, learning rate, gates and releases of trainings, which may have been resumed.

python tools/analysis/plot_run.py work_dirs/grjca_demo [work_dirs/ca_demo] [--out runs.png] [--smooth 10]
python tools/analysis/plot_run.py work_dirs/cv    # the trainings in its subfolders, at most 6
"""

import argparse
from pathlib import Path

from mmaffect.utils.cli import run_tool

FORMATS = ('.png', '.svg', '.pdf')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'work_dirs', nargs='+', metavar='WORK_DIR', help='of a training, or of several in subfolders: side by side'
    )
    parser.add_argument('--out', metavar='FILE', help='PNG, SVG or PDF (default: run.png in the first work dir)')
    parser.add_argument(
        '--smooth', type=int, default=1, metavar='N', help='running mean over N logged losses (default: 1)'
    )
    args = parser.parse_args()
    args.out = args.out or str(Path(args.work_dirs[0], 'run.png'))
    if args.smooth < 1:
        parser.error(f'--smooth {args.smooth}: expected at least 1')
    if Path(args.out).suffix not in FORMATS:
        parser.error(f'--out {args.out}: expected {", ".join(FORMATS)}')
    return args


def main() -> None:
    args = parse_args()

    from mmaffect.evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE
    from mmaffect.visualization import draw_runs
    from mmaffect.visualization.run_log import read_runs

    runs = read_runs(args.work_dirs)
    note = SYNTHETIC_NOTICE if any(run.synthetic for run in runs) else ''
    draw_runs(args.out, runs, smooth=args.smooth, note=note)
    print(f'written: {args.out}')


if __name__ == '__main__':
    run_tool(main)
