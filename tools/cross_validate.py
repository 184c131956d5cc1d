"""Train the folds of a config, report each and their mean, and predict the test trials with them.

    python tools/cross_validate.py configs/grjca_affwild2.py --predict ccc_centred --sample SAMPLE

Folds that are finished are kept, those that were interrupted continue; the report has all that are finished in the work
dir. The same command may run several times at once on one work dir, or with other --folds (a Slurm array): a fold that
another process trains is left to it, or waited for if there is something to predict. A last call, with --report-only,
collects them.
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
    from mmaffect.engine.cross_validation import begun_folds, collect_folds, fold_configs, train_folds, use_one_seed
    from mmaffect.engine.cross_validation_report import cross_validation_report, plain_json
    from mmaffect.engine.fold_prediction import (
        best_folds,
        check_prediction,
        drop_submission,
        predict_fold,
        used_checkpoints,
    )
    from mmaffect.engine.running import load_tool_config, start_ranks, use_amp, use_randomness
    from mmaffect.engine.training import shared
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
    use_one_seed(work_dir, folds)
    cfg.randomness = folds[args.folds[0]][0].randomness
    corpus = Corpus(cfg.train_dataloader.dataset.data_root)
    try:
        if args.report_only:
            done = collect_folds(corpus, folds, tell)
        else:
            done = train_folds(corpus, folds, tell, wait=args.predict is not None)
    except KeyboardInterrupt:
        tell('interrupted; the same command continues')
        return 130
    asked = [fold for fold in args.folds if fold not in done]
    # The report is that of the work dir, whatever this call was asked for.
    others = fold_configs(
        cfg, [fold for fold in shared(lambda: begun_folds(work_dir)) if fold not in folds], args.targets
    )
    rows = done | collect_folds(corpus, others, tell)
    rows = {fold: rows[fold] for fold in FOLDS if fold in rows}
    missing = [fold for fold in FOLDS if fold not in rows]
    if asked:
        tell(f'not finished: fold {", ".join(map(str, asked))}; --report-only collects when they are')
    # Without --report-only, what is not finished is in training elsewhere.
    status = 1 if asked and (args.report_only or args.predict) else 0
    if not rows:
        return status
    text = cross_validation_report(list(rows.values()), missing)
    tell(f'\n{text}\n')
    if is_main_process():
        write_text(work_dir / 'cross_validation.md', f'{text}\n')
        report = plain_json({'folds': [*rows.values()], 'missing': missing})
        write_text(work_dir / 'cross_validation.json', json.dumps(report, allow_nan=False))
    tell(f'written: {work_dir}/cross_validation.md and .json')
    if args.predict is None or asked:
        if shared(lambda: drop_submission(work_dir)):
            tell(f'deleted: {work_dir}/submission.txt, made from other weights')
        if args.predict:
            tell('no submission: it needs all folds that are asked for')
        return status
    chosen = best_folds(
        {fold: row['figures'] for fold, row in done.items()}, args.best_folds or (1 if args.predict == 'best' else None)
    )
    predictions = [predict_fold(folds[fold], done[fold]['runs'], trials) for fold in chosen]
    if is_main_process():
        combined = combine(predictions, 'ccc_centred' if args.predict == 'ccc_centred' else 'mean')
        names = ', '.join(map(str, chosen))
        print(f'test trials predicted by fold {names}' + (f', {args.predict}' if len(chosen) > 1 else ''))
        made_from = {
            'folds': chosen,
            'method': args.predict,
            'checkpoints': [
                one for fold in chosen for one in used_checkpoints(folds[fold], done[fold]['runs'], work_dir)
            ],
            'sample': args.sample,
        }
        drop_submission(work_dir, always=True)
        print(write_submission(work_dir / 'submission.txt', combined, sample))
        print(write_trial_files(work_dir / 'submission', combined, sample))
        write_text(work_dir / 'submission.json', json.dumps(made_from, indent=1))
    return 0


if __name__ == '__main__':
    run_tool(main)
