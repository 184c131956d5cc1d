"""Measure what fusions lose where audio and picture do not belong together, on synthetic corpora.

    python tools/analysis/study.py            # everything, hours on two cores
    python tools/analysis/study.py --quick    # a small one, minutes
    python tools/analysis/study.py --corpus-seed 3    # the same with other people, in data/study_3, work_dirs/study_3

Makes the corpora, trains the encoders, writes their features, and trains and measures every fusion with every seed at
every share of decoupled time. Then predicts one trial as an example, and measures the models of the main fusions on
trials that are corrupted at test time. What is there is kept: a study that was stopped in any way goes on when the same
command is started again. A CCC on these corpora is no accuracy on people.
"""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from mmaffect.study.design import FUSIONS, QUICK, StudySettings
from mmaffect.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--quick', action='store_true', help='small corpora, 3 fusions, 2 seeds, 2 shares, in folders of its own'
    )
    parser.add_argument(
        '--weak', type=float, nargs='+', metavar='W', help='shares of decoupled time (default: 0 0.2 0.4 0.6)'
    )
    parser.add_argument(
        '--fusions', nargs='+', metavar='NAME', help=f'(default: all of {", ".join(FUSIONS)})'.replace('%', '%%')
    )
    parser.add_argument('--seeds', type=int, nargs='+', metavar='N', help='(default: 0 1 2 3 4)')
    parser.add_argument(
        '--corpus-seed',
        type=int,
        metavar='N',
        help='draws the people of the corpora (default: 2); another one is a replication, in folders of its own',
    )
    parser.add_argument(
        '--validation',
        type=int,
        metavar='N',
        help='trials of each corpus for validation (default: 24; quick: 8); those of training stay as they are',
    )
    parser.add_argument('--jobs', type=int, help='processes at once, one thread each (default: one a core)')
    parser.add_argument(
        '--data', type=Path, help='folder of the corpora (default: data/study; quick: data/study_quick)'
    )
    parser.add_argument(
        '--encoder-corpus',
        type=Path,
        help='prepared corpus that the encoders are trained on, made if needed (default: data/demo; quick: '
        'DATA/encoders)',
    )
    parser.add_argument(
        '--work-dir', type=Path, help='encoders and runs (default: work_dirs/study; quick: work_dirs/study_quick)'
    )
    parser.add_argument(
        '--table',
        type=Path,
        help='folder of the table, to which runs are added (default: docs/weak_complementarity; quick, or with other '
        'people: WORK_DIR/table)',
    )
    parser.add_argument('--no-robustness', action='store_true', help='measure nothing under corruption')
    parser.add_argument(
        '--robustness-fusions',
        nargs='+',
        metavar='NAME',
        help='measured under corruption, of those that were run (default: the main ones)',
    )
    args = parser.parse_args()
    if args.jobs is not None and args.jobs < 1:
        parser.error(f'--jobs {args.jobs}: expected at least 1')
    suffix = '_quick' if args.quick else ''
    if args.corpus_seed not in (None, StudySettings().corpus_seed):
        suffix += f'_{args.corpus_seed}'
    args.data = args.data or Path(f'data/study{suffix}')
    args.work_dir = args.work_dir or Path(f'work_dirs/study{suffix}')
    args.encoder_corpus = args.encoder_corpus or (args.data / 'encoders' if args.quick else Path('data/demo'))
    args.table = args.table or (args.work_dir / 'table' if suffix else Path('docs/weak_complementarity'))
    return args


def main() -> int:
    args = parse_args()
    given = {name: tuple(getattr(args, name)) for name in ('weak', 'fusions', 'seeds') if getattr(args, name)}
    if args.corpus_seed is not None:
        given['corpus_seed'] = args.corpus_seed
    settings = replace(QUICK if args.quick else StudySettings(), **given)
    if args.validation is not None:
        settings = settings.with_validation(args.validation)

    from mmaffect.datasets.corruptions import SEVERITIES
    from mmaffect.evaluation.metrics.ccc_metric import SYNTHETIC_NOTICE
    from mmaffect.study.corrupted import MAIN, check_fusions, write_robustness
    from mmaffect.study.example import write_example
    from mmaffect.study.material import Places, make_material
    from mmaffect.study.progress import read_table, run_all, summary

    fusions = check_fusions(args.robustness_fusions or MAIN)
    table = read_table(args.table)
    places = Places(args.data, args.work_dir, args.encoder_corpus)
    jobs = args.jobs or os.cpu_count() or 1
    corpora = make_material(places, settings, jobs, tell=lambda line: print(line, flush=True))
    print(f'runs: {args.work_dir / "runs"}', flush=True)
    failed = run_all(corpora, places, settings, table, args.table, jobs)
    print(f'\n{summary(table, settings)}\n\n{SYNTHETIC_NOTICE}\ntable: {args.table}', flush=True)
    corpora = {weak: str(places.corpus(weak)) for weak in table.weak} | corpora
    example = write_example(table, corpora, places, settings, args.table)
    print(f'example: {example or "left out, since no fusion with gates was run"}', flush=True)
    if not args.no_robustness:
        print(f'robustness: what is done of each trial is kept in {args.work_dir / "robustness"}', flush=True)
        severities = (1, 3, 5) if args.quick else SEVERITIES
        robustness = write_robustness(
            table, corpora, places, settings, args.table, jobs, fusions=fusions, severities=severities
        )
        print(f'robustness: {robustness or "left out, since nothing was run at w = 0"}', flush=True)
    for line in failed:
        print(f'error: {line}', file=sys.stderr)
    return 1 if failed else 0


if __name__ == '__main__':
    run_tool(main)
