"""Makes a synthetic demo corpus in the raw layout of Aff-Wild2. A CCC on it is no accuracy on people."""

import argparse
import os

from mmaffect.demo.conditions import KINDS
from mmaffect.demo.corpus import make_demo_corpus
from mmaffect.demo.plan import Settings
from mmaffect.utils.cli import run_tool


def parse_args(argv: list[str] | None = None) -> tuple[argparse.Namespace, Settings]:
    """Arguments of the command line, checked.

    Args:
        argv: words after the script's name; None takes those of the process.
    """
    default = Settings()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('out', metavar='OUT', help='folder to write; new, empty or an unfinished corpus to go on with')
    parser.add_argument('--trials', type=int, default=default.trials, help='number of trials (default %(default)s)')
    parser.add_argument(
        '--seconds', type=float, default=default.seconds, help='mean length of a trial (default %(default)s)'
    )
    parser.add_argument(
        '--weak',
        type=float,
        default=default.weak,
        help='share of time in [0, 1) in which one modality is decoupled from the truth (default %(default)s)',
    )
    parser.add_argument(
        '--kinds', nargs='+', choices=KINDS, default=KINDS, help='what decouples a modality (default: all)'
    )
    parser.add_argument('--seed', type=int, default=default.seed, help='draws other people (default %(default)s)')
    parser.add_argument('--validation', type=int, help='trials of them for validation (default: a quarter)')
    parser.add_argument('--jobs', type=int, default=os.cpu_count(), help='processes (default: all CPUs)')
    args = parser.parse_args(argv)
    try:
        settings = Settings(args.trials, args.seconds, args.weak, args.seed, tuple(args.kinds), args.validation)
    except ValueError as error:
        parser.error(str(error))
    if args.jobs < 1:
        parser.error(f'jobs is {args.jobs}; expected at least 1')
    return args, settings


def main() -> None:
    args, settings = parse_args()
    plan = make_demo_corpus(args.out, settings, args.jobs)
    trials = sum(len(video.trials) for video in plan.videos)
    print(f'{args.out}: {trials} trials of {len(plan.subjects)} synthetic people in {len(plan.videos)} videos')


if __name__ == '__main__':
    run_tool(main)
