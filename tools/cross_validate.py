"""Train the folds of a config, report each and their mean, and predict the test trials with them.

    python tools/cross_validate.py configs/grjca_affwild2.py --predict ccc_centred --sample SAMPLE

Folds that are finished are kept, those that were interrupted continue. The same command may run several times at once
on one work dir, or with other --folds (a Slurm array): a fold that another process trains is left to it. A last call,
with --report-only, collects them.
"""

import argparse
import json
import os
from pathlib import Path

from mmaffect.utils.cli import run_tool, runner_arguments

FOLDS = tuple(range(6))
TARGETS = ('valence', 'arousal')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--folds', type=int, nargs='+', choices=FOLDS, default=FOLDS, metavar='K', help='(default: 0 to 5)'
    )
    parser.add_argument(
        '--targets',
        nargs='+',
        choices=TARGETS,
        metavar='TARGET',
        help="train a model for each of valence, arousal (default: one model for the config's targets)",
    )
    parser.add_argument('--seed', type=int, help="of every random draw, instead of the config's")
    parser.add_argument(
        '--deterministic', action='store_true', help='refuse algorithms that differ from run to run (slower on GPUs)'
    )
    parser.add_argument('--report-only', action='store_true', help='train nothing, report the folds that are finished')
    parser.add_argument(
        '--predict',
        choices=['best', 'mean', 'ccc_centred'],
        help='predict the test trials and write submission.txt: with the best fold, the mean of folds, or CCC-centring',
    )
    parser.add_argument('--best-folds', type=int, metavar='N', help='combine the N folds of the highest CCC only')
    parser.add_argument('--sample', help='sample file of the challenge, whose rows the submission has')
    runner_arguments(parser)
    args = parser.parse_args()
    if len(set(args.folds)) < len(args.folds) or len(set(args.targets or ())) < len(args.targets or ()):
        parser.error('--folds, --targets: one is given twice')
    if args.predict is None and (args.best_folds is not None or args.sample is not None):
        parser.error('--best-folds, --sample: expected with --predict')
    if args.best_folds is not None and not 1 <= args.best_folds <= len(args.folds):
        parser.error(f'--best-folds {args.best_folds}: expected 1 to {len(args.folds)}, the number of folds')
    if args.predict == 'best' and args.best_folds not in (None, 1):
        parser.error(f'--predict best --best-folds {args.best_folds}: expected "--predict mean" to combine folds')
    return args


def main() -> int:
    args = parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))

    from mmengine.dist import is_main_process

    from mmaffect.datasets.corpus import Corpus
    from mmaffect.engine.cross_validation import fold_configs, train_folds
    from mmaffect.engine.cross_validation_report import cross_validation_report
    from mmaffect.engine.fold_prediction import best_folds, check_prediction, predict_fold
    from mmaffect.engine.running import load_tool_config, start_ranks, use_amp, use_randomness
    from mmaffect.evaluation import combine, read_sample, write_submission, write_trial_files
    from mmaffect.utils.files import write_text

    def tell(text: str) -> None:
        if is_main_process():
            print(text, flush=True)

    cfg = load_tool_config(args)
    if args.amp:
        use_amp(cfg)
    use_randomness(cfg, args.seed, args.deterministic)
    work_dir = Path(cfg.work_dir)
    folds = fold_configs(cfg, args.folds, args.targets)
    sample = read_sample(args.sample) if args.sample else None
    trials = check_prediction(folds[args.folds[0]], sample) if args.predict else []
    start_ranks(cfg)
    try:
        done = train_folds(Corpus(cfg.train_dataloader.dataset.data_root), folds, not args.report_only, tell)
    except KeyboardInterrupt:
        tell('interrupted; the same command continues')
        return 130
    missing = [fold for fold in args.folds if fold not in done]
    if missing:
        tell(f'not finished: fold {", ".join(map(str, missing))}; --report-only collects when they are')
    if not done:
        return 1
    text = cross_validation_report(list(done.values()))
    tell(f'\n{text}\n')
    if is_main_process():
        write_text(work_dir / 'cross_validation.md', f'{text}\n')
        write_text(work_dir / 'cross_validation.json', json.dumps({'folds': [*done.values()], 'missing': missing}))
    tell(f'written: {work_dir}/cross_validation.md and .json')
    if args.predict is None:
        return 0
    if missing:
        tell('no submission: it needs all folds that are asked for')
        return 1
    chosen = best_folds(
        {fold: row['figures'] for fold, row in done.items()}, args.best_folds or (1 if args.predict == 'best' else None)
    )
    predictions = [predict_fold(folds[fold], done[fold]['runs'], trials) for fold in chosen]
    if is_main_process():
        combined = combine(predictions, 'ccc_centred' if args.predict == 'ccc_centred' else 'mean')
        names = ', '.join(map(str, chosen))
        print(f'test trials predicted by fold {names}' + (f', {args.predict}' if len(chosen) > 1 else ''))
        print(write_submission(work_dir / 'submission.txt', combined, sample))
        print(write_trial_files(work_dir / 'submission', combined, sample))
    return 0


if __name__ == '__main__':
    run_tool(main)
